"""The codes of a run as data: those that its encoder gives of its own splits, in their order."""

import shutil

import numpy as np
import pytest
import torch

from contractive import DataModule, load_autoencoder
from contractive.data.settings import source_settings
from contractive.training import fit

QUICK = {"trainer": {"max_epochs": 1}, "probe": {"enabled": False}}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Rows with classes of text."""
    i = np.arange(60)
    lines = [f"{n},{n * n % 17},{'ab'[n % 2]}" for n in i]
    path = tmp_path_factory.mktemp("table") / "x.csv"
    path.write_text("\n".join(["u,v,kind", *lines]) + "\n")
    return path


@pytest.fixture(scope="module")
def run(table):
    """A run whose splits hang on its own seed and shares."""
    data = {"source": "table", "path": str(table), "label": "kind", "val_fraction": 0.2}
    settings = {"seed": 3, "data": data, "model": {"hidden": [4]}, **QUICK}
    return fit(settings, directory=table.parent / "run")


def ready(**options):
    data = DataModule("codes", **options)
    data.setup()
    return data


def test_each_split_is_the_encoder_applied_to_that_of_the_run(run):
    data, encoder = ready(run=str(run.directory), seed=8), load_autoencoder(run.best)
    assert [data.size(split) for split in ("train", "val", "test")] == [42, 12, 6]
    for split in ("train", "val", "test"):
        own, codes = run.data.split(split), data.split(split)
        assert torch.equal(codes.x, encoder.encode(own.x).detach()) and torch.equal(codes.y, own.y)
    assert data.scaler is None and data.description.source == "codes"
    assert data.description.classes == ["a", "b"]
    assert (data.description.low, data.description.high) == (
        data.split("train").x.min().item(),
        data.split("train").x.max().item(),
    )


def test_scaling_to_the_unit_interval_is_fitted_to_the_codes_to_train_on(run):
    data = ready(run=str(run.directory), scaling="unit")
    scaled = data.scaler(data.split("train").x)
    torch.testing.assert_close(scaled.amin(0), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(scaled.amax(0), torch.ones(4), atol=1e-5, rtol=0)


def test_labels_are_left_as_the_run_itself_would_leave_them(run):
    data = ready(run=str(run.directory), labels=6)
    own = DataModule("table", path=run.data.settings.path, label="kind", val_fraction=0.2, labels=6, seed=3)
    own.setup()
    assert torch.equal(data.split("train").y, own.split("train").y)
    assert (data.split("train").y >= 0).sum() == 6


def test_a_third_layer_is_trained_on_the_codes_of_the_second(run, tmp_path):
    data = {"source": "codes", "run": str(run.directory)}
    second = fit({"data": data, "model": {"hidden": [3]}, **QUICK}, directory=tmp_path / "second")
    third = ready(run=str(second.directory))
    below = load_autoencoder(run.best).encode(run.data.split("val").x)
    assert torch.equal(third.split("val").x, load_autoencoder(second.best).encode(below).detach())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "run must name the trained run"),
        ({"run": "nowhere"}, "run: there is nothing at 'nowhere'"),
        ({"run": ".", "val_fraction": 0.3}, r"val_fraction=0\.3: the splits are those of run=\."),
        ({"run": ".", "scaling": "standard"}, "scaling must be one of none, unit"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_read(options, said):
    with pytest.raises((ValueError, FileNotFoundError), match=said):
        source_settings("codes", **options)


def test_codes_that_memory_does_not_hold_are_refused(run):
    with pytest.raises(ValueError, match=r"in_memory_mib=0\.0005: 60 codes of 4 numbers take 0\.0009155 MiB"):
        ready(run=str(run.directory), in_memory_mib=0.0005)


def test_a_run_without_a_record_and_one_without_its_data_are_refused(run, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"run: .*holds no checkpoints"):
        ready(run=str(tmp_path))
    alone = shutil.copy(run.best, tmp_path / "alone.ckpt")
    with pytest.raises(ValueError, match=r"run: no \.hydra/config\.yaml beside .*alone\.ckpt"):
        ready(run=str(alone))
    shutil.copytree(run.directory, tmp_path / "moved")
    config = tmp_path / "moved/.hydra/config.yaml"
    config.write_text(config.read_text().replace("x.csv", "gone.csv"))
    with pytest.raises(FileNotFoundError, match=r"run: its data\.path: there is nothing at .*gone\.csv"):
        ready(run=str(tmp_path / "moved"))
