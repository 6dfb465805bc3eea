"""The Jacobians of a batch, one dense matrix per example."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import jacfwd, jacrev, vmap

Encoder = Callable[[Tensor], Tensor]


def jacobians(encoder: Encoder, x: Tensor) -> Tensor:
    """Return ``J_f(x) = ∂h/∂x`` of every example.

    One row of the Jacobian costs a backward pass and one column a forward pass, so the smaller side is
    swept. The encoder must treat the examples of a batch apart: in evaluation mode, if it has batch
    normalisation or dropout.

    Args:
        encoder: maps ``(batch, *input_shape)`` to ``(batch, code_size)``.
        x: ``(batch, *input_shape)``. The result needs ``batch · code_size · input_size`` numbers.

    Returns:
        ``(batch, code_size, input_size)``, the input's features in the order of ``x.flatten(1)``.

    >>> weight = torch.tensor([[1.0, 2.0], [0.0, 3.0]])
    >>> jacobians(lambda x: x @ weight.T, torch.zeros(1, 2))
    tensor([[[1., 2.],
             [0., 3.]]])
    """

    def code(example: Tensor) -> Tensor:
        return encoder(example[None])[0]

    with torch.no_grad():
        code_size = code(x[0]).numel()
        input_size = math.prod(x.shape[1:])
        sweep = jacrev if code_size <= input_size else jacfwd
        return vmap(sweep(code))(x).reshape(len(x), code_size, input_size)
