"""Samples from what was learnt, when training is over."""

from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from contractive.diagnostics.grids import COLUMNS, image_grid
from contractive.diagnostics.sampling import samples
from contractive.settings import LARGEST
from contractive.training.callbacks.drawing import MOST_PERCENT, Drawing, Page, has_decoder
from contractive.training.module import ContractiveAutoencoder
from contractive.training.settings import Sampling


class Samples(Drawing):
    """Draws samples of walks that start at validation examples, in the last epoch.

    Args:
        examples: how many walks, and samples.
        most_percent: see :class:`contractive.training.callbacks.drawing.Drawing`.
        **settings: those of :class:`contractive.training.settings.Sampling`.
    """

    draws_pictures = True
    decoded = "samples"

    def __init__(self, examples: int = 64, most_percent: float = MOST_PERCENT, **settings: Any) -> None:
        super().__init__(LARGEST, examples, most_percent)
        self.sampling = Sampling.of(settings)

    def draw(self, model: ContractiveAutoencoder, x: Tensor, page: Page) -> None:
        """Draw one sample of each walk."""
        if not has_decoder(model):
            return
        chosen = asdict(self.sampling)
        generator = torch.Generator().manual_seed(chosen.pop("seed"))
        drawn = samples(model, x, len(x), **chosen, generator=generator)
        page.picture("samples", image_grid(drawn.clamp(0, 1), COLUMNS))
