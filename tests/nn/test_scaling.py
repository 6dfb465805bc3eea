"""Scaling, against numpy and scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from contractive.nn.scaling import PIECE, Scaler, statistics


@pytest.mark.parametrize(("kind", "reference"), [("unit", MinMaxScaler()), ("standard", StandardScaler())])
def test_features_are_scaled_one_by_one_as_scikit_learn_does(kind, reference):
    x = torch.randn(PIECE + 100, 5) * torch.tensor([1.0, 10, 0.1, 100, 1]) + 1000
    x[:, 4] = 7.0  # constant
    x[PIECE + 50, 0], x[3, 1] = 1e4, -1e4  # the extremes lie in different pieces
    scaler = Scaler((5,))
    scaler.fit(x, kind)
    expected = torch.from_numpy(reference.fit_transform(x.double().numpy())).float()
    torch.testing.assert_close(scaler(x), expected, rtol=1e-3, atol=1e-3)


def test_pictures_are_scaled_channel_by_channel():
    x = torch.randint(0, 256, (50, 3, 4, 4), dtype=torch.uint8)
    scaler = Scaler((3, 4, 4))
    scaler.fit(x, "standard")
    scaled = scaler(x / 255)
    torch.testing.assert_close(scaled.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(scaled.var((0, 2, 3), correction=0), torch.ones(3), atol=1e-5, rtol=0)


def test_pictures_of_any_number_are_scaled_to_the_unit_interval_channel_by_channel():
    x = torch.randint(50, 200, (PIECE + 9, 3, 2, 4), dtype=torch.uint8)
    x[-1, 0, 1, 3], x[-2, 1, 0, 2], x[5, 0, 0, 0] = 255, 0, 3  # in the last piece, at different pixels
    scaler = Scaler((3, 2, 4))
    scaler.fit(x, "unit")
    expected = (x / 255 - torch.tensor([3, 0, 50]).view(3, 1, 1) / 255) / (
        torch.tensor([252, 199, 149]).view(3, 1, 1) / 255
    )
    torch.testing.assert_close(scaler(x / 255), expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_statistics_of_pieces_are_those_of_the_whole_even_where_variances_cancel(dtype):
    rng = np.random.default_rng(0)
    x = (
        rng.normal(1e4, [1e-2, 1, 100], (50, 2, 3))
        if dtype == np.float32
        else rng.integers(0, 256, (50, 2, 3))
    )
    x = x.astype(dtype)
    before = x.copy()
    found = statistics(torch.from_numpy(x).split([1, 20, 3, 26]))
    whole = x.astype(np.float64) / (255 if dtype == np.uint8 else 1)
    wanted = whole.min(0), whole.max(0), whole.mean(0), whole.std(0)
    for value, expected in zip((found.low, found.high, found.mean, found.std), wanted):
        assert value.shape == (2, 3) and value.dtype == torch.float32
        torch.testing.assert_close(value.double(), torch.from_numpy(expected), rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(x, before)


def test_the_inverse_leads_back():
    x = torch.randn(20, 3)
    scaler = Scaler((3,))
    scaler.fit(x, "unit")
    torch.testing.assert_close(scaler.inverse(scaler(x)), x)
