"""Scaling of the data, fitted on the training split and kept with the model."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

PIECE = 4096  # examples that are converted at a time, so that all of them never stand in memory as floats


def to_float(x: Tensor) -> Tensor:
    """A batch as floats: bytes are scaled from 0…255 to [0, 1], other numbers keep their values.

    >>> to_float(torch.tensor([[0, 51, 255]], dtype=torch.uint8))
    tensor([[0.0000, 0.2000, 1.0000]])
    """
    if x.dtype == torch.uint8:
        return x.to(torch.get_default_dtype()).mul_(1 / 255)
    return x.to(torch.get_default_dtype())


class Scaler(nn.Module):
    """``(x − shift) · scale``, with buffers ``shift`` and ``scale`` that a checkpoint keeps.

    Args:
        input_shape: shape of one example. Pictures ``(channels, height, width)`` have one shift and scale
            per channel, all other data one per feature.

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

    def fit(self, x: Tensor, kind: str) -> None:
        """Choose shift and scale.

        Args:
            x: the training examples, ``(n, *input_shape)``, in the type in which they are stored.
            kind: ``"unit"`` maps the smallest value to 0 and the largest to 1, ``"standard"`` the mean to 0
                and the variance to 1. A constant feature becomes 0.
        """
        dims = (0, 2, 3) if x.ndim == 4 else (0,)
        pieces = x.split(PIECE)
        if kind == "unit":
            low = torch.stack([to_float(piece).amin(dims) for piece in pieces]).amin(0)
            high = torch.stack([to_float(piece).amax(dims) for piece in pieces]).amax(0)
            self.set(low, high - low)
        else:
            count = x.numel() / self.shift.numel()
            mean = torch.stack([to_float(piece).double().sum(dims) for piece in pieces]).sum(0) / count
            centre = mean.view(self.shift.shape)
            squares = [(to_float(piece).double() - centre).square().sum(dims) for piece in pieces]
            self.set(mean, (torch.stack(squares).sum(0) / count).sqrt())

    def set(self, shift: Tensor, spread: Tensor) -> None:
        """Take ``shift`` and divide by ``spread``, or by 1 where that is 0."""
        spread = torch.where(spread > 0, spread, torch.ones_like(spread))
        self.shift.copy_(shift.view(self.shift.shape))
        self.scale.copy_(1 / spread.view(self.scale.shape))
