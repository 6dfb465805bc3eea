"""Scaling, against numpy and scikit-learn."""

import pytest
import torch
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from contractive.nn.scaling import PIECE, Scaler


@pytest.mark.parametrize(("kind", "reference"), [("unit", MinMaxScaler()), ("standard", StandardScaler())])
def test_features_are_scaled_one_by_one_as_scikit_learn_does(kind, reference):
    x = torch.randn(PIECE + 100, 5) * torch.tensor([1.0, 10, 0.1, 100, 1]) + 1000
    x[:, 4] = 7.0  # constant
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


def test_the_inverse_leads_back():
    x = torch.randn(20, 3)
    scaler = Scaler((3,))
    scaler.fit(x, "unit")
    torch.testing.assert_close(scaler.inverse(scaler(x)), x)
