"""CIFAR-10, on a few pictures of our own in its format."""

import pickle

import numpy as np
import pytest
import torch
from torchvision.datasets import CIFAR10

from contractive.data.sources.cifar10 import Cifar10


def cifar(root, **options):
    return Cifar10(root=str(root), download=False, **options)


def test_pictures_are_those_of_torchvision_with_their_channels_first(cifar10_root):
    read = cifar(cifar10_root).read()
    for split in ("train", "test"):
        expected = CIFAR10(cifar10_root, train=split == "train")
        assert read[split].x.dtype == torch.uint8 and read[split].x.is_contiguous()
        np.testing.assert_array_equal(read[split].x.permute(0, 2, 3, 1), expected.data)
        assert read[split].y.tolist() == expected.targets
    assert read["train"].x.shape == (15, 3, 32, 32) and read["test"].x.shape == (3, 3, 32, 32)


def test_grey_is_the_luminance_of_the_colours(cifar10_root):
    colours = cifar(cifar10_root).read()["train"].x.double()
    grey = cifar(cifar10_root, grey=True).read()["train"].x
    expected = torch.einsum("nchw,c->nhw", colours, torch.tensor([0.299, 0.587, 0.114]).double())
    assert grey.shape == (15, 1, 32, 32) and grey.dtype == torch.uint8
    assert (grey[:, 0] - expected).abs().max() <= 0.501


def test_a_file_with_another_checksum_is_never_unpickled(cifar10_root, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "went off"), "w"))

    for file in (cifar10_root / "cifar-10-batches-py").iterdir():
        file.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(FileNotFoundError, match=r"CIFAR10: data_batch_1, .*batches.meta missing or broken"):
        cifar(cifar10_root).read()
    assert not (tmp_path / "went off").exists()


def test_missing_files_are_named(cifar10_root):
    (cifar10_root / "cifar-10-batches-py" / "batches.meta").unlink()
    with pytest.raises(FileNotFoundError, match=r"CIFAR10: batches.meta missing .*cifar-10-.*data.root"):
        cifar(cifar10_root).fetch()


@pytest.mark.parametrize("missing", ["batches.meta", "data_batch_3"])
def test_what_is_missing_is_unpacked_anew(cifar10_root, missing, monkeypatch):
    path = cifar10_root / "cifar-10-batches-py" / missing
    whole = path.read_bytes()
    path.write_bytes(whole[:50])
    asked = []

    def download(url, root, extract_root, filename, md5):
        asked.append(url)
        path.write_bytes(whole)

    monkeypatch.setattr("torchvision.datasets.utils.download_and_extract_archive", download)
    assert len(Cifar10(root=str(cifar10_root)).read()["train"]) == 15
    assert asked == [CIFAR10.url]
