"""Splits in memory and in files too large for it."""

import numpy as np
import pytest
import torch

from contractive.data.examples import Examples
from contractive.data.parts import cut, file_parts, memory_parts
from contractive.nn.scaling import PIECE

FRACTIONS = {"val": 0.2, "test": 0.1}


def save(path, array):
    np.save(path, array)
    return path


def from_file(paths, labels=None, seed=0):
    return file_parts(paths, lambda n: labels, FRACTIONS, seed)


def everything(part, batch_size=7):
    """All examples of a split, as its loader gives them in order."""
    batches = list(part.loader(batch_size, shuffle=False))
    return [torch.cat(tensors) for tensors in zip(*batches)]


def in_memory(tmp_path, x, y):
    return memory_parts({"train": Examples(torch.from_numpy(x), torch.from_numpy(y))}, FRACTIONS, seed=0)


def in_file(tmp_path, x, y):
    return from_file({"train": save(tmp_path / "x.npy", x)}, y)


@pytest.fixture(params=[in_memory, in_file])
def parts(request, tmp_path):
    """1,000 examples in three splits; number i is (i, -i), and its label 3 i."""
    i = np.arange(1000)
    return request.param(tmp_path, np.stack([i, -i], 1).astype(np.float32), 3 * i)


def test_every_example_is_in_one_split_with_its_own_label(parts):
    splits = {name: everything(part) for name, part in parts.items()}
    assert set(splits) == {"train", "val", "test"}
    numbers = torch.cat([x[:, 0] for x, _ in splits.values()]).long()
    assert torch.equal(numbers.sort().values, torch.arange(1000))
    for x, y in splits.values():
        assert torch.equal(x[:, 0].long() * 3, y)
    assert {name: round(len(x) / 1000, 1) for name, (x, _) in splits.items()} == {
        "train": 0.7,
        "val": 0.2,
        "test": 0.1,
    }


def two_each(x):
    """Two tangents of each example."""
    return torch.stack([x, 2 * x], 1)


def test_tangents_are_found_once_and_come_with_their_example(tmp_path, monkeypatch):
    monkeypatch.setattr("contractive.data.parts.PIECE", 64)
    i = np.arange(1000)
    train = in_memory(tmp_path, np.stack([i, -i], 1).astype(np.float32), i)["train"]
    asked = []

    def find(x):
        asked.append(x)
        return two_each(x)

    kept = train.with_tangents(find)
    assert torch.equal(torch.cat(asked), train.everything().x) and max(map(len, asked)) == 64
    for (x, y), (same_x, same_y, tangents) in zip(
        *(part.loader(32, shuffle=True, seed=3) for part in (train, kept)), strict=True
    ):
        assert torch.equal(x, same_x) and torch.equal(y, same_y)
        assert torch.equal(tangents, two_each(x))
    assert len(asked) == 11 and len(kept.first(3)) == 3


def test_tangents_are_kept_of_nothing_that_stays_in_its_file(tmp_path):
    i = np.arange(1000)
    with pytest.raises(ValueError, match="stay in their file"):
        in_file(tmp_path, np.stack([i, -i], 1).astype(np.float32), i)["train"].with_tangents(two_each)


@pytest.mark.parametrize("n", [1, 5, 64])
def test_the_first_examples_are_the_first_of_the_loader_with_their_labels(parts, n):
    for part in parts.values():
        x, y = everything(part)
        first = part.first(n)
        assert len(first) == n
        assert torch.equal(first.x, x[:n]) and torch.equal(first.y, y[:n])


def test_the_first_of_all_are_all(parts):
    assert len(parts["test"].first(10_000)) == len(everything(parts["test"])[0])


def test_statistics_are_those_of_the_rows_of_the_split_alone(parts):
    for part in parts.values():
        x = everything(part)[0].double().numpy()
        known = part.statistics
        for found, wanted in zip(
            (known.low, known.high, known.mean, known.std), (x.min(0), x.max(0), x.mean(0), x.std(0))
        ):
            np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_statistics_in_memory_are_those_of_all_pieces():
    x = torch.cat([torch.zeros(3 * PIECE, 1), torch.full((3 * PIECE, 1), 6.0)])
    known = memory_parts({"train": Examples(x)}, FRACTIONS, seed=0)["train"].statistics
    assert known.low == 0 and known.high == 6
    assert known.mean.item() == pytest.approx(3, abs=0.05) and known.std.item() == pytest.approx(3, abs=0.05)


def test_a_split_with_a_file_of_its_own_is_all_of_that_file_without_labels(tmp_path):
    train, val = np.ones((300, 2), "f4"), np.arange(20, dtype="f4").reshape(10, 2)
    paths = {"train": save(tmp_path / "t.npy", train), "val": save(tmp_path / "v.npy", val)}
    parts = from_file(paths, np.zeros(300, int))
    ((x,),) = parts["val"].loader(100, shuffle=False)
    np.testing.assert_array_equal(x, val)
    assert len(everything(parts["train"])[0]) + len(everything(parts["test"])[0]) == 300


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            np.ones((5, 3), "f4"),
            r"v\.npy: .* val split is \(3,\) float32, .*t\.npy\) is \(2,\) f",
        ),
        (np.ones((5, 2), "u1"), r"v\.npy: .*uint8.*float32"),
        (np.ones((0, 2), "f4"), r"v\.npy: holds 0 of the at least 1 examples for val"),
    ],
)
def test_files_have_to_agree(tmp_path, other, message):
    paths = {"train": save(tmp_path / "t.npy", np.ones((9, 2), "f4")), "val": save(tmp_path / "v.npy", other)}
    with pytest.raises(ValueError, match=message):
        from_file(paths)


def test_nan_and_infinity_are_counted_and_placed_in_whatever_split(tmp_path):
    array = np.ones((2000, 3), "f8")
    array[1733, 1] = array[417, 0] = np.nan
    array[417, 2], array[418, 2], array[419, 0] = np.inf, -np.inf, 1e300  # too large for 32 bits
    with pytest.raises(ValueError, match=r"x\.npy: [45] values are NaN, .* the first in row 417") as error:
        from_file({"train": save(tmp_path / "x.npy", array)}, seed=2)
    assert "\n" not in str(error.value)


def test_a_file_stored_column_by_column_is_refused_with_a_remedy(tmp_path):
    path = save(tmp_path / "x.npy", np.asfortranarray(np.ones((9, 2), "f4")))
    with pytest.raises(ValueError, match=r"ascontiguousarray\(x\), or raise data\.in_memory_mib"):
        from_file({"train": path})


def test_a_cut_is_a_partition_of_the_right_size():
    left, taken = cut(torch.arange(10, 110), torch.arange(200) % 3, 0.1, seed=0, name="val")
    assert len(taken) == 10
    assert torch.equal(torch.cat([left, taken]).sort().values, torch.arange(10, 110))


def test_every_label_keeps_its_share():
    y = torch.cat([torch.zeros(900), torch.ones(100)]).long()
    _, taken = cut(torch.arange(1000), y, 0.1, seed=0, name="val")
    assert y[taken].sum() == 10


def test_a_cut_depends_on_its_seed_alone():
    cuts = [cut(torch.arange(100), None, 0.2, seed, "val")[1] for seed in (0, 0, 1)]
    assert torch.equal(cuts[0], cuts[1])
    assert not torch.equal(cuts[0], cuts[2])


def test_labels_that_are_all_different_do_not_hinder():
    _, taken = cut(torch.arange(100), torch.arange(100), 0.2, seed=0, name="val")
    assert len(taken) == 20


@pytest.mark.parametrize(("n", "fraction"), [(1, 0.5), (3, 0.1), (2, 0.9)])
def test_no_split_may_be_empty(n, fraction):
    with pytest.raises(
        ValueError, match=rf"val_fraction={fraction:g} of {n} examples .* neither may be empty"
    ):
        cut(torch.arange(n), None, fraction, seed=0, name="val")
