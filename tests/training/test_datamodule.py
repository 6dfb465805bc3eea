"""The data module, on real data."""

import pytest
import torch

from contractive.training.datamodule import DataModule


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
