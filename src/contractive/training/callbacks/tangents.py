"""Pictures of the directions to which the code responds most, and of walks along them."""

import torch
from torch import Tensor

from contractive.diagnostics import nearest_neighbours, tangent_walk, tangents
from contractive.diagnostics.picture_table import picture_table, signed_pictures
from contractive.settings import check_integer
from contractive.training.callbacks.drawing import MOST_PERCENT, Drawing, Page, has_decoder
from contractive.training.module import ContractiveAutoencoder

WALKED = 2  # of the tangents, the leading ones
STEPS = 9


class Tangents(Drawing):
    """Draws the leading tangents at a few validation examples, and reconstructions along them.

    A walk reaches as far as the median distance between nearest neighbours, to both sides.

    Args:
        examples: how many validation examples the distance is taken from.
        shown: at how many of them the tangents are drawn.
        count: how many tangents.
    """

    draws_pictures = True
    decoded = "walks along tangents"

    def __init__(
        self,
        every_n_epochs: int = 20,
        examples: int = 128,
        shown: int = 4,
        count: int = 6,
        most_percent: float = MOST_PERCENT,
    ) -> None:
        super().__init__(every_n_epochs, examples, most_percent)
        check_integer("shown", shown, low=1)
        check_integer("count", count, low=1)
        self.shown = shown
        self.count = count

    def draw(self, model: ContractiveAutoencoder, x: Tensor, page: Page) -> None:
        """Draw both tables of pictures."""
        # Directions and distances are those of the scaled data, which is what the encoder sees.
        scaled = model.scale(x)
        reach = float(nearest_neighbours(scaled)[1].median())
        x, scaled = x[: self.shown], scaled[: self.shown]
        code_size = model.encoder(scaled[:1]).shape[1]
        count = min(self.count, code_size, scaled[0].numel())
        values, directions = tangents(model.encoder, scaled, count)
        beside = {"x": x, "g(f(x))": model(x)} if has_decoder(model) else {"x": x}
        columns = [*beside, *(f"v{k}" for k in range(1, count + 1))]
        pictures = torch.cat([torch.stack([*beside.values()], 1), signed_pictures(directions)], 1)
        rows = [f"σ₁ = {v:.2g}" for v in values[:, 0].tolist()]
        page.picture("tangents", picture_table(pictures, rows, columns, page.title("Leading tangents")))

        if not has_decoder(model):
            return
        distances = torch.linspace(-reach, reach, STEPS, device=x.device)
        directions = directions[:, :WALKED]
        walks = tangent_walk(lambda z: model.decode(model.encoder(z)), scaled, directions, distances)
        rows = [f"x{i + 1}, v{k + 1}" for i in range(len(x)) for k in range(directions.shape[1])]
        columns = [f"t = {t:.1f}" for t in distances.tolist()]
        title = page.title("Walks g(f(x + t v))")
        page.picture("tangent_walks", picture_table(walks.flatten(0, 1), rows, columns, title))
