"""What stands on a code and tells classes."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

Statistics = Sequence[tuple[Tensor, Tensor]]  # mean and variance of what each layer of a head normalises


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
        whole: bool = False,
        known: Statistics | None = None,
    ) -> Tensor:
        """The logits ``(batch, classes)`` of codes ``(batch, inputs)``.

        Args:
            code: of the encoder, or whatever stands for one.
            share: of the code and of the hidden units that is left out.
            generator: the source of what is left out.
            whole: whether nothing of the code itself is left out.
            known: what batches are normalised by, see :meth:`statistics`; by default their own in training.
        """
        # One example has no spread: a last batch of one takes what is known of those before.
        if known is None and self.training and len(code) == 1:
            known = self.statistics(code)
        code = code if whole else dropped(code, share, generator)
        for number, layer in enumerate(self.layers):
            code = layer(code)
            if self.norms:
                norm = self.norms[number]
                code = norm(code) if known is None else _normalised(norm, code, *known[number])
            code = dropped(code.relu(), share, generator)
        logits: Tensor = self.last(code)
        return logits

    def statistics(self, code: Tensor) -> Statistics:
        """Mean and variance that each layer normalises by, where nothing is left out.

        In training they are those of these codes, and differentiable in the weights; in use, and of a single
        code, those that are known of earlier batches.
        """
        if not self.training or len(code) == 1:
            return [(norm.running_mean, norm.running_var) for norm in self.norms]  # type: ignore[misc]
        found = []
        for layer, norm in zip(self.layers, self.norms):
            code = layer(code)
            found.append((code.mean(0), code.var(0, correction=0)))
            code = _normalised(norm, code, *found[-1]).relu()
        return found


def dropped(x: Tensor, share: float, generator: torch.Generator | None = None) -> Tensor:
    """``x`` with a share of its entries set to 0, and the others larger in turn (Srivastava et al., 2014).

    >>> dropped(torch.ones(1000), 0.5, torch.Generator().manual_seed(0)).unique()
    tensor([0., 2.])
    """
    if share == 0:
        return x
    kept = torch.rand(x.shape, generator=generator, device=x.device, dtype=x.dtype) >= share
    return x * kept / (1 - share)


def _normalised(norm: nn.Module, x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    assert isinstance(norm, nn.BatchNorm1d)
    return (x - mean) * (variance + norm.eps).rsqrt() * norm.weight + norm.bias
