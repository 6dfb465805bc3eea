"""Pointwise activations with their first two derivatives.

At a kink a derivative takes the value that PyTorch's own backward pass takes.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Pointwise(NamedTuple):
    """A pointwise function ``h = s(a)`` with ``s'`` and ``s''``.

    Each derivative may use what is known already: it takes ``a``, ``h`` and, for the second, the first.
    ``from_value`` says that they look at ``h`` only, so that ``a`` need not be kept.
    """

    value: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor, Tensor], Tensor]
    curvature: Callable[[Tensor, Tensor, Tensor], Tensor]
    from_value: bool


def _sigmoid_slope(m: nn.Sigmoid, a: Tensor, h: Tensor) -> Tensor:
    return torch.addcmul(h, h, h, value=-1)


def _sigmoid_curvature(m: nn.Sigmoid, a: Tensor, h: Tensor, slope: Tensor) -> Tensor:
    return torch.addcmul(slope, slope, h, value=-2)


def _tanh_slope(m: nn.Tanh, a: Tensor, h: Tensor) -> Tensor:
    return 1 - h * h


def _tanh_curvature(m: nn.Tanh, a: Tensor, h: Tensor, slope: Tensor) -> Tensor:
    return -2 * slope * h


def _softplus_slope(m: nn.Softplus, a: Tensor, h: Tensor) -> Tensor:
    # Above the threshold PyTorch's softplus is the identity.
    return torch.where(a * m.beta > m.threshold, 1.0, torch.sigmoid(a * m.beta))


def _softplus_curvature(m: nn.Softplus, a: Tensor, h: Tensor, slope: Tensor) -> Tensor:
    return m.beta * (slope - slope * slope)


def _elu_slope(m: nn.ELU, a: Tensor, h: Tensor) -> Tensor:
    return torch.where(a > 0, 1.0, m.alpha * a.clamp(max=0).exp())


def _elu_curvature(m: nn.ELU, a: Tensor, h: Tensor, slope: Tensor) -> Tensor:
    return torch.where(a > 0, 0.0, slope)


def _silu_slope(m: nn.SiLU, a: Tensor, h: Tensor) -> Tensor:
    s = torch.sigmoid(a)
    return s + a * (s - s * s)


def _silu_curvature(m: nn.SiLU, a: Tensor, h: Tensor, slope: Tensor) -> Tensor:
    s = torch.sigmoid(a)
    return (s - s * s) * (2 + a * (1 - 2 * s))


# GELU by tanh: gelu(a) = a/2 (1 + tanh u), u = c (a + k a³).
_C, _K = math.sqrt(2 / math.pi), 0.044715


def _gelu_slope(m: nn.GELU, a: Tensor, h: Tensor) -> Tensor:
    if m.approximate == "tanh":
        t, du = torch.tanh(_C * (a + _K * a**3)), _C * (1 + 3 * _K * a**2)
        return 0.5 * (1 + t) + 0.5 * a * (1 - t * t) * du
    return 0.5 * (1 + torch.erf(a / math.sqrt(2))) + a * torch.exp(-0.5 * a * a) / math.sqrt(2 * math.pi)


def _gelu_curvature(m: nn.GELU, a: Tensor, h: Tensor, slope: Tensor) -> Tensor:
    if m.approximate == "tanh":
        t, du = torch.tanh(_C * (a + _K * a**3)), _C * (1 + 3 * _K * a**2)
        return (1 - t * t) * (du + 0.5 * a * (6 * _C * _K * a - 2 * t * du * du))
    return torch.exp(-0.5 * a * a) * (2 - a * a) / math.sqrt(2 * math.pi)


def _step(m: Any, a: Tensor, h: Tensor) -> Tensor:
    return (h > 0).to(h.dtype)


def _leaky_step(m: nn.LeakyReLU, a: Tensor, h: Tensor) -> Tensor:
    return torch.where(a > 0, 1.0, torch.full_like(a, m.negative_slope))


def _zero(m: Any, a: Tensor, h: Tensor, slope: Tensor) -> Tensor:
    return torch.zeros_like(slope)


# The functions of Pointwise, with the module first for its settings.
_KNOWN: dict[type[nn.Module], tuple[Callable, Callable, Callable, bool]] = {
    nn.Identity: (lambda m, a: a, lambda m, a, h: torch.ones_like(h), _zero, True),
    nn.Sigmoid: (lambda m, a: torch.sigmoid(a), _sigmoid_slope, _sigmoid_curvature, True),
    nn.Tanh: (lambda m, a: torch.tanh(a), _tanh_slope, _tanh_curvature, True),
    nn.Softplus: (
        lambda m, a: F.softplus(a, m.beta, m.threshold),
        _softplus_slope,
        _softplus_curvature,
        False,
    ),
    nn.ReLU: (lambda m, a: F.relu(a), _step, _zero, True),
    nn.LeakyReLU: (lambda m, a: F.leaky_relu(a, m.negative_slope), _leaky_step, _zero, False),
    nn.ELU: (lambda m, a: F.elu(a, m.alpha), _elu_slope, _elu_curvature, False),
    nn.GELU: (lambda m, a: F.gelu(a, approximate=m.approximate), _gelu_slope, _gelu_curvature, False),
    nn.SiLU: (lambda m, a: F.silu(a), _silu_slope, _silu_curvature, False),
}


def pointwise(module: nn.Module) -> Pointwise | None:
    """A PyTorch activation module with its derivatives, None if it is not one that is known here.

    >>> pointwise(nn.Tanh()).slope(torch.tensor(0.0), torch.tensor(0.0))
    tensor(1.)
    """
    # The exact type: a subclass may compute something else.
    known = _KNOWN.get(type(module))
    return _bind(known, module) if known else None


def _bind(known: tuple[Callable, Callable, Callable, bool], module: nn.Module) -> Pointwise:
    value, slope, curvature, from_value = known
    return Pointwise(partial(value, module), partial(slope, module), partial(curvature, module), from_value)


IDENTITY = _bind(_KNOWN[nn.Identity], nn.Identity())
