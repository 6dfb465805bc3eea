"""Samples from the command line."""

import numpy as np
import pytest
import torch
from PIL import Image

from contractive import DataModule, load_autoencoder


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


@pytest.mark.usefixtures("in_pieces")
def test_without_noise_the_first_step_is_the_reconstruction_of_training_examples_drawn_at_random(
    contractive, digits_run, tmp_path
):
    options = ("-n", 30, "--sigma", 0, "--burn-in", 1)
    contractive("sample", digits_run, *options, "-o", tmp_path / "x.npy")
    data = DataModule("digits")
    data.setup()
    model = load_autoencoder(digits_run / "checkpoints" / "best.ckpt")
    back = model.reconstruct(data.split("train").x.numpy()).reshape(-1, 64)
    found = np.load(tmp_path / "x.npy").reshape(-1, 64)
    distances = torch.from_numpy(np.abs(found[:, None] - back).max(2))
    assert distances.min(1).values.max() < 1e-5
    assert len(distances.argmin(1).unique()) == 30 and 500 < distances.argmin(1).double().mean() < 937


def test_a_picture_shows_them_in_rows_of_eight(contractive, digits_run, tmp_path):
    contractive("sample", digits_run, "-n", 16, "-o", tmp_path / "x.PNG")
    with Image.open(tmp_path / "x.PNG") as picture:
        assert picture.size == (8 * 33 + 1, 2 * 33 + 1)


@pytest.mark.parametrize("option", ["--burn-in", "--thinning", "--chains", "-n"])
def test_numbers_of_steps_are_at_least_one(contractive, digits_run, tmp_path, option):
    with pytest.raises(ValueError, match=f"{option.replace('-in', '.in')} must be an integer >= 1; got 0"):
        contractive("sample", digits_run, option, 0, "-o", tmp_path / "x.npy")
