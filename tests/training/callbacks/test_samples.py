"""Samples at the end of a run."""

import numpy as np
import pytest
import torch
from PIL import Image

from contractive.diagnostics.grids import image_grid
from contractive.diagnostics.sampling import samples
from contractive.training import fit
from contractive.training.callbacks.samples import Samples


def test_a_run_ends_with_a_picture_of_samples(tmp_path):
    settings = {"model": {"hidden": [8]}, "trainer": {"max_epochs": 1}, "probe": {"enabled": False}}
    run = fit(settings, directory=tmp_path, callbacks=[Samples(examples=16, sigma=0.5, burn_in=2, seed=3)])
    start = run.data.examples("val", 16)[0]
    drawn = samples(run.model, start, 16, 0.5, 2, 5, torch.Generator().manual_seed(3)).clamp(0, 1)
    found = np.asarray(Image.open(tmp_path / "pictures" / "samples.png"))
    np.testing.assert_allclose(found / 255, image_grid(drawn, 8).movedim(0, 2), atol=1 / 255)


def test_how_they_are_drawn_is_checked():
    with pytest.raises(ValueError, match=r"burn_in must be an integer >= 1; got 0"):
        Samples(burn_in=0)
    with pytest.raises(ValueError, match="sigmas: there is no such setting; did you mean sigma"):
        Samples(sigmas=1.0)
