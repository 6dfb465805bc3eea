"""How squares are summed, and their gradients differentiated."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def accumulation_dtype(t: Tensor) -> torch.dtype:
    """float64 for float64, else float32: sums of squares in bfloat16 would lose most of their digits."""
    return torch.float64 if t.dtype == torch.float64 else torch.float32


def mean_square(projections: Tensor) -> Tensor:
    """``(probes, batch, …)`` to ``(batch,)``: the squared length, averaged over the probes."""
    return projections.to(accumulation_dtype(projections)).flatten(2).square().sum(2).mean(0)


def differentiable_gradient(
    formula: Callable[..., Tensor | tuple[Tensor, ...]],
    inputs: Sequence[Tensor | None],
    needed: Sequence[bool],
    grad_outputs: Tensor | Sequence[Tensor],
) -> tuple[Tensor | None, ...]:
    """The gradient of ``formula(*inputs)`` by ordinary automatic differentiation, None where not needed.

    For the backward pass of an ``autograd.Function`` under ``create_graph=True``, whose own, faster way
    leaves no graph.
    """
    # A view stands for each input, so that the gradient stops there.
    views = [None if t is None else t.view_as(t) for t in inputs]
    wanted = [view for view, is_needed in zip(views, needed) if view is not None and is_needed]
    found = iter(torch.autograd.grad(formula(*views), wanted, grad_outputs, create_graph=True))
    return tuple(next(found) if is_needed else None for is_needed in needed)
