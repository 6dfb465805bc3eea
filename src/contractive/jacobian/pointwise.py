"""A pointwise activation module as a function with its first two derivatives."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from contractive.nn.activations import ACTIVATIONS, Activation, record_of


class Pointwise(NamedTuple):
    """A module ``h = s(a)`` with its record: by formula where there is one, else automatically.

    >>> a = torch.tensor([-1.0, 1.0])
    >>> Pointwise(nn.Softsign(), ACTIVATIONS["tanh"]._replace(slope=None)).slope(a, a)
    tensor([0.2500, 0.2500])
    """

    module: nn.Module
    record: Activation

    def value(self, a: Tensor) -> Tensor:
        """``s(a)``; leaves ``a`` as it is where a derivative needs it."""
        keep = getattr(self.module, "inplace", False) and not self.record.from_value
        return self.module(a.clone() if keep else a)

    def slope(self, a: Tensor, h: Tensor) -> Tensor:
        """``s'(a)``, from ``h = s(a)`` where that is enough."""
        if self.record.slope is not None:
            return self.record.slope(self.module, a, h)
        # Each entry of the sum depends on its own entry of a alone.
        return torch.func.grad(lambda a: self.value(a.clone()).sum())(a)

    def curvature(self, a: Tensor, h: Tensor, slope: Tensor) -> Tensor:
        """``s''(a)``, from ``h`` and ``s'(a)`` where these are enough."""
        if self.record.curvature is not None:
            return self.record.curvature(self.module, a, h, slope)
        return torch.func.grad(lambda a: self.slope(a, self.value(a.clone())).sum())(a)


IDENTITY = Pointwise(nn.Identity(), ACTIVATIONS["identity"])


def pointwise(module: nn.Module) -> Pointwise | None:
    """A PyTorch activation module with its derivatives, None if it is not a pointwise function."""
    record = record_of(module)
    if record is None or (record.random and module.training):
        return None
    return Pointwise(module, record)
