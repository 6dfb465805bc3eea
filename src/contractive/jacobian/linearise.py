"""The derivative of an encoder as one operator: forward mode, reverse mode, the dense matrix."""

import logging
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

from contractive.jacobian.encoder import Encoder, flat_code
from contractive.jacobian.structure import Layer

Map = Callable[[Tensor], Tensor]

_NORMALISATIONS = {
    F.layer_norm,
    F.instance_norm,
    torch.layer_norm,
    torch.native_layer_norm,
    torch.instance_norm,
}


class Linearised(NamedTuple):
    """An encoder at a batch ``x`` whose examples do not interact: its derivative as one operator.

    x: ``(batch, *input_shape)``.
    code: ``f(x)``, ``(batch, code_size)``.
    vjp: reverse mode, ``u ↦ J(x)ᵀu``, from ``(k, batch, code_size)`` to ``(k, batch, *input_shape)``.
    jvp: forward mode, ``v ↦ J(x)v``, the other way; None where its gradient would be wrong.

    Both maps are vectorised over their ``k`` directions and differentiable in parameters and ``x``. The
    encoder has been evaluated once, so whatever is random in it (dropout) is the same for all of them.
    """

    x: Tensor
    code: Tensor
    vjp: Map
    jvp: Map | None

    def along(self, side: str) -> tuple[Tensor, Map]:
        """A tensor like one direction on the ``input`` or the ``code`` side, and the map from there."""
        if side == "code":
            return self.code.detach(), self.vjp
        if self.jvp is None:
            raise ValueError(
                f"there is layer or instance normalisation, and along directions of its {side} PyTorch gets"
                " the gradient wrong: take those of the code, side=code, where that is a choice, or leave the"
                " normalisation out"
            )
        return self.x, self.jvp

    def smaller_side(self) -> str:
        """The side with fewer dimensions, of those along which there is a map."""
        fewer_inputs = math.prod(self.x.shape[1:]) < self.code.shape[1]
        return "input" if fewer_inputs and self.jvp is not None else "code"

    def along_basis(self, side: str, start: int, stop: int) -> Tensor:
        """Columns of the Jacobians (``input``) or rows (``code``): ``(stop − start, batch, …)``."""
        like, apply = self.along(side)
        basis = like.new_zeros(stop - start, math.prod(like.shape[1:]))
        basis.diagonal(start).fill_(1)
        return apply(basis.view(-1, 1, *like.shape[1:]).expand(-1, *like.shape))

    def dense(self) -> Tensor:
        """The Jacobians ``(batch, code_size, input_size)``."""
        if self.smaller_side() == "code":
            return self.along_basis("code", 0, self.code.shape[1]).flatten(2).transpose(0, 1)
        return self.along_basis("input", 0, math.prod(self.x.shape[1:])).permute(1, 2, 0)


def linearise(encoder: Encoder, x: Tensor) -> Linearised:
    """Evaluate the encoder at ``x`` and keep what its derivative needs.

    By ``torch.func.vjp``, and forward mode as the transpose of the transpose. An encoder that ``torch.func``
    cannot transform takes plain reverse mode, slower and with a notice in the log.

    >>> linearise(torch.square, torch.tensor([[1.0, 2.0]])).dense()
    tensor([[[2., 0.],
             [0., 4.]]])
    """
    # The fused kernels of attention have no second derivative.
    with _Watch() as watch, sdpa_kernel(SDPBackend.MATH):
        try:
            code, vjp_one, *_ = torch.func.vjp(lambda x: flat_code(encoder(x), x), x)
        except RuntimeError as error:
            code, vjp = _plain_vjp(encoder, x)  # raises too if it is the encoder itself that failed
            tell_once(
                f"{type(encoder).__name__} cannot be transformed by torch.func, so its penalty takes plain "
                f"reverse mode, which is slower ({_first_line(error)})",
                logging.WARNING,
            )
        else:
            vjp = lambda u: vjp_one(u)[0]  # noqa: E731

    @cache
    def transposed() -> Map:
        _, jvp, *_ = torch.func.vjp(vjp, torch.zeros_like(code))
        return lambda v: jvp(v)[0]

    jvp = None if watch.normalised else lambda v: _over_directions(transposed())(v)
    return Linearised(x, code, _over_directions(vjp), jvp)


def jvp_by_layer(
    layers: Sequence[Layer], x: Tensor, v: Tensor, chosen: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Code ``(batch, code_size)`` and ``Jv`` of affine layers, both in one pass.

    ``v`` is ``(probes, batch, *input_shape)`` and ``Jv`` ``(probes, batch, code_size)``; both are for the
    ``chosen`` examples alone if their indices are given.
    """
    probes, h = v.shape[0], x
    for layer in layers:
        a = layer.before(h)
        h = layer.activation.value(a)
        at_h = h if chosen is None else h[chosen]
        at_a = at_h if layer.activation.record.from_value else a if chosen is None else a[chosen]
        moved = layer.linear(v.flatten(0, 1)).unflatten(0, (probes, -1))
        v = moved * layer.activation.slope(at_a, at_h)
    return h.flatten(1), v.flatten(2)


@torch.compiler.disable  # the compiler cannot trace a vector-Jacobian product that outlives its function
def with_derivative(
    encoder: Encoder,
    x: Tensor,
    use: Callable[[Linearised], Tensor],
    during: AbstractContextManager = nullcontext(),  # noqa: B008  (holds nothing)
) -> tuple[Tensor, Tensor]:
    """The code ``f(x)`` and ``use(linearise(encoder, x))``, with the context ``during`` the evaluation."""
    with during:
        encoded = linearise(encoder, x)
    return encoded.code, use(encoded)


@cache
def tell_once(message: str, level: int = logging.INFO) -> None:
    """Log what the user should know of a choice that was made for them, the first time in this process."""
    logging.getLogger("contractive").log(level, message)


class _Watch(TorchFunctionMode):
    """Notices layer and instance normalisation.

    PyTorch 2.14 differentiates their derivative in forward mode as if mean and variance did not depend on
    ``x``: a penalty from it has the right value and, without any error, a wrong gradient.
    """

    normalised = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _NORMALISATIONS:
            self.normalised = True
        return func(*args, **(kwargs or {}))


def _plain_vjp(encoder: Encoder, x: Tensor) -> tuple[Tensor, Map]:
    """Like ``torch.func.vjp``, by PyTorch's ordinary graph."""
    tracked = torch.is_grad_enabled()
    # Lightning validates in inference mode, where nothing records what a derivative needs.
    with torch.inference_mode(False), torch.enable_grad():
        # A clone, because an encoder may begin with an operation in place.
        leaf = x if x.requires_grad and tracked else x.detach().clone().requires_grad_()
        try:
            code = flat_code(encoder(leaf.clone()), x)
        except RuntimeError as error:
            raise ValueError(
                f"encoder does not take x of shape {tuple(x.shape)} and type {x.dtype}: {_first_line(error)}"
            ) from error

    def vjp(u: Tensor) -> Tensor:
        # Also where nothing is tracked: the transpose of this, forward mode, is its derivative in u.
        differentiated = torch.is_grad_enabled()
        with torch.inference_mode(False):
            return torch.autograd.grad(
                code, leaf, u, retain_graph=True, create_graph=differentiated, materialize_grads=True
            )[0]

    return code if tracked else code.detach(), vjp


def _over_directions(one: Map) -> Map:
    """``one`` for each entry of the first dimension, at once where ``vmap`` can."""

    def all_of(directions: Tensor) -> Tensor:
        if len(directions) > 1:
            try:
                return torch.func.vmap(one)(directions)
            except RuntimeError as error:
                tell_once(
                    "the encoder's backward pass cannot be vectorised, so the penalty takes one direction "
                    f"after another, which is slower ({_first_line(error)})",
                    logging.WARNING,
                )
        return torch.stack([one(direction) for direction in directions])

    return all_of


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]
