"""The data module, on real data."""

import gzip
import shutil

import pytest
import torch

from contractive.data import DataModule
from contractive.data.named import fetch, read_named


def digits(**settings):
    data = DataModule("digits", **settings)
    data.setup("fit")
    return data


def test_the_splits_of_the_digits_are_a_stratified_partition():
    data = digits()
    parts = {name: data.split(name) for name in ("train", "val", "test")}
    assert sum(len(part) for part in parts.values()) == 1797
    assert {name: len(part) for name, part in parts.items()} == {"train": 1437, "val": 180, "test": 180}
    for part in parts.values():
        assert part.y.bincount(minlength=10).min() >= 0.08 * len(part)
    rows = torch.cat([part.x for part in parts.values()]).flatten(1)
    assert len(rows.unique(dim=0)) == len(digits().split("train").x.flatten(1).unique(dim=0)) + 360


def test_the_splits_depend_on_the_seed_alone():
    assert torch.equal(digits(seed=1).split("val").x, digits(seed=1).split("val").x)
    assert not torch.equal(digits(seed=1).split("val").x, digits(seed=2).split("val").x)


def test_digits_are_pictures_in_the_unit_interval():
    data = digits()
    x = data.split("train").x
    assert data.input_shape == (1, 8, 8) and data.is_image
    assert (x.min(), x.max()) == (0, 1)
    data.check_unit_interval()


def test_examples_are_the_same_every_time():
    data = digits()
    x, y = data.examples("val", 5)
    assert torch.equal(x, data.split("val").x[:5]) and len(y) == 5


def test_the_scaling_is_fitted_on_the_training_split_only():
    data = digits(scaling="standard")
    train = data.split("train").x
    assert data.scaler.shift.item() == pytest.approx(train.mean().item(), abs=1e-6)
    assert data.scaler.shift.item() != pytest.approx(
        torch.cat([train, data.split("test").x]).mean().item(), abs=1e-6
    )


def test_standardised_data_are_refused_by_the_cross_entropy():
    with pytest.raises(ValueError, match=r"needs values in \[0, 1\].*data.scaling=unit"):
        digits(scaling="standard").check_unit_interval()


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

    monkeypatch.setattr("contractive.data.named.fetch", lambda *_: None)
    monkeypatch.setattr("contractive.data.named._dataset", lambda _: Colours)
    colour = read_named("cifar10", ".")["train"]
    assert colour.x.shape == (1, 3, 1, 2)
    grey = read_named("cifar10", ".", grey=True)["train"].x
    assert grey.shape == (1, 1, 1, 2)
    assert grey.flatten().tolist() == [round(0.299 * 255), round(0.587 * 255)]
