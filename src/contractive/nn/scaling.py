"""Scaling of the data, fitted on the training split and kept with the model."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

PIECE = 4096  # examples that are converted at a time, so that all of them never stand in memory as floats


def to_float(x: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """A batch as floats: bytes are scaled from 0…255 to [0, 1], other numbers keep their values.

    >>> to_float(torch.tensor([[0, 51, 255]], dtype=torch.uint8))
    tensor([[0.0000, 0.2000, 1.0000]])
    """
    floats = x.to(dtype or torch.get_default_dtype())
    return floats.mul_(1 / 255) if x.dtype == torch.uint8 else floats


@dataclass(frozen=True)
class Statistics:
    """Of every feature, ``(*input_shape)``, in the units of :func:`to_float`; ``std`` divided by ``n``."""

    low: Tensor
    high: Tensor
    mean: Tensor
    std: Tensor

    def by_channel(self) -> "Statistics":
        """The same of every channel of pictures ``(channels, height, width)``, over all of their pixels."""
        mean, dims = self.mean.double(), (1, 2)
        squares = (self.std.double().square() + (mean - mean.mean(dims, True)).square()).mean(dims)
        centre = mean.mean(dims).float()
        return Statistics(self.low.amin(dims), self.high.amax(dims), centre, squares.sqrt().float())


def statistics(pieces: Iterable[Tensor]) -> Statistics:
    """Statistics of examples that come in pieces ``(n, *input_shape)``, in one pass.

    Means and sums of squared deviations of the pieces are merged in 64-bit floats by Chan, Golub and LeVeque,
    Updating formulae and a pairwise algorithm for computing sample variances (1979), eq. 2.1, which does not
    cancel as ``E[x²] - E[x]²`` does.

    >>> statistics([torch.tensor([[1.0], [2.0]]), torch.tensor([[6.0]])]).mean
    tensor([3.])
    """
    low, high = torch.tensor(math.inf), torch.tensor(-math.inf)
    mean, squares, rows = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64), 0
    for piece in pieces:
        x = to_float(piece.cpu())
        # numpy's minimum over rows is several times as fast as torch's.
        low = torch.minimum(low, torch.from_numpy(x.numpy().min(0)))
        high = torch.maximum(high, torch.from_numpy(x.numpy().max(0)))
        piece_mean = x.mean(0, dtype=torch.float64)
        shift = piece_mean - mean
        # Subtracting 64-bit from 32-bit floats is fifty times as slow; what rounding the mean adds is known.
        rounded = piece_mean.to(x.dtype)
        spread = (high - low).double()
        # Squares of 32-bit floats leave their range long before these do.
        if ((spread > 1e15) | ((spread > 0) & (spread < 1e-15))).any():
            deviations = x.double() - rounded
        else:
            deviations = x - rounded
        squares = squares + deviations.square_().sum(0, dtype=torch.float64)
        squares -= (piece_mean - rounded).square() * len(x)
        squares += shift.square() * (rows * len(x) / (rows + len(x)))
        mean = mean + shift * (len(x) / (rows + len(x)))
        rows += len(x)
    return Statistics(low, high, mean.float(), (squares.clamp_min(0) / rows).sqrt().float())


class Scaler(nn.Module):
    """``(x − shift) · scale``, with buffers ``shift`` and ``scale`` that a checkpoint keeps.

    Pictures ``(channels, height, width)`` have one shift and scale per channel, all other data one per
    feature.

    >>> scaler = Scaler((2,))
    >>> scaler.fit(torch.tensor([[0.0, 5.0], [4.0, 5.0]]), kind="unit")
    >>> scaler(torch.tensor([[1.0, 5.0]]))
    tensor([[0.2500, 0.0000]])
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, input_shape: Sequence[int]) -> None:
        super().__init__()
        shape = (input_shape[0], 1, 1) if len(input_shape) == 3 else tuple(input_shape)
        self.register_buffer("shift", torch.zeros(shape))
        self.register_buffer("scale", torch.ones(shape))

    def forward(self, x: Tensor) -> Tensor:
        """Scale a batch ``(batch, *input_shape)``."""
        return (x - self.shift) * self.scale

    def inverse(self, x: Tensor) -> Tensor:
        """Back to the data's own units."""
        return x / self.scale + self.shift

    def fit(self, x: Tensor | Statistics, kind: str) -> None:
        """Choose shift and scale by training examples ``(n, *input_shape)``, as stored, or their statistics.

        ``"unit"`` maps the smallest value to 0 and the largest to 1, ``"standard"`` the mean to 0 and the
        variance to 1. A constant feature becomes 0.
        """
        known = statistics(x.split(PIECE)) if isinstance(x, Tensor) else x
        if known.mean.ndim == 3:
            known = known.by_channel()
        shift, spread = (known.low, known.high - known.low) if kind == "unit" else (known.mean, known.std)
        spread = torch.where(spread > 0, spread, torch.ones_like(spread))
        self.shift.copy_(shift.view(self.shift.shape))
        self.scale.copy_(1 / spread.view(self.scale.shape))
