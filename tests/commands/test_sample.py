"""Samples from the command line."""

import numpy as np
import pytest
from PIL import Image


def test_a_seed_repeats_its_samples_and_another_does_not(contractive, digits_run, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        contractive("sample", digits_run, "-n", 10, "--seed", seed, "-o", tmp_path / f"{name}.npy")
    a, b, c = (np.load(tmp_path / f"{name}.npy") for name in "abc")
    assert a.shape == (10, 1, 8, 8) and np.isfinite(a).all()
    assert np.array_equal(a, b) and not np.allclose(a, c)


def test_of_few_walks_more_are_taken_from_each(contractive, digits_run, tmp_path):
    options = ("--burn-in", 3, "--thinning", 2, "--chains", 4)
    said = contractive("sample", digits_run, "-n", 10, *options, "-o", tmp_path / "x.npy")
    assert "10 samples of 4 walks" in said
    contractive("sample", digits_run, "-n", 4, *options, "-o", tmp_path / "first.npy")
    x = np.load(tmp_path / "x.npy")
    np.testing.assert_allclose(x[:4], np.load(tmp_path / "first.npy"), atol=1e-6)
    assert len(np.unique(x.reshape(10, -1), axis=0)) == 10


def test_a_picture_shows_them_in_rows_of_eight(contractive, digits_run, tmp_path):
    contractive("sample", digits_run, "-n", 16, "-o", tmp_path / "x.png")
    with Image.open(tmp_path / "x.png") as picture:
        assert picture.size == (8 * 33 + 1, 2 * 33 + 1)


@pytest.mark.parametrize("option", ["--burn-in", "--thinning", "--chains", "-n"])
def test_numbers_of_steps_are_at_least_one(contractive, digits_run, tmp_path, option):
    with pytest.raises(ValueError, match=f"{option.replace('-in', '.in')} must be an integer >= 1; got 0"):
        contractive("sample", digits_run, option, 0, "-o", tmp_path / "x.npy")
