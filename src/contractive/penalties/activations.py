"""Pointwise activations with their first two derivatives.

``slope`` is ``s'`` and ``curvature`` is ``s''``, both from the pre-activation ``a`` and the value
``h = s(a)``, whichever is cheaper. At a kink they take the value that PyTorch's own backward pass takes.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Pointwise(NamedTuple):
    """A pointwise function: its value from ``a``, its derivatives from ``a`` and the value ``h``."""

    value: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor, Tensor], Tensor]
    curvature: Callable[[Tensor, Tensor], Tensor]


def _sigmoid_slope(m: nn.Sigmoid, a: Tensor, h: Tensor) -> Tensor:
    return torch.addcmul(h, h, h, value=-1)


def _tanh_slope(m: nn.Tanh, a: Tensor, h: Tensor) -> Tensor:
    return 1 - h * h


def _softplus_slope(m: nn.Softplus, a: Tensor, h: Tensor) -> Tensor:
    # Above the threshold PyTorch's softplus is the identity.
    return torch.where(a * m.beta > m.threshold, 1.0, torch.sigmoid(a * m.beta))


def _softplus_curvature(m: nn.Softplus, a: Tensor, h: Tensor) -> Tensor:
    s = torch.sigmoid(a * m.beta)
    return torch.where(a * m.beta > m.threshold, 0.0, m.beta * (s - s * s))


def _elu_slope(m: nn.ELU, a: Tensor, h: Tensor) -> Tensor:
    return torch.where(a > 0, 1.0, m.alpha * a.clamp(max=0).exp())


def _elu_curvature(m: nn.ELU, a: Tensor, h: Tensor) -> Tensor:
    return torch.where(a > 0, 0.0, m.alpha * a.clamp(max=0).exp())


def _silu_slope(m: nn.SiLU, a: Tensor, h: Tensor) -> Tensor:
    s = torch.sigmoid(a)
    return s + a * (s - s * s)


def _silu_curvature(m: nn.SiLU, a: Tensor, h: Tensor) -> Tensor:
    s = torch.sigmoid(a)
    return (s - s * s) * (2 + a * (1 - 2 * s))


# GELU by tanh: gelu(a) = a/2 (1 + tanh u), u = c (a + k a³).
_C, _K = math.sqrt(2 / math.pi), 0.044715


def _gelu_slope(m: nn.GELU, a: Tensor, h: Tensor) -> Tensor:
    if m.approximate == "tanh":
        t, du = torch.tanh(_C * (a + _K * a**3)), _C * (1 + 3 * _K * a**2)
        return 0.5 * (1 + t) + 0.5 * a * (1 - t * t) * du
    return 0.5 * (1 + torch.erf(a / math.sqrt(2))) + a * torch.exp(-0.5 * a * a) / math.sqrt(2 * math.pi)


def _gelu_curvature(m: nn.GELU, a: Tensor, h: Tensor) -> Tensor:
    if m.approximate == "tanh":
        t, du = torch.tanh(_C * (a + _K * a**3)), _C * (1 + 3 * _K * a**2)
        return (1 - t * t) * (du + 0.5 * a * (6 * _C * _K * a - 2 * t * du * du))
    return torch.exp(-0.5 * a * a) * (2 - a * a) / math.sqrt(2 * math.pi)


def _step(m: Any, a: Tensor, h: Tensor) -> Tensor:
    return (a > 0).to(a.dtype)


def _leaky_step(m: nn.LeakyReLU, a: Tensor, h: Tensor) -> Tensor:
    return torch.where(a > 0, 1.0, torch.full_like(a, m.negative_slope))


def _zero(m: Any, a: Tensor, h: Tensor) -> Tensor:
    return torch.zeros_like(a)


# For each module: value(m, a), slope(m, a, h), curvature(m, a, h) with the module m for its settings.
_KNOWN: dict[type[nn.Module], tuple[Callable, Callable, Callable]] = {
    nn.Identity: (lambda m, a: a, lambda m, a, h: torch.ones_like(a), _zero),
    nn.Sigmoid: (lambda m, a: torch.sigmoid(a), _sigmoid_slope, lambda m, a, h: (h - h * h) * (1 - 2 * h)),
    nn.Tanh: (lambda m, a: torch.tanh(a), _tanh_slope, lambda m, a, h: -2 * h * (1 - h * h)),
    nn.Softplus: (lambda m, a: F.softplus(a, m.beta, m.threshold), _softplus_slope, _softplus_curvature),
    nn.ReLU: (lambda m, a: F.relu(a), _step, _zero),
    nn.LeakyReLU: (lambda m, a: F.leaky_relu(a, m.negative_slope), _leaky_step, _zero),
    nn.ELU: (lambda m, a: F.elu(a, m.alpha), _elu_slope, _elu_curvature),
    nn.GELU: (lambda m, a: F.gelu(a, approximate=m.approximate), _gelu_slope, _gelu_curvature),
    nn.SiLU: (lambda m, a: F.silu(a), _silu_slope, _silu_curvature),
}


def pointwise(module: nn.Module) -> Pointwise | None:
    """A PyTorch activation module with its derivatives, None if it is not one that is known here.

    >>> pointwise(nn.Tanh()).slope(torch.tensor(0.0), torch.tensor(0.0))
    tensor(1.)
    """
    # The exact type: a subclass may compute something else.
    functions = _KNOWN.get(type(module))
    return Pointwise(*(partial(function, module) for function in functions)) if functions else None


IDENTITY = Pointwise(*(partial(function, None) for function in _KNOWN[nn.Identity]))
