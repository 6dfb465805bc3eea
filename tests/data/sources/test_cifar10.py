"""CIFAR-10, on a few pictures of our own in its format."""

import hashlib
import pickle

import numpy as np
import pytest
import torch
from torchvision.datasets import CIFAR10

from contractive.data.sources.cifar10 import Cifar10

FILES = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch", "batches.meta")


def cifar(root, **options):
    return Cifar10(root=str(root), download=False, **options)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A whole data set: three pictures in every file, whose MD5 sums are taken for the official ones."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    rng = np.random.default_rng(0)
    sums = []
    for file in FILES:
        batch = {"data": rng.integers(0, 256, (3, 3072), np.uint8), "labels": [4, 0, 9], "label_names": []}
        (folder / file).write_bytes(pickle.dumps(batch))
        sums.append([file, hashlib.md5((folder / file).read_bytes()).hexdigest()])
    monkeypatch.setattr(CIFAR10, "train_list", sums[:5])
    monkeypatch.setattr(CIFAR10, "test_list", sums[5:6])
    monkeypatch.setattr(CIFAR10, "meta", {"filename": FILES[6], "key": "label_names", "md5": sums[6][1]})
    return tmp_path


def test_pictures_are_those_of_torchvision_with_their_channels_first(root):
    read = cifar(root).read()
    for split in ("train", "test"):
        expected = CIFAR10(root, train=split == "train")
        assert read[split].x.dtype == torch.uint8 and read[split].x.is_contiguous()
        np.testing.assert_array_equal(read[split].x.permute(0, 2, 3, 1), expected.data)
        assert read[split].y.tolist() == expected.targets
    assert read["train"].x.shape == (15, 3, 32, 32) and read["test"].x.shape == (3, 3, 32, 32)


def test_grey_is_the_luminance_of_the_colours(root):
    colours = cifar(root).read()["train"].x.double()
    grey = cifar(root, grey=True).read()["train"].x
    expected = torch.einsum("nchw,c->nhw", colours, torch.tensor([0.299, 0.587, 0.114]).double())
    assert grey.shape == (15, 1, 32, 32) and grey.dtype == torch.uint8
    assert (grey[:, 0] - expected).abs().max() <= 0.501


def test_a_file_with_another_checksum_is_never_unpickled(root, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "went off"), "w"))

    for file in FILES:
        (root / "cifar-10-batches-py" / file).write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(FileNotFoundError, match=r"CIFAR10: data_batch_1, .*batches.meta missing or broken"):
        cifar(root).read()
    assert not (tmp_path / "went off").exists()


def test_missing_files_are_named(root):
    (root / "cifar-10-batches-py" / "batches.meta").unlink()
    with pytest.raises(FileNotFoundError, match=r"CIFAR10: batches.meta missing .*cifar-10-.*data.root"):
        cifar(root).fetch()


@pytest.mark.parametrize("missing", ["batches.meta", "data_batch_3"])
def test_what_is_missing_is_unpacked_anew(root, missing, monkeypatch):
    path = root / "cifar-10-batches-py" / missing
    whole = path.read_bytes()
    path.write_bytes(whole[:50])
    asked = []

    def download(url, root, extract_root, filename, md5):
        asked.append(url)
        path.write_bytes(whole)

    monkeypatch.setattr("torchvision.datasets.utils.download_and_extract_archive", download)
    assert len(Cifar10(root=str(root)).read()["train"]) == 15
    assert asked == [CIFAR10.url]
