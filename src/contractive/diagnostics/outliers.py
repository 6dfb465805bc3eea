"""How unlike its training data an example is to an autoencoder."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import torch
from torch import Tensor

from contractive.data.parts import Part
from contractive.nn.autoencoder import Autoencoder
from contractive.nn.losses import reconstruction_loss
from contractive.penalties import contraction_penalty

EXAMPLES = 2000  # of the training split that others are compared with
QUANTILES = 1000


def reconstruction_and_penalty(model: Autoencoder, x: Tensor) -> Tensor:
    """The reconstruction error and the exact penalty of each example as stored, ``(batch, 2)``."""
    with torch.no_grad():
        scaled = model.scale(x)
        code, penalty = contraction_penalty(model.encoder, scaled, "exact")
        error = reconstruction_loss(model.decoder(code), scaled, model.reconstruction)
    return torch.stack([error, penalty], 1).double().cpu()


@dataclass(frozen=True)
class Reference:
    """What reconstruction error and penalty are on training data.

    Both are positive and vary over orders of magnitude, so their logarithms are compared. The two belong
    together: a stranger may be rebuilt badly, or well but by units that respond as for no training example.

    Args:
        quantiles: of either, ``(2, QUANTILES + 1)``, in equal steps.
        mean: of the logarithms of both, ``(2,)``.
        std: their standard deviations, ``(2,)``.
    """

    quantiles: list[list[float]]
    mean: list[float]
    std: list[float]

    @classmethod
    def of(cls, both: Tensor) -> Self:
        """That of training examples with such figures, ``(n, 2)``.

        >>> both = torch.tensor([[1.0, 1.0], [1.0, 4.0], [4.0, 1.0], [4.0, 4.0]])
        >>> Reference.of(both).scores(torch.tensor([[2.0, 2.0], [8.0, 2.0], [0.5, 2.0]]))
        tensor([0.0000, 1.7321, 0.0000], dtype=torch.float64)
        """
        logs = _logs(both)
        steps = torch.linspace(0, 1, QUANTILES + 1, dtype=torch.double)
        return cls(
            both.double().quantile(steps, dim=0).T.tolist(), logs.mean(0).tolist(), logs.std(0).tolist()
        )

    @classmethod
    def of_part(cls, model: Autoencoder, part: Part, seed: int) -> Self:
        """That of some examples of the training split, drawn by the ``seed``."""
        x, *_ = next(iter(part.loader(EXAMPLES, shuffle=True, seed=seed)))
        return cls.of(torch.cat([reconstruction_and_penalty(model, some) for some in x.split(256)]))

    @classmethod
    def of_plain(cls, plain: Mapping[str, Any]) -> Self:
        """That which :meth:`plain` gave.

        Raises:
            ValueError: if it is none.
        """
        try:
            found = cls(plain["quantiles"], plain["mean"], plain["std"])
            shapes = [
                tuple(torch.tensor(value, dtype=torch.double).shape) for value in asdict(found).values()
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"holds no reference ({error!r:.100})") from error
        if shapes != [(2, QUANTILES + 1), (2,), (2,)]:
            raise ValueError(f"holds a reference of the shapes {shapes}")
        return found

    def plain(self) -> dict[str, Any]:
        """The same in plain containers."""
        return asdict(self)

    def percentiles(self, both: Tensor) -> Tensor:
        """How many per cent of the training examples have less, of either figure, ``(n, 2)``."""
        quantiles = torch.tensor(self.quantiles, dtype=torch.double)
        below = torch.searchsorted(quantiles, both.double().T.contiguous())
        return (100 * below / QUANTILES).clamp(max=100).T

    def scores(self, both: Tensor) -> Tensor:
        """How far figures ``(n, 2)`` lie above those of training data, in standard deviations, ``(n,)``.

        The length of what their logarithms exceed the mean by; what is below it counts for nothing.
        """
        spread = torch.tensor(self.std, dtype=torch.double)
        above = (_logs(both) - torch.tensor(self.mean, dtype=torch.double)).clamp_min(0)
        # A figure that is the same for all training examples, but for rounding, tells nobody apart.
        return torch.where(spread > 1e-6, above / spread.clamp_min(1e-6), 0.0).norm(dim=1)


def _logs(both: Tensor) -> Tensor:
    return both.double().clamp_min(math.ulp(0.0) * 2**60).log()
