"""The Jacobians of a batch, one dense matrix per example."""

from collections.abc import Sequence

import torch
from torch import Tensor

from contractive.jacobian.encoder import Encoder
from contractive.jacobian.linearise import linearise
from contractive.jacobian.structure import Structure, layers


def jacobians(encoder: Encoder, x: Tensor) -> Tensor:
    """Return ``J_f(x) = ∂h/∂x`` of every example, ``(batch, code_size, input_size)``.

    The input's features are in the order of ``x.flatten(1)``.

    For linear layers with pointwise activations it is the product ``D_L W_L … D_1 W_1`` with
    ``D_l = diag(s'(a_l))``. For any other encoder one row costs a backward pass and one column a forward
    pass, so the smaller side is swept; it must treat the examples of a batch apart, so be in evaluation mode
    if it has batch normalisation.

    >>> weight = torch.tensor([[1.0, 2.0], [0.0, 3.0]])
    >>> jacobians(lambda x: x @ weight.T, torch.zeros(1, 2))
    tensor([[[1., 2.],
             [0., 3.]]])
    """
    with torch.no_grad():
        dense = Structure(encoder, layers(encoder, x)).dense
        if dense is None:
            return linearise(encoder, x).dense()
        slopes, h = [], x
        for layer in dense:
            a = layer.before(h)
            h = layer.activation.value(a)
            slopes.append(layer.activation.slope(a, h))
        return product(slopes, [layer.affine.weight for layer in dense])


def product(slopes: Sequence[Tensor], weights: Sequence[Tensor]) -> Tensor:
    """``D_L W_L … D_1 W_1`` for the diagonals ``(batch, width)``, multiplied from the smaller end."""
    if weights[-1].shape[0] <= weights[0].shape[1]:
        result = slopes[-1][:, :, None] * weights[-1]
        for weight, slope in zip(weights[-2::-1], slopes[-2::-1]):
            result = (result * slope[:, None, :]) @ weight
    else:
        result = slopes[0][:, :, None] * weights[0]
        for weight, slope in zip(weights[1:], slopes[1:]):
            result = slope[:, :, None] * (weight @ result)
    return result
