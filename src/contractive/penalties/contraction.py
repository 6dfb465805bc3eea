"""The one entry to all methods."""

from typing import Any

import torch
from torch import Tensor

from contractive.checks.penalty import check_penalty
from contractive.penalties.autodiff import autodiff
from contractive.penalties.closed_form import closed_form
from contractive.penalties.inputs import check_input
from contractive.penalties.structure import Encoder, dense_layers


def contraction_penalty(
    encoder: Encoder,
    x: Tensor,
    method: str = "auto",
    *,
    generator: torch.Generator | None = None,
    **options: Any,
) -> tuple[Tensor, Tensor]:
    """The code ``f(x)`` and the contraction penalty ``‖J_f(x)‖²_F`` of each example.

    Args:
        encoder: a module or function of a batch whose examples do not interact.
        x: ``(batch, *input_shape)``.
        method: ``auto``, ``closed_form`` or ``autodiff``.
        generator: the source of random numbers of the stochastic methods.
        **options: the method's own settings.

    Returns:
        The code ``(batch, code_size)``, flattened where the encoder's is not flat, and the penalty
        ``(batch,)``, both differentiable with respect to parameters and ``x``.

    >>> encoder = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Sigmoid())
    >>> code, penalty = contraction_penalty(encoder, torch.rand(2, 4))
    >>> code.shape, penalty.shape
    (torch.Size([2, 3]), torch.Size([2]))
    """
    check_penalty(method, **options)
    check_input(encoder, x)
    if method == "auto":
        stack = dense_layers(encoder, x)
        method = "closed_form" if stack is not None and len(stack) == 1 else "autodiff"
    return {"closed_form": closed_form, "autodiff": autodiff}[method](encoder, x)
