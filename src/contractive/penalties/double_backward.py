"""Gradients written by hand, made differentiable themselves."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


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
