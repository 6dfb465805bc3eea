"""A data set of colour pictures."""

import hashlib
import pickle

import numpy as np
import pytest
from torchvision.datasets import CIFAR10


@pytest.fixture
def cifar10_root(tmp_path, monkeypatch):
    """A whole data set: three pictures in every file, whose MD5 sums are taken for the official ones."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    rng = np.random.default_rng(0)
    files = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch", "batches.meta")
    sums = []
    for file in files:
        batch = {"data": rng.integers(0, 256, (3, 3072), np.uint8), "labels": [4, 0, 9], "label_names": []}
        (folder / file).write_bytes(pickle.dumps(batch))
        sums.append([file, hashlib.md5((folder / file).read_bytes()).hexdigest()])
    monkeypatch.setattr(CIFAR10, "train_list", sums[:5])
    monkeypatch.setattr(CIFAR10, "test_list", sums[5:6])
    monkeypatch.setattr(CIFAR10, "meta", {"filename": files[6], "key": "label_names", "md5": sums[6][1]})
    return tmp_path
