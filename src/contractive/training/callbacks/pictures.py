"""Pictures: reconstructions below their originals, and the encoder's filters."""

from torch import Tensor, nn

from contractive.diagnostics import corrupted_reconstructions
from contractive.diagnostics.grids import COLUMNS, image_grid, reconstruction_grid
from contractive.diagnostics.picture_table import picture_table, signed_pictures
from contractive.settings import check_integer
from contractive.training.callbacks.drawing import MOST_PERCENT, Drawing, Page, has_decoder
from contractive.training.module import ContractiveAutoencoder

CORRUPTIONS = (("gaussian", 0.3), ("masking", 0.5), ("salt_and_pepper", 0.3))


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
    decoded = "reconstructions"

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
        if has_decoder(model):
            page.picture("reconstructions", reconstruction_grid(x, model(x)))
        filters = first_filters(model.encoder, tuple(x.shape[1:]))[: self.filters]
        page.picture("filters", image_grid(signed_pictures(filters), COLUMNS))
        if not has_decoder(model):
            return
        # The same noise every time, so that epochs and runs compare.
        pairs = corrupted_reconstructions(model, x[:COLUMNS], CORRUPTIONS, seed=0)
        names = [f"{kind.replace('_', ' ')} {amount:g}" for kind, amount in CORRUPTIONS]
        rows = [row for name in names for row in (name, "g(f(·))")]
        columns = [f"x{i + 1}" for i in range(pairs.shape[2])]
        title = page.title("Reconstructions of corrupted inputs")
        page.picture("corrupted", picture_table(pairs.flatten(0, 1), rows, columns, title))
