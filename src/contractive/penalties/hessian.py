"""The higher-order term: how fast the Jacobian itself changes."""

import torch
import torch.nn.functional as F
from torch import Tensor

from contractive.jacobian.inputs import check_input
from contractive.jacobian.linearise import linearise
from contractive.jacobian.precision import accumulation_dtype, without_autocast
from contractive.jacobian.randomness import remember_randomness
from contractive.jacobian.structure import Encoder, Layer, dense_layers, layers, uncompiled
from contractive.penalties.directions import random_directions
from contractive.penalties.kernels.hutchinson import mean_square, push_by_layer
from contractive.penalties.settings import Hessian


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
            ``hutchinson`` (any encoder; unbiased, by random directions that are the same at ``x`` and
            ``x + ε_k``) or ``auto``, the first that fits.
        sigma: standard deviation of the noise, in units of ``x``.
        samples: how many ``ε`` for each example.
        probes: directions per example, for ``hutchinson``.
        generator: the source of randomness, on the device of ``x``.

    Returns:
        ``(batch,)``.

    Raises:
        ValueError: a setting is out of range, ``x`` does not fit, or the encoder is not of one layer.

    >>> hessian_penalty(torch.nn.Linear(3, 2), torch.zeros(5, 3))  # a linear map has no curvature
    tensor([0., 0., 0., 0., 0.], grad_fn=<DivBackward0>)
    """
    Hessian(method, sigma, samples, probes)
    encoder = uncompiled(encoder)
    check_input(encoder, x, generator)
    noise = sigma * torch.randn((samples, *x.shape), dtype=x.dtype, device=x.device, generator=generator)
    dense = dense_layers(encoder, x)
    one_layer = dense is not None and len(dense) == 1
    if method == "closed_form" and not one_layer:
        raise ValueError(
            "method closed_form of the higher-order term takes an encoder of one linear layer and a "
            "pointwise activation: use hutchinson"
        )
    if method != "hutchinson" and dense is not None and one_layer:
        return _closed_form(dense[0], x, noise) / sigma**2
    stack = layers(encoder, x)
    if stack is not None:
        return _by_layer(stack, x, noise, random_directions(probes, x, generator=generator)) / sigma**2
    return _any_module(encoder, x, noise, probes, generator) / sigma**2


def _closed_form(layer: Layer, x: Tensor, noise: Tensor) -> Tensor:
    """``J(x) − J(x̃) = diag(s'(a) − s'(ã)) W``."""
    weight, s = layer.affine.weight, layer.activation
    a = F.linear(x.flatten(1), weight, layer.affine.bias)
    moved = a + F.linear(noise.flatten(2), weight)
    with without_autocast(x):
        exact = accumulation_dtype(a)
        a, moved = a.to(exact), moved.to(exact)
        difference = s.slope(a, s.value(a)) - s.slope(moved, s.value(moved))
        return (difference.square().mean(0) * weight.to(exact).square().sum(1)).sum(1)


def _by_layer(stack: list[Layer], x: Tensor, noise: Tensor, v: Tensor) -> Tensor:
    samples, batch = noise.shape[:2]
    points = torch.cat([x[None], x + noise]).flatten(0, 1)
    _, projections = push_by_layer(stack, points, v.repeat(1, samples + 1, *[1] * (x.dim() - 1)))
    at_x, *moved = projections.split(batch, dim=1)
    return torch.stack([mean_square(at_x - other) for other in moved]).mean(0)


@torch.compiler.disable
def _any_module(
    encoder: Encoder, x: Tensor, noise: Tensor, probes: int, generator: torch.Generator | None
) -> Tensor:
    replay = remember_randomness(encoder, x)
    encoded = linearise(encoder, x)
    u = random_directions(probes, encoded.code.detach(), generator=generator)
    at_x, total = encoded.pull(u), torch.zeros((), device=x.device)
    for shift in noise:
        with replay():
            moved = linearise(encoder, x + shift)
        total = total + mean_square(at_x - moved.pull(u))
    return total / len(noise)
