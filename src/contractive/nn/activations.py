"""The registry of pointwise activations: one record says all there is to say about one of them.

Nothing here imports torch; the formulas use the methods of the tensors that they are given. At a kink a
derivative takes the value that PyTorch's own backward pass takes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor, nn


class Activation(NamedTuple):
    """A pointwise function ``h = s(a)``.

    module: name of the class of ``torch.nn`` that computes it.
    slope: ``s'`` from ``(module, a, h)``; without a formula it is differentiated automatically.
    curvature: ``s''`` from ``(module, a, h, s')``; the same.
    from_value: whether the formulas look at ``h`` only, so that ``a`` need not be kept.
    bounds: the values at which it levels off to the left and to the right; None where it does not.
    random: whether it is random in training mode, and so a function in evaluation mode only.
    """

    module: str
    slope: Callable[[Any, Tensor, Tensor], Tensor] | None = None
    curvature: Callable[[Any, Tensor, Tensor, Tensor], Tensor] | None = None
    from_value: bool = False
    bounds: tuple[float, float] | None = None
    random: bool = False


# GELU by tanh: gelu(a) = a/2 (1 + tanh u), u = c (a + k a³).
_C, _K = math.sqrt(2 / math.pi), 0.044715


def _gelu_slope(m: nn.GELU, a: Tensor, h: Tensor) -> Tensor:
    if m.approximate == "tanh":
        t, du = (_C * (a + _K * a**3)).tanh(), _C * (1 + 3 * _K * a**2)
        return 0.5 * (1 + t) + 0.5 * a * (1 - t * t) * du
    return 0.5 * (1 + (a / math.sqrt(2)).erf()) + a * (-0.5 * a * a).exp() / math.sqrt(2 * math.pi)


def _gelu_curvature(m: nn.GELU, a: Tensor, h: Tensor, slope: Tensor) -> Tensor:
    if m.approximate == "tanh":
        t, du = (_C * (a + _K * a**3)).tanh(), _C * (1 + 3 * _K * a**2)
        return (1 - t * t) * (du + 0.5 * a * (6 * _C * _K * a - 2 * t * du * du))
    return (-0.5 * a * a).exp() * (2 - a * a) / math.sqrt(2 * math.pi)


def _silu_slope(m: nn.SiLU, a: Tensor, h: Tensor) -> Tensor:
    s = a.sigmoid()
    return s + a * (s - s * s)


def _silu_curvature(m: nn.SiLU, a: Tensor, h: Tensor, slope: Tensor) -> Tensor:
    s = a.sigmoid()
    return (s - s * s) * (2 + a * (1 - 2 * s))


def _zero(m: Any, a: Tensor, h: Tensor, slope: Tensor) -> Tensor:
    return slope.new_zeros(slope.shape)


#: Those that an encoder can be asked for by name.
ACTIVATIONS: dict[str, Activation] = {
    "sigmoid": Activation(
        "Sigmoid",
        lambda m, a, h: h.addcmul(h, h, value=-1),
        lambda m, a, h, slope: slope.addcmul(slope, h, value=-2),
        from_value=True,
        bounds=(0, 1),
    ),
    "tanh": Activation(
        "Tanh",
        lambda m, a, h: 1 - h * h,
        lambda m, a, h, slope: -2 * slope * h,
        from_value=True,
        bounds=(-1, 1),
    ),
    "softplus": Activation(
        "Softplus",
        # Above the threshold PyTorch's softplus is the identity.
        lambda m, a, h: (a * m.beta).sigmoid().masked_fill(a * m.beta > m.threshold, 1.0),
        lambda m, a, h, slope: m.beta * (slope - slope * slope),
    ),
    "relu": Activation("ReLU", lambda m, a, h: (h > 0).to(h.dtype), _zero, from_value=True),
    "elu": Activation(
        "ELU",
        lambda m, a, h: (m.alpha * a.clamp(max=0).exp()).masked_fill(a > 0, 1.0),
        lambda m, a, h, slope: slope.masked_fill(a > 0, 0.0),
    ),
    "gelu": Activation("GELU", _gelu_slope, _gelu_curvature),
    "silu": Activation("SiLU", _silu_slope, _silu_curvature),
    "identity": Activation("Identity", lambda m, a, h: h.new_ones(h.shape), _zero, from_value=True),
}

# The other pointwise modules of torch.nn, recognised in encoders of other people's making. PReLU is none of
# them: it learns its slope, which these formulas would take for a constant.
_OTHERS = (
    Activation(
        "LeakyReLU", lambda m, a, h: a.new_full(a.shape, m.negative_slope).masked_fill(a > 0, 1.0), _zero
    ),
    Activation("RReLU", random=True),
    Activation("Hardsigmoid", lambda m, a, h: ((a > -3) & (a < 3)).to(a.dtype) / 6, _zero, bounds=(0, 1)),
    Activation("Softsign", bounds=(-1, 1)),
    *map(Activation, ("CELU", "SELU", "Mish", "Hardswish", "LogSigmoid", "Hardtanh", "ReLU6", "Threshold")),
    *map(Activation, ("Hardshrink", "Softshrink", "Tanhshrink")),
)
_BY_CLASS = {record.module: record for record in (*_OTHERS, *ACTIVATIONS.values())}


def make_activation(name: str) -> nn.Module:
    """The module of an activation by name, with PyTorch's defaults.

    >>> make_activation("elu")
    ELU(alpha=1.0)
    """
    from torch import nn

    return getattr(nn, ACTIVATIONS[name].module)()


def record_of(module: nn.Module) -> Activation | None:
    """The record of a module of exactly PyTorch's own class: a subclass may compute something else.

    >>> from torch import nn
    >>> record_of(nn.Tanh()).bounds, record_of(nn.Softmax(dim=1))
    ((-1, 1), None)
    """
    kind = type(module)
    return _BY_CLASS.get(kind.__name__) if kind.__module__.startswith("torch.nn.modules.") else None
