"""The exact penalty of a stack of linear layers, from the product of the layers' Jacobians."""

from collections.abc import Sequence
from itertools import pairwise
from operator import itemgetter
from typing import Any, NamedTuple

import torch
from torch import Tensor

from contractive.jacobian.dense import product
from contractive.jacobian.encoder import without_autocast
from contractive.jacobian.structure import Layer
from contractive.penalties.squares import accumulation_dtype, differentiable_gradient


def layerwise(layers: Sequence[Layer], x: Tensor, order: str, memory_mib: int) -> tuple[Tensor, Tensor]:
    """Code ``(batch, code_size)`` and exact penalty ``(batch,)`` of linear layers with pointwise activations.

    ``J = D_L W_L ⋯ D_1 W_1`` with ``D_l = diag(s'(a_l))``, multiplied out in one of three orders: from the
    code side (``code``), from there with the Gram matrix ``G = W_1 W_1ᵀ`` in place of the last product,
    ``‖J‖²_F = tr(A G Aᵀ)`` with ``A = D_L W_L ⋯ D_1`` (``gram``), or from the input side (``input``).

    Beyond ``memory_mib`` MiB, what the backward pass needs is not kept but computed again.
    """
    h, slopes = x, []
    for layer in layers:
        a = layer.before(h)
        h = layer.activation.value(a)
        exact = accumulation_dtype(a)  # products of the layers in float32 even where the layers are not
        slopes.append(layer.activation.slope(a.to(exact), h.to(exact)))
    weights = [layer.affine.weight.to(exact) for layer in layers]
    if torch.compiler.is_compiling():
        return h, _by_formula(*slopes, *weights)
    with without_autocast(x):
        return h, _SquaredNorm.apply(order, memory_mib, *slopes, *weights)


def cheapest_order(widths: list[int]) -> tuple[str, int]:
    """The cheapest order for layers of these widths (input first, code last), and its multiplications for
    one example, forward and backward.

    >>> cheapest_order([784, 512, 64])
    ('gram', 26214400)
    >>> cheapest_order([2, 100, 100, 50])[0]
    'input'
    """
    pairs = [a * b for a, b in pairwise(widths)]
    inner = 3 * sum(pairs[1:-1])
    # The product with G is used again in the backward pass, and of the gradient of G half is enough.
    costs = {
        "gram": widths[-1] * (inner + widths[1] ** 2 * 25 // 16),
        "code": widths[-1] * (inner + 3 * pairs[0]),
        "input": widths[0] * (inner + 3 * pairs[-1]),
    }
    return min(costs.items(), key=itemgetter(1))


class _SquaredNorm(torch.autograd.Function):
    """``‖D_L W_L ⋯ D_1 W_1‖²_F`` from the diagonals ``(batch, width)`` and the weights.

    In chunks of examples whose matrices stay in the cache. The products that the gradient needs again are
    kept while there is room; in Gram form ``∂ tr(A G Aᵀ) / ∂A = 2AG`` is one of them.
    """

    @staticmethod
    def forward(ctx: Any, order: str, memory_mib: int, *slopes_and_weights: Tensor) -> Tensor:
        product = _arrange(order, slopes_and_weights)
        # The squared length of each unit's gradient before ``last``.
        per_unit, kept = torch.empty_like(product.last), []
        room = memory_mib * 2**20 if any(ctx.needs_input_grad) else 0
        for rows in _chunks(product):
            matrices = _multiply(product, rows)
            if order == "gram":  # Σ_i A_ji (AG)_ji with A = M diag(s)
                scale = product.scales[-1][rows, :, None]
                per_unit[rows] = ((matrices[-1] * matrices[-2]) @ scale)[..., 0]
            else:
                per_unit[rows] = matrices[-1].square().sum(1 if order == "input" else 2)
            room -= sum(matrix.nbytes for matrix in matrices[1:])
            if room > 0:
                kept += matrices[1:]
        ctx.order = order
        ctx.save_for_backward(per_unit, *slopes_and_weights, *kept)
        return (product.last.square() * per_unit).sum(1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        inputs = len(ctx.needs_input_grad) - 1
        per_unit, *slopes_and_weights = ctx.saved_tensors[:inputs]
        if torch.is_grad_enabled():
            needed = ctx.needs_input_grad[2:]
            return None, None, *differentiable_gradient(_by_formula, slopes_and_weights, needed, grad)
        product = _arrange(ctx.order, slopes_and_weights)
        found = _Product(
            torch.zeros_like(product.start),
            [torch.empty_like(scale) for scale in product.scales],
            [torch.zeros_like(right) for right in product.rights],
            2 * grad[:, None] * product.last * per_unit,
        )
        kept, links = ctx.saved_tensors[inputs:], len(product.scales)
        for i, rows in enumerate(_chunks(product)):
            matrices = [product.start, *kept[i * links : (i + 1) * links]]
            if len(matrices) == 1:
                matrices = _multiply(product, rows)
            _backward_chunk(ctx.order, product, matrices, rows, grad, found)
        if ctx.order == "input":
            grad_weights = [found.start.T, *(right.T for right in found.rights)]
            return None, None, *found.scales, found.last, *grad_weights
        if ctx.order == "gram":
            half = found.rights[-1]  # the blocks on and above the diagonal of a symmetric matrix
            found.rights[-1] = (half.triu() + half.triu(1).T) @ slopes_and_weights[links + 1]
        return None, None, *reversed(found.scales), found.last, *reversed(found.rights), found.start


class _Product(NamedTuple):
    """``start · diag(scale_1) · right_1 · diag(scale_2) · right_2 ⋯`` for each example.

    ``last`` is the diagonal of the code layer: it weights the rows of the product (order ``code``; ``gram``,
    where the last of the ``rights`` is ``G``) or its columns (order ``input``).
    """

    start: Tensor
    scales: list[Tensor]
    rights: list[Tensor]
    last: Tensor


def _arrange(order: str, slopes_and_weights: Sequence[Tensor]) -> _Product:
    depth = len(slopes_and_weights) // 2
    slopes, weights = slopes_and_weights[:depth], slopes_and_weights[depth:]
    if order == "input":
        return _Product(weights[0].T, list(slopes[:-1]), [w.T for w in weights[1:]], slopes[-1])
    rights = list(reversed(weights[:-1]))
    if order == "gram":
        rights[-1] = weights[0] @ weights[0].T
    return _Product(weights[-1], list(reversed(slopes[:-1])), rights, slopes[-1])


def _chunks(product: _Product) -> list[slice]:
    """Examples whose matrices fit into the cache together; many more where there is no such cache."""
    rows, widest = product.start.shape[0], max(max(right.shape) for right in product.rights)
    size = max(1, (2**25 if product.start.is_cuda else 2**19) // (rows * widest))
    return [slice(first, first + size) for first in range(0, product.last.shape[0], size)]


def _multiply(product: _Product, rows: slice) -> list[Tensor]:
    """The product so far before each diagonal, and the whole."""
    matrices = [product.start]
    for scale, right in zip(product.scales, product.rights):
        matrices.append((matrices[-1] * scale[rows, None]) @ right)
    return matrices


def _backward_chunk(
    order: str, product: _Product, matrices: list[Tensor], rows: slice, grad: Tensor, found: _Product
) -> None:
    """Write the chunk's rows of the gradients ``found`` of the scales and add its share of the others."""
    weight = 2 * grad[rows, None] * product.last[rows].square()
    weight = weight[:, None] if order == "input" else weight[:, :, None]
    grad_product = matrices[-1] * weight
    for i in reversed(range(len(product.scales))):
        scale = product.scales[i][rows, None]
        scaled = matrices[i] * scale
        if order == "gram" and i == len(product.scales) - 1:
            grad_scaled = grad_product
            _add_symmetric(found.rights[i], scaled.flatten(0, 1), (scaled * weight).flatten(0, 1))
        else:
            grad_scaled = grad_product @ product.rights[i].T
            found.rights[i].addmm_(scaled.flatten(0, 1).T, grad_product.flatten(0, 1))
        torch.sum(grad_scaled * matrices[i], 1, out=found.scales[i][rows])
        grad_product = grad_scaled.mul_(scale)
    found.start.add_(grad_product.sum(0))


def _add_symmetric(total: Tensor, a: Tensor, b: Tensor) -> None:
    """Add ``aᵀb``, known to be symmetric, to ``total``: only the blocks on and above the diagonal."""
    size = max(128, -(-total.shape[0] // 4))
    for first in range(0, total.shape[0], size):
        total[first : first + size, first:].addmm_(a[:, first : first + size].T, b[:, first:])


def _by_formula(*slopes_and_weights: Tensor) -> Tensor:
    depth = len(slopes_and_weights) // 2
    slopes, weights = slopes_and_weights[:depth], slopes_and_weights[depth:]
    return product(slopes, weights).square().sum((1, 2))
