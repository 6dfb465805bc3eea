"""Values that 32-bit floats cannot hold are told before the training; others are scaled right."""

import numpy as np
import pytest
import torch

from contractive.data.arrays import as_features
from contractive.training.datamodule import DataModule

X = np.random.default_rng(0).normal(size=(400, 3))


def data_of(x, **options) -> DataModule:
    data = DataModule(x.astype(np.float32), **options)
    data.setup("fit")
    return data


@pytest.mark.parametrize("factor", [1e-35, 1e-30, 1e-18, 1e-10, 1, 1e10, 1e20, 1e35])
@pytest.mark.parametrize("shape", [(400, 3), (100, 3, 2, 2)])
def test_values_of_any_magnitude_are_standardised(factor, shape):
    x = (np.resize(X, shape) * factor).astype(np.float32)
    data = data_of(x, scaling="standard")
    train = data.split("train").x
    axes = (0, 2, 3) if len(shape) == 4 else 0
    scaled = data.scaler(train).double()
    assert scaled.mean(axes).abs().max() < 1e-5
    np.testing.assert_allclose(scaled.std(axes, correction=0), 1, rtol=1e-5)


def test_one_huge_value_is_refused_with_its_place():
    x = X.astype(np.float32)
    x[17, 2] = 1e30
    with pytest.raises(ValueError, match=r"x: row 17, column 2 holds 1e\+30, .*: mend or remove it$"):
        data_of(x)
    pictures = np.resize(x, (40, 1, 5, 6))
    with pytest.raises(ValueError, match="row 1, column 23 holds"):
        as_features(pictures, "x")


def test_huge_values_need_a_scaling():
    with pytest.raises(
        ValueError, match=r"scaling=none: the train split has values up to \S*e\+20.*=standard"
    ):
        data_of(X * 1e20, scaling="none")
    assert data_of(X * 1e20, scaling="unit").scaler(torch.tensor(X * 1e20).float()).max() < 2


def test_values_too_small_for_their_precision_are_refused():
    for scaling in ("none", "standard", "unit"):
        with pytest.raises(ValueError, match=r"1e-38: multiply .* 1e30"):
            data_of(X * 1e-41, scaling=scaling)
    one = np.column_stack([X, X[:, :1] * 1e-41])
    with pytest.raises(ValueError, match=r"scaling=standard: values of column 3 differ by less"):
        data_of(one)
    assert data_of(X * 0, scaling="none").input_shape == (3,)


def test_splits_are_looked_at_as_the_training_split_is_scaled(tmp_path):
    np.save(tmp_path / "x.npy", X * 1e-30)
    np.save(tmp_path / "y.npy", X)
    data = DataModule("array", path=str(tmp_path / "x.npy"), val_path=str(tmp_path / "y.npy"))
    with pytest.raises(ValueError, match=r"the val split has values up to 3.*, which data\.scaling=standard"):
        data.setup("fit")
