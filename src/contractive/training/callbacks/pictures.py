"""Pictures: reconstructions below their originals, and the encoder's filters."""

import torch
from torch import Tensor, nn

from contractive.diagnostics import corrupted_reconstructions
from contractive.diagnostics.picture_table import picture_table, signed_pictures
from contractive.settings import check_integer
from contractive.training.callbacks.drawing import MOST_PERCENT, Drawing, Page
from contractive.training.module import ContractiveAutoencoder

COLUMNS = 8
CORRUPTIONS = (("gaussian", 0.3), ("masking", 0.5), ("salt_and_pepper", 0.3))
MIN_SIDE = 28  # smaller pictures are enlarged, so that a pixel can be seen


def image_grid(images: Tensor, columns: int) -> Tensor:
    """Images ``(n, channels, height, width)`` in rows of ``columns``, as one ``(3, H, W)``."""
    # Here, not above: what draws no grid need not wait for it.
    from torchvision.utils import make_grid

    enlarge = max(1, -(-MIN_SIDE // min(images.shape[2:])))
    images = images.repeat_interleave(enlarge, 2).repeat_interleave(enlarge, 3)
    grid: Tensor = make_grid(images, nrow=columns, padding=1, pad_value=1.0)
    return grid


def reconstruction_grid(x: Tensor, reconstruction: Tensor, columns: int = COLUMNS) -> Tensor:
    """Rows of originals, each with the row of their reconstructions below, in [0, 1]."""
    pairs = [torch.cat(pair) for pair in zip(x.split(columns), reconstruction.split(columns), strict=True)]
    return image_grid(torch.cat(pairs).clamp(0, 1), min(columns, len(x)))


def first_filters(encoder: nn.Module, input_shape: tuple[int, ...]) -> Tensor:
    """The filters ``(n, channels, height, width)`` of the first affine layer of an encoder of images.

    Raises:
        ValueError: if the encoder has no such layer.
    """
    for layer in encoder.modules():
        if isinstance(layer, nn.Conv2d):
            return layer.weight.detach()
        if isinstance(layer, nn.Linear):
            return layer.weight.detach().unflatten(1, input_shape)
    raise ValueError("the encoder has neither an nn.Linear nor an nn.Conv2d to take filters from")


class Pictures(Drawing):
    """Draws validation examples above their reconstructions, the same corrupted, and the encoder's filters.

    Args:
        examples: how many examples.
        filters: how many filters, of the encoder's first layer.
    """

    draws_pictures = True

    def __init__(
        self,
        every_n_epochs: int = 20,
        examples: int = 16,
        filters: int = 64,
        most_percent: float = MOST_PERCENT,
    ) -> None:
        super().__init__(every_n_epochs, examples, most_percent)
        check_integer("filters", filters, low=1)
        self.filters = filters

    def draw(self, model: ContractiveAutoencoder, x: Tensor, page: Page) -> None:
        """Draw the reconstructions, those of corrupted inputs, and the filters."""
        page.picture("reconstructions", reconstruction_grid(x, model(x)))
        filters = first_filters(model.encoder, tuple(x.shape[1:]))[: self.filters]
        page.picture("filters", image_grid(signed_pictures(filters), COLUMNS))
        # The same noise every time, so that epochs and runs compare.
        pairs = corrupted_reconstructions(model, x[:COLUMNS], CORRUPTIONS, seed=0)
        names = [f"{kind.replace('_', ' ')} {amount:g}" for kind, amount in CORRUPTIONS]
        rows = [row for name in names for row in (name, "g(f(·))")]
        columns = [f"x{i + 1}" for i in range(pairs.shape[2])]
        title = page.title("Reconstructions of corrupted inputs")
        page.picture("corrupted", picture_table(pairs.flatten(0, 1), rows, columns, title))
