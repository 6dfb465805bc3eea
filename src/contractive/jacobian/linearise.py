"""The derivative of any encoder as two linear maps, without ever forming it."""

import logging
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

from contractive.jacobian.inputs import flat_code
from contractive.jacobian.notices import tell_once
from contractive.jacobian.structure import Encoder

Map = Callable[[Tensor], Tensor]

_NORMALISATIONS = (
    F.layer_norm,
    F.instance_norm,
    torch.layer_norm,
    torch.native_layer_norm,
    torch.instance_norm,
)


class Linearised(NamedTuple):
    """An encoder at a batch ``x`` whose examples do not interact.

    code: ``f(x)``, ``(batch, code_size)``.
    pull: reverse mode, ``u ↦ J(x)ᵀu``, from ``(k, batch, code_size)`` to ``(k, batch, *input_shape)``.
    push: forward mode, ``v ↦ J(x)v``, the other way; None where its gradient would be wrong.

    Both maps are vectorised over their ``k`` directions and differentiable in parameters and ``x``. The
    encoder has been evaluated once, so whatever is random in it (dropout) is the same for all of them.
    """

    code: Tensor
    pull: Map
    push: Map | None

    def along(self, side: str, x: Tensor) -> tuple[Tensor, Map]:
        """A tensor like one direction on the ``input`` or the ``code`` side, and the map from there."""
        if side == "code":
            return self.code.detach(), self.pull
        if self.push is None:
            raise ValueError(
                "side must be code for an encoder with layer or instance normalisation, whose gradient in "
                f"forward mode PyTorch gets wrong, got {side!r}"
            )
        return x, self.push


def linearise(encoder: Encoder, x: Tensor) -> Linearised:
    """Evaluate the encoder at ``x`` and keep what its derivative needs.

    By ``torch.func.vjp``, and forward mode as the transpose of the transpose. An encoder that ``torch.func``
    cannot transform takes plain reverse mode, slower and with a notice in the log.
    """
    # The fused kernels of attention have no second derivative.
    with _Watch() as watch, sdpa_kernel(SDPBackend.MATH):
        try:
            code, pull_one, *_ = torch.func.vjp(lambda x: flat_code(encoder(x), x), x)
        except RuntimeError as error:
            code, pull = _plain_vjp(encoder, x)  # raises too if it is the encoder itself that failed
            tell_once(
                f"{type(encoder).__name__} cannot be transformed by torch.func, so its penalty takes plain "
                f"reverse mode, which is slower ({_first_line(error)})",
                logging.WARNING,
            )
        else:
            pull = lambda u: pull_one(u)[0]  # noqa: E731

    @cache
    def transposed() -> Map:
        _, push, *_ = torch.func.vjp(pull, torch.zeros_like(code))
        return lambda v: push(v)[0]

    push = None if watch.normalised else lambda v: _over_directions(transposed())(v)
    return Linearised(code, _over_directions(pull), push)


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

    def pull(u: Tensor) -> Tensor:
        with torch.inference_mode(False):
            (gradient,) = torch.autograd.grad(
                code, leaf, u, retain_graph=True, create_graph=tracked, materialize_grads=True
            )
        return gradient

    return code if tracked else code.detach(), pull


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
