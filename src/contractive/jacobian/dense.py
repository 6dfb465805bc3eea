"""The Jacobians of a batch, one dense matrix per example."""

import math

import torch
from torch import Tensor
from torch.func import jacfwd, jacrev, vmap

from contractive.jacobian.structure import Encoder, Layer, dense_layers


def jacobians(encoder: Encoder, x: Tensor) -> Tensor:
    """Return ``J_f(x) = ∂h/∂x`` of every example.

    For linear layers with pointwise activations it is the product ``D_L W_L … D_1 W_1`` with
    ``D_l = diag(s'(a_l))``, multiplied from the smaller end. For any other encoder one row costs a backward
    pass and one column a forward pass, so the smaller side is swept; it must treat the examples of a batch
    apart, so be in evaluation mode if it has batch normalisation or dropout.

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
    with torch.no_grad():
        stack = dense_layers(encoder, x)
        return _product(stack, x.flatten(1)) if stack else _swept(encoder, x)


def _product(stack: list[Layer], x: Tensor) -> Tensor:
    weights, slopes = [], []
    input_size = x.shape[1]
    for affine, activation in stack:
        a = affine(x)
        x = activation.value(a)
        weights.append(affine.weight)
        slopes.append(activation.slope(a, x))
    if x.shape[1] <= input_size:
        product = slopes[-1][:, :, None] * weights[-1]
        for weight, slope in zip(weights[-2::-1], slopes[-2::-1]):
            product = (product * slope[:, None, :]) @ weight
    else:
        product = slopes[0][:, :, None] * weights[0]
        for weight, slope in zip(weights[1:], slopes[1:]):
            product = slope[:, :, None] * (weight @ product)
    return product


def _swept(encoder: Encoder, x: Tensor) -> Tensor:
    def code(example: Tensor) -> Tensor:
        return encoder(example[None])[0]

    code_size, input_size = code(x[0]).numel(), math.prod(x.shape[1:])
    sweep = jacrev if code_size <= input_size else jacfwd
    return vmap(sweep(code))(x).reshape(len(x), code_size, input_size)
