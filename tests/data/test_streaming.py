"""Batches from a file larger than memory."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning import LightningModule, Trainer

from contractive.data.stored import StoredArray
from contractive.data.streaming import BlockLoader

ROWS_PER_BLOCK = 5
ROW_BYTES = 3 * 4 + 16  # three floats, and what the buffer keeps beside


@pytest.fixture
def loader(tmp_path):
    """Row i of the file is (i, i, i), so that a batch tells its rows; by default 4 batches a buffer."""

    def make(n=103, batch_size=4, blocks=None, **settings):
        path = tmp_path / f"{n}.npy"
        if not path.exists():
            np.save(path, np.repeat(np.arange(n, dtype=np.float32)[:, None], 3, axis=1))
        if blocks is None:
            blocks = torch.arange(-(-n // ROWS_PER_BLOCK))
        settings = {"shuffle": True, "buffer_bytes": 4 * batch_size * ROW_BYTES} | settings
        return BlockLoader(StoredArray(path), blocks, ROWS_PER_BLOCK, batch_size, **settings)

    return make


def rows(batches):
    batches = list(batches)
    return torch.cat([batch[0][:, 0] for batch in batches]).long() if batches else torch.empty(0).long()


@pytest.mark.parametrize("n", [3, 4, 20, 101, 103])
@pytest.mark.parametrize("buffer_bytes", [0, 4 * 4 * ROW_BYTES, 2**20])
@pytest.mark.parametrize("drop_last", [False, True])
def test_a_shuffled_epoch_is_a_permutation_in_batches_of_the_size_asked_for(
    loader, n, buffer_bytes, drop_last
):
    loader = loader(n, buffer_bytes=buffer_bytes, drop_last=drop_last)
    batches = list(loader)
    assert len(batches) == len(loader) == (n // 4 if drop_last else -(-n // 4))
    assert all(len(x) == 4 for (x,) in (batches if drop_last else batches[:-1]))
    seen = rows(batches)
    assert len(seen.unique()) == len(seen) == (n // 4 * 4 if drop_last else n)


def test_no_two_epochs_are_alike_and_neither_is_in_the_order_of_the_file(loader):
    loader = loader()
    first = rows(loader)
    loader.set_epoch(1)
    assert not torch.equal(first, rows(loader))
    assert not torch.equal(first, torch.arange(103))


def test_a_batch_mixes_the_blocks_of_a_whole_buffer(loader):
    # 100 blocks, 10 of them in a buffer: a batch of 10 of 50 rows has, without replacement, some 7 blocks.
    batches = loader(500, 10, buffer_bytes=5 * 10 * ROW_BYTES)
    blocks = [len((x[:, 0].long() // ROWS_PER_BLOCK).unique()) for (x,) in batches]
    assert 5 < sum(blocks) / len(blocks) <= 10


def test_a_split_that_fits_into_the_buffer_is_shuffled_completely(loader):
    # Every row comes first equally often: chi-squared, 19 degrees of freedom, 43.8 is the 99.9 % point.
    loader = loader(20, 20, buffer_bytes=2**20)
    counts = torch.zeros(20)
    for epoch in range(600):
        loader.set_epoch(epoch)
        counts[rows(loader)[0]] += 1
    assert ((counts - 30) ** 2 / 30).sum() < 43.8


def test_without_shuffling_rows_come_in_the_order_of_the_blocks(loader):
    assert torch.equal(rows(loader(shuffle=False)), torch.arange(103))
    blocks = torch.tensor([20, 2, 0])
    expected = [*range(100, 103), *range(10, 15), *range(5)]
    assert rows(loader(shuffle=False, blocks=blocks)).tolist() == expected
    assert sorted(rows(loader(blocks=blocks)).tolist()) == sorted(expected)


def test_the_order_depends_on_seed_and_epoch_alone(loader):
    a, b = loader(seed=3), loader(seed=3)
    a.set_epoch(5), b.set_epoch(5)
    order = rows(a)
    state = torch.random.get_rng_state()
    torch.rand(7)
    torch.random.set_rng_state(state)
    assert torch.equal(order, rows(b))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not torch.equal(order, rows(loader(seed=4)))


def test_labels_go_with_their_rows(loader):
    for shuffle in (True, False):
        for x, y in loader(labels=torch.arange(103) * 7, shuffle=shuffle):
            assert torch.equal(x[:, 0].long() * 7, y)
    with pytest.raises(ValueError, match="103 examples and there are 5 labels"):
        loader(labels=torch.arange(5))


def test_batches_are_of_the_type_in_which_the_rows_are_read(tmp_path):
    array = np.arange(256, dtype=np.uint8).reshape(64, 4)
    np.save(tmp_path / "x.npy", array)
    loader = BlockLoader(StoredArray(tmp_path / "x.npy"), torch.arange(8), 8, 64, shuffle=False)
    ((x,),) = loader
    assert x.dtype == torch.uint8
    assert torch.equal(x, torch.from_numpy(array))


@pytest.mark.parametrize("n", [1, 7, 8, 9, 100, 101, 127, 129])
@pytest.mark.parametrize("world_size", [2, 3])
@pytest.mark.parametrize("batch_size", [1, 4, 8])
def test_processes_together_see_each_row_once_in_equally_many_batches(loader, n, world_size, batch_size):
    settings = {"world_size": world_size, "labels": torch.arange(n)}
    ranks = [loader(n, batch_size, rank=r, **settings) for r in range(world_size)]
    for epoch in range(2):
        for rank in ranks:
            rank.set_epoch(epoch)
        batches = [list(rank) for rank in ranks]
        assert {len(b) for b in batches} == {len(ranks[0])} == {-(-n // (batch_size * world_size))}
        for number, parts in enumerate(zip(*batches)):
            sizes = [len(x) for x, _ in parts]
            assert max(sizes) - min(sizes) <= 1 and max(sizes) <= batch_size
            weights = [rank.weight(number) for rank in ranks]
            assert weights == pytest.approx([size * world_size / sum(sizes) for size in sizes])
        seen = torch.cat([rows(b) for b in batches])
        assert torch.equal(seen.sort().values, torch.arange(n))


@pytest.mark.parametrize("n", [7, 100, 101])
def test_processes_drop_the_same_number_of_last_rows(loader, n):
    ranks = [list(loader(n, 4, rank=r, world_size=3, drop_last=True)) for r in range(3)]
    assert [len(b) for b in ranks] == [n // 12] * 3
    assert all(len(x) == 4 for b in ranks for (x,) in b)
    if n >= 12:
        seen = torch.cat([rows(b) for b in ranks])
        assert len(seen.unique()) == len(seen) == n // 12 * 12


def test_processes_read_no_rows_of_each_other(loader, monkeypatch):
    read = []
    original = StoredArray.read
    monkeypatch.setattr(
        StoredArray, "read", lambda self, a, b: read.extend(range(a, b)) or original(self, a, b)
    )
    for rank in range(3):
        list(loader(101, 4, rank=rank, world_size=3))
    assert sorted(read) == list(range(101))


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("world_size", [1, 2])
def test_an_epoch_goes_on_with_the_very_next_batch(loader, shuffle, world_size):
    settings = {"shuffle": shuffle, "rank": world_size - 1, "world_size": world_size}
    whole = loader(**settings)
    whole.set_epoch(2)
    order = rows(whole)
    for done in range(len(whole)):
        stopped = loader(**settings)
        stopped.set_epoch(2)
        iterator = iter(stopped)
        head = [next(iterator) for _ in range(done)]
        resumed = loader(**settings)
        resumed.load_state_dict(stopped.state_dict())
        assert resumed.state_dict()["batch"] == done
        iterator = iter(resumed)  # as Lightning does: iter() first, then the epoch
        resumed.set_epoch(2)
        assert torch.equal(torch.cat([rows(head), rows(iterator)]), order)
        resumed.set_epoch(3)
        assert len(rows(resumed)) == len(order)


@pytest.mark.parametrize("other", [{"batch_size": 2, "world_size": 2}, {"buffer_bytes": 0}])
def test_rows_that_other_buffers_would_shuffle_do_not_go_on_within_an_epoch(loader, other):
    stopped = loader()
    next(iter(stopped))
    with pytest.raises(ValueError, match=r"4 of them in 1 buffers, and this one is of .*: go on with"):
        loader(**other).load_state_dict(stopped.state_dict())
    in_order = loader(shuffle=False)
    next(iter(in_order))
    loader(shuffle=False, **other).load_state_dict(in_order.state_dict())


def test_resuming_does_not_read_the_buffers_before(loader, monkeypatch):
    resumed = loader(buffer_bytes=0)
    resumed.load_state_dict({"batch": len(resumed) - 1})
    read = []
    original = StoredArray.read
    monkeypatch.setattr(StoredArray, "read", lambda self, a, b: read.append(b - a) or original(self, a, b))
    assert sum(read) == 0 and len(rows(resumed)) == sum(read) == 3


def test_an_epoch_that_was_read_to_its_last_batch_is_over(loader):
    loader = loader()
    iterator = iter(loader)
    for _ in range(len(loader)):
        next(iterator)
    assert loader.state_dict()["batch"] == 0
    assert len(rows(loader)) == 103


def test_an_epoch_that_was_left_early_does_not_go_on_in_the_next(loader):
    """As with ``limit_val_batches``: every epoch begins with its first batch."""
    loader = loader(shuffle=False)
    assert [next(iter(loader))[0][0, 0].item() for _ in range(3)] == [0, 0, 0]


class Watch(LightningModule):
    """Notes the rows that Lightning hands to training and validation, by epoch."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.train_rows, self.val_rows = {}, {}

    def training_step(self, batch, _):
        self.train_rows.setdefault(self.current_epoch, []).extend(rows([batch]).tolist())

    def validation_step(self, batch, _):
        self.val_rows.setdefault(self.current_epoch, []).extend(rows([batch]).tolist())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters())


def fit(loader, path, ckpt_path=None, max_steps=-1, **settings):
    quiet = {
        "accelerator": "cpu",
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    trainer = Trainer(
        **quiet,
        max_epochs=3,
        max_steps=max_steps,
        enable_checkpointing=False,
        default_root_dir=path,
        **settings,
    )
    model = Watch()
    trainer.fit(model, loader(20, 4), loader(20, 4, shuffle=False), ckpt_path=ckpt_path)
    return trainer, model


def test_lightning_shows_every_row_once_in_each_epoch_in_another_order(loader, tmp_path):
    model = fit(loader, tmp_path, limit_val_batches=2)[1]
    assert [sorted(seen) for seen in model.train_rows.values()] == [list(range(20))] * 3
    assert len({tuple(seen) for seen in model.train_rows.values()}) == 3
    assert {tuple(seen) for seen in model.val_rows.values() if len(seen) == 8} == {tuple(range(8))}


MEMORY = """
import sys
from pathlib import Path
import lightning, torch
from contractive.data.stored import StoredArray, blocks_of
from contractive.nn.scaling import statistics
from contractive.data.streaming import BlockLoader

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024

x = StoredArray(Path(sys.argv[1]))
rows_per_block, n_blocks = blocks_of(x)
statistics(x.read(i * rows_per_block, (i + 1) * rows_per_block) for i in range(0, n_blocks, 64))
loader = BlockLoader(x, torch.arange(n_blocks), rows_per_block, 256, shuffle=True)
before = peak()
batches = 0
for (batch,) in loader:
    assert batch.shape == (256, 1024)
    batches += 1
    if batches == 3 * loader.batches_per_buffer:
        break
print(before, peak())
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="/proc tells the memory of a process")
def test_a_file_of_8_gib_is_read_within_the_bound_on_memory(tmp_path):
    path = tmp_path / "x.npy"
    shape = (2**21, 2**10)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
        file.truncate(file.tell() + 2**33)  # a sparse file: zeros that take no room on the disk
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, path], env=environment, capture_output=True, text=True, check=True
    )
    peak = int(done.stdout.split()[1])
    assert peak < 1.5 * 2**30 + 2 * 256 * 2**10 * 4


def test_rows_with_a_label_join_each_batch(loader):
    labels = torch.arange(103)
    labels = labels.where(labels % 10 == 3, -1)  # the 10 rows 3, 13, … and 103 is none
    blocks = torch.arange(2, 21)  # from row 10 on: without row 3
    settings = {"labels": labels, "blocks": blocks, "shuffle": True, "buffer_bytes": 2**10}
    batches, alone = loader(labelled=3, **settings), loader(**settings)
    drawn = []
    for (x, y), (own, _) in zip(batches, alone, strict=True):
        assert torch.equal(x[: len(own)], own) and len(x) == len(own) + 3
        assert torch.equal(y, x[:, 0].long().where(x[:, 0].long() % 10 == 3, -1))
        drawn += x[len(own) :, 0].long().tolist()
    with_label = list(range(13, 103, 10))
    assert len(drawn) == 72 and all(
        sorted(drawn[at : at + 9]) == with_label for at in range(0, len(drawn), 9)
    )
    with pytest.raises(ValueError, match=r"the 9 training examples with a label .*: data\.labelled=0 has"):
        loader(labelled=3, **{**settings, "buffer_bytes": 9 * 12 - 1})
