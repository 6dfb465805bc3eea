"""The higher-order term: how fast the Jacobian itself changes."""

from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from contractive.jacobian.encoder import Encoder, remember_randomness, without_autocast
from contractive.jacobian.linearise import Linearised, jvp_by_layer, linearise, with_derivative
from contractive.jacobian.structure import Layer, Structure
from contractive.penalties.directions import random_directions
from contractive.penalties.plans import Plan, run_planned
from contractive.penalties.settings import Hessian
from contractive.penalties.squares import accumulation_dtype, mean_square

_checked = lru_cache(typed=True)(Hessian)


def hessian_penalty(
    encoder: Encoder,
    x: Tensor,
    method: str = "auto",
    *,
    sigma: float = 0.1,
    samples: int = 4,
    probes: int = 1,
    generator: torch.Generator | None = None,
) -> Tensor:
    """``(1/samples) Σ_k ‖J_f(x) − J_f(x + ε_k)‖²_F / σ²`` with ``ε_k ~ N(0, σ²I)``, for each example.

    The higher-order term of Rifai et al., ECML 2011, equation 6, divided by ``σ²``: so its mean tends to the
    squared norm of all second derivatives, ``Σ_j ‖∂²h_j/∂x²‖²_F``, as ``σ`` falls, and its weight does not
    change meaning with ``σ``.

    Args:
        encoder: a module or function of a batch whose examples do not interact.
        x: ``(batch, *input_shape)``.
        method: ``closed_form`` (one linear layer and a pointwise activation; exact for each ``ε_k``),
            ``hutchinson`` (any encoder; unbiased, by ``probes`` random directions for each example that are
            the same at ``x`` and ``x + ε_k``) or ``auto``, the first that fits.
        sigma: standard deviation of the noise, in units of ``x``.
        samples: how many ``ε`` for each example.
        generator: the source of randomness, on the device of ``x``.

    Returns:
        ``(batch,)``.

    Raises:
        ValueError: a setting is out of range, ``x`` does not fit, or the encoder is not of one layer.

    >>> hessian_penalty(torch.nn.Linear(3, 2), torch.zeros(5, 3))  # a linear map has no curvature
    tensor([0., 0., 0., 0., 0.], grad_fn=<DivBackward0>)
    """
    settings = (method, sigma, samples, probes)
    _check(*settings)
    return run_planned(partial(_plan, *settings), ("hessian", *settings), encoder, x, generator)


@torch.compiler.assume_constant_result  # the compiler cannot trace how settings check themselves
def _check(*settings: Any) -> bool:
    try:
        _checked(*settings)
    except TypeError:  # a list or the like, which cannot be remembered
        Hessian(*settings)
    return True


def _plan(method: str, sigma: float, samples: int, probes: int, structure: Structure, x: Tensor) -> Plan:
    one_layer = structure.dense is not None and len(structure.dense) == 1
    if method == "closed_form" and not one_layer:
        raise ValueError(
            "method closed_form of the higher-order term takes an encoder of one linear layer and a "
            "pointwise activation: use hutchinson"
        )
    exact = method != "hutchinson" and one_layer

    def run(structure: Structure, x: Tensor, generator: torch.Generator | None) -> Tensor:
        noise = sigma * torch.randn((samples, *x.shape), dtype=x.dtype, device=x.device, generator=generator)
        # What differs little between two near points would drown in the rounding of half precision.
        with without_autocast(x):
            if structure.layers is None:
                return _any_module(structure.encoder, x, noise, probes, generator) / sigma**2
            x, noise = (t.to(structure.layers[0].affine.weight.dtype) for t in (x, noise))
            if exact:
                return _closed_form(structure.layers[0], x, noise) / sigma**2
            return _by_layer(structure.layers, x, noise, probes, generator) / sigma**2

    return run


def _closed_form(layer: Layer, x: Tensor, noise: Tensor) -> Tensor:
    """``J(x) − J(x̃) = diag(s'(a) − s'(ã)) W``."""
    weight, s = layer.affine.weight, layer.activation
    a = layer.before(x)
    moved = a + F.linear(noise.flatten(2), weight)
    exact = accumulation_dtype(a)
    a, moved = a.to(exact), moved.to(exact)
    difference = s.slope(a, s.value(a)) - s.slope(moved, s.value(moved))
    return (difference.square().mean(0) * weight.to(exact).square().sum(1)).sum(1)


def _by_layer(
    layers: Sequence[Layer], x: Tensor, noise: Tensor, probes: int, generator: torch.Generator | None
) -> Tensor:
    v = random_directions(probes, x, generator=generator)
    samples, batch = noise.shape[:2]
    points = torch.cat([x[None], x + noise]).flatten(0, 1)
    _, projections = jvp_by_layer(layers, points, v.repeat(1, samples + 1, *[1] * (x.dim() - 1)))
    at_x, *moved = projections.split(batch, dim=1)
    return torch.stack([mean_square(at_x - other) for other in moved]).mean(0)


def _any_module(
    encoder: Encoder, x: Tensor, noise: Tensor, probes: int, generator: torch.Generator | None
) -> Tensor:
    replay = remember_randomness(x)

    def penalty(encoded: Linearised) -> Tensor:
        u = random_directions(probes, encoded.code.detach(), generator=generator)
        at_x, total = encoded.vjp(u), torch.zeros((), device=x.device)
        for shift in noise:
            with replay():
                moved = linearise(encoder, x + shift)
            total = total + mean_square(at_x - moved.vjp(u))
        return total / len(noise)

    return with_derivative(encoder, x, penalty)[1]
