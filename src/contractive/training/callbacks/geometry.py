"""The encoder's geometry while it trains: spectrum, contraction ratio, saturation, norms."""

import json

import torch
import torch.nn.functional as F
from torch import Tensor

from contractive import diagnostics
from contractive.diagnostics.figures import ratio_figure, spectrum_figure
from contractive.nn.activations import record_of
from contractive.runs.files import write_atomically
from contractive.settings import check_integer
from contractive.training.callbacks.drawing import MOST_PERCENT, Drawing, Page
from contractive.training.module import ContractiveAutoencoder

RADII = torch.logspace(-2, 1, 13)  # in units of the median distance between nearest neighbours


class Geometry(Drawing):
    """Draws the Jacobian's spectrum and the contraction ratio, and logs what else is one number.

    The last curves are kept in the run's ``geometry.json`` as well, from which the report of a sweep lays
    those of all runs on top of each other.

    Args:
        examples: how many validation examples the averages are over.
        spectrum_examples: how many of them for the spectrum, which costs most.
    """

    def __init__(
        self,
        every_n_epochs: int = 20,
        examples: int = 128,
        spectrum_examples: int = 8,
        most_percent: float = MOST_PERCENT,
    ) -> None:
        super().__init__(every_n_epochs, examples, most_percent)
        check_integer("spectrum_examples", spectrum_examples, low=1)
        self.spectrum_examples = spectrum_examples

    def draw(self, model: ContractiveAutoencoder, x: Tensor, page: Page) -> None:
        """Draw the figures, log the numbers and write ``geometry.json``."""
        encoder, x = model.encoder, model.scale(x)
        values = diagnostics.singular_values(encoder, x[: self.spectrum_examples])
        neighbours, distances = diagnostics.nearest_neighbours(x)
        radii = RADII.to(x) * distances.median()
        # The same random directions every time, so that epochs and runs compare.
        noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0)).to(x)
        noise = F.normalize(noise.flatten(1)).view_as(x)
        ratios = {
            "random directions": diagnostics.contraction_ratio(encoder, x, noise, radii),
            "towards the nearest neighbour": diagnostics.contraction_ratio(encoder, x, neighbours, radii),
        }
        norms = diagnostics.jacobian_norms(encoder, x)
        code = encoder(x)
        numbers = {
            "effective_rank": float(diagnostics.effective_rank(values).mean()),
            "jacobian_norm": float(norms.mean()),
            "dead_units": float(diagnostics.dead_units(code)),
        }
        activation = record_of(list(encoder.modules())[-1])
        if activation is not None and activation.bounds is not None:
            numbers["saturation"] = float(diagnostics.saturation(code, activation.bounds))

        page.figure("spectrum", spectrum_figure(values, page.title("Singular values of the Jacobian")))
        title = page.title("Contraction ratio")
        page.figure("contraction_ratio", ratio_figure(radii, ratios, title, float(distances.median())))
        page.histogram("jacobian_norms", norms)
        for name, number in numbers.items():
            page.scalar(f"view/{name}", number)
        curves = {
            "epoch": page.epoch,
            "spectrum": values.mean(0).tolist(),
            "radii": radii.tolist(),
            "ratios": {name: ratio.mean(1).tolist() for name, ratio in ratios.items()},
        }
        write_atomically(page.directory / "geometry.json", json.dumps(curves | numbers) + "\n")
