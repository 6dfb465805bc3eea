"""Corruption of the input."""

import pytest
import torch

from contractive.nn.corruption import CORRUPTIONS, corrupt


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_gaussian_noise_has_the_standard_deviation_that_was_asked_for():
    noise = corrupt(torch.zeros(1000, 100), "gaussian", 0.3, seeded())
    assert noise.mean().abs() < 4 * 0.3 / 1e5**0.5
    assert noise.std() == pytest.approx(0.3, rel=0.01)


@pytest.mark.parametrize("amount", [0.0, 0.25, 1.0])
def test_masking_removes_the_share_that_was_asked_for(amount):
    x = torch.full((1000, 100), 0.5)
    corrupted = corrupt(x, "masking", amount, seeded())
    assert set(corrupted.unique().tolist()) <= {0.0, 0.5}
    assert (corrupted == 0).float().mean() == pytest.approx(amount, abs=4 * 0.5 / 1e5**0.5)


def test_salt_and_pepper_are_equally_many():
    x = torch.full((1000, 100), 0.5)
    corrupted = corrupt(x, "salt_and_pepper", 0.2, seeded())
    for value in (0.0, 1.0):
        assert (corrupted == value).float().mean() == pytest.approx(0.1, abs=0.004)


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_the_same_seed_corrupts_alike_and_leaves_the_input_as_it_is(kind):
    x = torch.rand(10, 10)
    before = x.clone()
    assert torch.equal(corrupt(x, kind, 0.5, seeded()), corrupt(x, kind, 0.5, seeded()))
    assert not torch.equal(corrupt(x, kind, 0.5, seeded(0)), corrupt(x, kind, 0.5, seeded(1)))
    assert torch.equal(x, before)


def test_mistakes():
    with pytest.raises(
        ValueError, match="kind must be one of gaussian, masking, salt_and_pepper; got 'noise'"
    ):
        corrupt(torch.zeros(1), "noise", 0.1)
    with pytest.raises(ValueError, match=r"amount must be a finite number >= 0 and <= 1; got 1\.5"):
        corrupt(torch.zeros(1), "masking", 1.5)
