"""Data sets with a name: read, found broken, fetched again."""

import gzip
import pickle
import shutil
import struct
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from contractive.data.readers.named import fetch, read_named
from contractive.training.datamodule import DataModule


def test_mnist_is_what_torchvision_reads(mnist_root):
    from torchvision.datasets import MNIST

    data = DataModule("mnist", root=str(mnist_root), download=False, val_fraction=1 / 6)
    data.setup("fit")
    assert [len(data.split(name)) for name in ("train", "val", "test")] == [50_000, 10_000, 10_000]
    assert data.split("train").x.dtype == torch.uint8
    assert torch.equal(data.split("test").x[:, 0], MNIST(str(mnist_root), train=False).data)
    assert data.input_shape == (1, 28, 28)


def test_a_missing_data_set_names_the_files_and_the_folder(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"mnist: train-images-idx3-ubyte, .* in '.*MNIST/raw'.*data.root"
    ) as caught:
        fetch("mnist", tmp_path, download=False)
    assert "\n" not in str(caught.value)
    with pytest.raises(FileNotFoundError, match="data_batch_1"):
        fetch("cifar10", tmp_path, download=False)


def test_a_truncated_file_is_missing(tmp_path, mnist_root):
    raw = tmp_path / "MNIST" / "raw"
    shutil.copytree(mnist_root / "MNIST" / "raw", raw)
    fetch("mnist", tmp_path, download=False)
    for size in (0, 3, 7, 15, 1000):
        labels = (mnist_root / "MNIST" / "raw" / "t10k-labels-idx1-ubyte").read_bytes()
        (raw / "t10k-labels-idx1-ubyte").write_bytes(labels[:size])
        with pytest.raises(FileNotFoundError, match="mnist: t10k-labels-idx1-ubyte missing or broken"):
            fetch("mnist", tmp_path, download=False)


def test_a_download_that_stopped_half_way_is_taken_up_again(tmp_path, mnist_root, monkeypatch):
    from torchvision.datasets import MNIST

    raw = tmp_path / "MNIST" / "raw"
    shutil.copytree(mnist_root / "MNIST" / "raw", raw)
    broken = raw / "t10k-labels-idx1-ubyte"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:100])

    def download(self):  # stands for the network: what is missing arrives as torchvision would unpack it
        if not broken.exists():
            broken.write_bytes(gzip.decompress(gzip.compress(whole)))

    monkeypatch.setattr(MNIST, "download", download)
    assert len(read_named("mnist", tmp_path)["test"]) == 10_000
    assert broken.read_bytes() == whole


def test_grey_is_the_luminance_of_the_colours(monkeypatch):
    class Colours:
        def __init__(self, root, train, download):
            self.data = torch.tensor([[[[255, 0, 0], [0, 255, 0]]]], dtype=torch.uint8).numpy()
            self.targets = [4]

    monkeypatch.setattr("contractive.data.readers.named.fetch", lambda *_: None)
    monkeypatch.setattr("contractive.data.readers.named._dataset", lambda _: Colours)
    colour = read_named("cifar10", ".")["train"]
    assert colour.x.shape == (1, 3, 1, 2)
    grey = read_named("cifar10", ".", grey=True)["train"].x
    assert grey.shape == (1, 1, 1, 2)
    assert grey.flatten().tolist() == [round(0.299 * 255), round(0.587 * 255)]


def idx(*shape):
    return struct.pack(f">I{len(shape)}I", 0x800 + len(shape), *shape) + bytes(
        i % 251 for i in range(torch.Size(shape).numel())
    )


@pytest.fixture
def small(tmp_path_factory):
    """A whole data set in MNIST's format: 5 pictures of 2×3 to train, 4 to test."""
    raw = tmp_path_factory.mktemp("small") / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, n in (("train", 5), ("t10k", 4)):
        (raw / f"{name}-images-idx3-ubyte").write_bytes(idx(n, 2, 3))
        (raw / f"{name}-labels-idx1-ubyte").write_bytes(idx(n))
    return raw


def test_an_idx_file_is_its_bytes_in_order(small):
    data = read_named("mnist", small.parents[1], download=False)
    assert data["train"].x.shape == (5, 1, 2, 3) and data["train"].x.dtype == torch.uint8
    assert torch.equal(data["test"].x.flatten(), torch.arange(24, dtype=torch.uint8))
    assert torch.equal(data["test"].y, torch.arange(4))


def test_reading_them_does_not_need_torchvision(small, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    assert len(read_named("mnist", small.parents[1])["train"]) == 5


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("train-labels-idx1-ubyte", idx(5, 2, 3)),
        ("train-images-idx3-ubyte", idx(5)),
        ("t10k-images-idx3-ubyte", idx(0, 2, 3)),
        ("t10k-images-idx3-ubyte", idx(4, 2, 3) + b"0"),
        ("t10k-images-idx3-ubyte", gzip.compress(idx(4, 2, 3))),
        ("t10k-images-idx3-ubyte", b""),
    ],
    ids=["pictures for labels", "labels for pictures", "none", "too long", "still packed", "empty"],
)
def test_a_file_of_another_kind_is_broken(small, file, content):
    (small / file).write_bytes(content)
    with pytest.raises(FileNotFoundError, match=f"mnist: {file} missing or broken in .*data.root"):
        read_named("mnist", small.parents[1], download=False)


def test_labels_of_another_number_than_pictures_are_refused(small):
    (small / "train-labels-idx1-ubyte").write_bytes(idx(6))
    with pytest.raises(ValueError, match="5 examples and 6 labels"):
        read_named("mnist", small.parents[1], download=False)


@given(content=st.binary(max_size=60), start=st.sampled_from([b"", b"\0\0\x08\x03", idx(4, 2, 3)[:16]]))
def test_random_bytes_are_broken_files(tmp_path_factory, content, start):
    raw = tmp_path_factory.getbasetemp() / "fuzz" / "MNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    (raw / "train-images-idx3-ubyte").write_bytes(start + content)
    with pytest.raises(FileNotFoundError, match=r"mnist: .* missing or broken") as caught:
        read_named("mnist", raw.parents[1], download=False)
    assert "\n" not in str(caught.value)


def test_a_picture_file_of_cifar_with_another_checksum_is_never_unpickled(tmp_path):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()

    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "went off"), "w"))

    for file in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch", "batches.meta"):
        (folder / file).write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(FileNotFoundError, match=r"cifar10: data_batch_1, .*batches.meta missing or broken"):
        read_named("cifar10", tmp_path, download=False)
    assert not (tmp_path / "went off").exists()


def test_a_download_that_fails_leaves_no_folders_behind(tmp_path, monkeypatch):
    from torchvision.datasets import MNIST

    def download(self):
        (tmp_path / "new" / "MNIST" / "raw").mkdir(parents=True)
        raise RuntimeError("no network")

    monkeypatch.setattr(MNIST, "download", download)
    with pytest.raises(FileNotFoundError, match=r"could not be downloaded .no network.: set data.root"):
        fetch("mnist", tmp_path / "new")
    assert not (tmp_path / "new").exists()
