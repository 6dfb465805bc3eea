"""The penalty of one affine layer with a pointwise activation, in closed form."""

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from contractive.jacobian.encoder import without_autocast
from contractive.jacobian.pointwise import Pointwise
from contractive.jacobian.structure import Layer
from contractive.penalties.squares import accumulation_dtype, differentiable_gradient


def closed_form(layer: Layer, x: Tensor) -> tuple[Tensor, Tensor]:
    """Code ``(batch, code_size)`` and penalty ``(batch,)`` of ``h = s(Wx + b)``.

    ``‖J_f(x)‖²_F = Σ_j s'(a_j)² ‖W_j‖²`` with ``a = Wx + b``: Rifai et al., ICML 2011, equation 7, there for
    the sigmoid, for which ``s'(a_j) = h_j (1 − h_j)``.
    """
    # The compiler fuses what _ClosedForm writes by hand.
    compute = _by_formula if torch.compiler.is_compiling() else _ClosedForm.apply
    return compute(x.flatten(1), layer.affine.weight, layer.affine.bias, layer.activation)


def _by_formula(x: Tensor, weight: Tensor, bias: Tensor | None, s: Pointwise) -> tuple[Tensor, Tensor]:
    a = F.linear(x, weight, bias)
    h = s.value(a)
    exact = accumulation_dtype(a)
    slope = s.slope(a.to(exact), h.to(exact))
    return h, (slope.square() * weight.to(exact).square().sum(1)).sum(1)


class _ClosedForm(torch.autograd.Function):
    """Layer and penalty as one function.

    So the penalty's share of the gradient of ``a`` joins the layer's before the matrix products, and its
    share of the gradient of ``W`` is added in place: no second gradient of ``W``'s size is built.
    What is left is memory traffic, so ``s'`` and the like are computed twice rather than kept, in blocks of
    examples that stay in the cache.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, s: Pointwise
    ) -> tuple[Tensor, Tensor]:
        a = F.linear(x, weight, bias)
        h = s.value(a)
        exact = accumulation_dtype(a)
        with without_autocast(x):
            row_norms = torch.linalg.vector_norm(weight, dim=1, dtype=exact).square_()
            penalty = a.new_empty(a.shape[0], dtype=exact)
            for rows in _blocks(a):
                slope = s.slope(a[rows].to(exact), h[rows].to(exact))
                torch.mv(slope.square(), row_norms, out=penalty[rows])
        ctx.activation = s
        ctx.save_for_backward(x, weight, bias, h if s.record.from_value else a, h, row_norms)
        return h, penalty

    @staticmethod
    def backward(ctx: Any, grad_h: Tensor, grad_penalty: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, a, h, row_norms = ctx.saved_tensors
        if torch.is_grad_enabled():
            formula = partial(_by_formula, s=ctx.activation)
            needed = ctx.needs_input_grad[:3]
            return *differentiable_gradient(formula, (x, weight, bias), needed, (grad_h, grad_penalty)), None
        s, exact = ctx.activation, row_norms.dtype
        grad_a, grad_row_norms = torch.empty_like(a), torch.zeros_like(row_norms)
        for rows in _blocks(a):
            a_, h_ = a[rows].to(exact), h[rows].to(exact)
            slope = s.slope(a_, h_)
            from_penalty = torch.outer(2 * grad_penalty[rows], row_norms).mul_(s.curvature(a_, h_, slope))
            torch.mul(from_penalty.add_(grad_h[rows]), slope, out=grad_a[rows])
            grad_row_norms.addmv_(slope.square_().T, grad_penalty[rows])
        grad_x = grad_weight = grad_bias = None
        if ctx.needs_input_grad[0]:
            grad_x = (grad_a @ weight.to(a.dtype)).to(x.dtype)
        if ctx.needs_input_grad[1]:
            grad_weight = (grad_a.T @ x.to(a.dtype)).to(weight.dtype)
            grad_weight.addcmul_(weight, (2 * grad_row_norms)[:, None].to(weight.dtype))
        if bias is not None and ctx.needs_input_grad[2]:
            grad_bias = grad_a.sum(0).to(bias.dtype)
        return grad_x, grad_weight, grad_bias, None


def _blocks(a: Tensor) -> list[slice]:
    """Blocks of examples of about a megabyte; all at once where launching a kernel costs more than memory."""
    rows = a.shape[0] if a.is_cuda else 1 + 2**18 // a.shape[1]
    return [slice(start, start + rows) for start in range(0, a.shape[0], max(rows, 1))]
