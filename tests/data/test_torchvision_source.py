"""Data sets with a name: read, found broken, fetched again."""

import gzip
import shutil
import struct
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from contractive.data.settings import source_settings
from contractive.data.sources.mnist import Mnist
from contractive.training.datamodule import DataModule


def mnist(root, download=False):
    return Mnist(root=str(root), download=download)


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
        FileNotFoundError, match=r"MNIST: train-images-idx3-ubyte, .* in '.*MNIST/raw'.*data.root"
    ) as caught:
        mnist(tmp_path).fetch()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "folder"), [("fashion_mnist", "FashionMNIST/raw"), ("kmnist", "KMNIST/raw")]
)
def test_its_kin_lies_in_folders_of_its_own(small, source, folder):
    root = small.parents[1]
    (root / folder).parent.mkdir()
    small.rename(root / folder)
    assert len(source_settings(source, root=str(root), download=False).read()["train"]) == 5
    (root / folder / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(FileNotFoundError, match=rf"train-labels-idx1-ubyte missing .*{folder}'"):
        source_settings(source, root=str(root), download=False).read()


def test_a_truncated_file_is_missing(tmp_path, mnist_root):
    raw = tmp_path / "MNIST" / "raw"
    shutil.copytree(mnist_root / "MNIST" / "raw", raw)
    mnist(tmp_path).fetch()
    for size in (0, 3, 7, 15, 1000):
        labels = (mnist_root / "MNIST" / "raw" / "t10k-labels-idx1-ubyte").read_bytes()
        (raw / "t10k-labels-idx1-ubyte").write_bytes(labels[:size])
        with pytest.raises(FileNotFoundError, match="MNIST: t10k-labels-idx1-ubyte missing or broken"):
            mnist(tmp_path).fetch()


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
    assert len(mnist(tmp_path, download=True).read()["test"]) == 10_000
    assert broken.read_bytes() == whole


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


def test_of_processes_that_start_at_once_one_downloads(small, tmp_path, monkeypatch):
    downloads = []

    def load(self, **options):
        downloads.append(self.root)
        time.sleep(0.2)  # the other one has looked by then
        shutil.copytree(small, tmp_path / "new" / "MNIST" / "raw")

    monkeypatch.setattr(Mnist, "load", load)
    with ThreadPoolExecutor(2) as pool:
        for fetched in [pool.submit(mnist(tmp_path / "new", download=True).fetch) for _ in range(2)]:
            fetched.result()
    assert len(downloads) == 1
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["MNIST"]


def test_an_idx_file_is_its_bytes_in_order(small):
    data = mnist(small.parents[1]).read()
    assert data["train"].x.shape == (5, 1, 2, 3) and data["train"].x.dtype == torch.uint8
    assert torch.equal(data["test"].x.flatten(), torch.arange(24, dtype=torch.uint8))
    assert torch.equal(data["test"].y, torch.arange(4))


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
    with pytest.raises(FileNotFoundError, match=f"MNIST: {file} missing or broken in .*data.root"):
        mnist(small.parents[1]).read()


def test_labels_of_another_number_than_pictures_are_refused(small):
    (small / "train-labels-idx1-ubyte").write_bytes(idx(6))
    with pytest.raises(ValueError, match=r"MNIST: in '.*' there are 5 pictures and 6 labels for train"):
        mnist(small.parents[1]).read()


@given(content=st.binary(max_size=60), start=st.sampled_from([b"", b"\0\0\x08\x03", idx(4, 2, 3)[:16]]))
def test_random_bytes_are_broken_files(tmp_path_factory, content, start):
    raw = tmp_path_factory.getbasetemp() / "fuzz" / "MNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    (raw / "train-images-idx3-ubyte").write_bytes(start + content)
    with pytest.raises(FileNotFoundError, match=r"MNIST: .* missing or broken") as caught:
        mnist(raw.parents[1]).read()
    assert "\n" not in str(caught.value)


def test_a_download_that_fails_leaves_no_folders_behind(tmp_path, monkeypatch):
    from torchvision.datasets import MNIST

    def download(self):
        (tmp_path / "new" / "MNIST" / "raw").mkdir(parents=True)
        raise RuntimeError("no network")

    monkeypatch.setattr(MNIST, "download", download)
    with pytest.raises(FileNotFoundError, match=r"could not be downloaded .no network.: set data.root"):
        mnist(tmp_path / "new", download=True).fetch()
    assert not (tmp_path / "new").exists()
