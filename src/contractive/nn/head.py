"""What stands on a code and tells classes."""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Head(nn.Module):
    """Layers of ReLU units, or none, and a linear one that gives a logit for each class.

    Args:
        inputs: size of the code.
        hidden: sizes of the layers of ReLU units.
        classes: how many there are.
        batch_norm: whether what these layers get, before the ReLU, is normalised over the batch.

    >>> Head(8, [5], 3, batch_norm=True)(torch.rand(2, 8)).shape
    torch.Size([2, 3])
    """

    def __init__(self, inputs: int, hidden: Sequence[int], classes: int, *, batch_norm: bool = False) -> None:
        super().__init__()
        sizes = [inputs, *hidden]
        self.layers = nn.ModuleList(nn.Linear(below, above) for below, above in pairwise(sizes))
        self.norms = nn.ModuleList(nn.BatchNorm1d(size) for size in hidden if batch_norm)
        self.last = nn.Linear(sizes[-1], classes)

    def forward(
        self,
        code: Tensor,
        share: float = 0.0,
        generator: torch.Generator | None = None,
        *,
        settled: bool = False,
    ) -> Tensor:
        """The logits ``(batch, classes)`` of codes ``(batch, inputs)``.

        Args:
            code: of the encoder.
            share: of the code and of the hidden units that is left out.
            generator: the source of what is left out.
            settled: whether batches are normalised by what is known of those before, as they are in use.
        """
        for number, layer in enumerate(self.layers):
            code = layer(dropped(code, share, generator))
            # One example has no spread: a last batch of one takes what is known of those before.
            if self.norms:
                known = settled or len(code) == 1
                code = _normalised(self.norms[number], code) if known else self.norms[number](code)
            code = code.relu()
        logits: Tensor = self.last(dropped(code, share, generator))
        return logits


def dropped(x: Tensor, share: float, generator: torch.Generator | None = None) -> Tensor:
    """``x`` with a share of its entries set to 0, and the others larger in turn (Srivastava et al., 2014).

    >>> dropped(torch.ones(1000), 0.5, torch.Generator().manual_seed(0)).unique()
    tensor([0., 2.])
    """
    if share == 0:
        return x
    kept = torch.rand(x.shape, generator=generator, device=x.device, dtype=x.dtype) >= share
    return x * kept / (1 - share)


def _normalised(norm: nn.Module, x: Tensor) -> Tensor:
    assert isinstance(norm, nn.BatchNorm1d)
    return F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)
