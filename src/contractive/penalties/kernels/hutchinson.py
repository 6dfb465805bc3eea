"""The stochastic estimate of the penalty, for encoders of any size."""

from typing import Any

import torch
from torch import Tensor

from contractive.jacobian.inputs import flat_code
from contractive.jacobian.linearise import Linearised, linearise
from contractive.jacobian.precision import accumulation_dtype
from contractive.jacobian.structure import Encoder, Layer, layers, linear_part, pre_activation
from contractive.penalties.directions import random_directions


def hutchinson(
    encoder: Encoder,
    x: Tensor,
    *,
    probes: int = 1,
    distribution: str = "rademacher",
    side: str = "auto",
    fraction: float = 1.0,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Code and an unbiased estimate of the penalty, from ``probes`` random directions for each example.

    ``‖J‖²_F = E‖Jv‖² = E‖Jᵀu‖²`` for random ``v``, ``u`` with covariance ``I`` (Hutchinson 1990; on the
    code side Hoffman, Roberts, Yaida 2019). With one Rademacher probe the variance is
    ``2 (‖JᵀJ‖²_F − Σ_i (JᵀJ)²_ii)`` on the input side, the same with ``JJᵀ`` on the code side; it falls as
    ``1/probes``.

    Args:
        encoder: any module or function of a batch whose examples do not interact.
        x: ``(batch, *input_shape)``.
        probes: directions per example.
        distribution: ``rademacher``, ``gaussian``, or ``orthogonal`` (as many as the side has dimensions give
            the exact value).
        side: ``input`` (forward mode), ``code`` (reverse mode) or ``auto``: forward mode, written out by
            layer, for affine layers with pointwise activations, else reverse mode.
        fraction: the share of the batch, drawn at random, on which the penalty is estimated; there it is
            scaled by the inverse of the share, elsewhere it is 0.
        generator: the source of randomness, on the device of ``x``.

    Returns:
        The code ``(batch, code_size)`` and the estimate ``(batch,)``.

    Raises:
        ValueError: more orthogonal probes than dimensions.

    >>> code, penalty = hutchinson(torch.nn.Linear(3, 1), torch.zeros(5, 3), fraction=0.4)
    >>> (penalty == 0).sum()
    tensor(3)
    """
    batch = x.shape[0]
    count = min(batch, max(1, round(fraction * batch)))
    order = torch.randperm(batch, device=x.device, generator=generator) if count < batch else None
    chosen = None if order is None else order[:count]
    stack = layers(encoder, x) if side != "code" else None
    if stack is not None:
        directions_like = x if chosen is None else x[chosen]
        v = random_directions(probes, directions_like, distribution, generator)
        code, projections = push_by_layer(stack, x, v, chosen)
    else:
        code, projections = _project_any_module(
            encoder, x, order, count, side, probes, distribution, generator
        )
    penalty = mean_square(projections)
    if chosen is not None:
        penalty = penalty.new_zeros(batch).index_copy(0, chosen, penalty * (batch / count))
    return code, penalty


@torch.compiler.disable
def _project_any_module(
    encoder: Encoder, x: Tensor, order: Tensor | None, count: int, *how: Any
) -> tuple[Tensor, Tensor]:
    """Code of all examples and ``project`` for the first ``count`` of ``order``."""
    if order is None:
        encoded = linearise(encoder, x)
        return encoded.code, project(encoded, x, *how)
    first, rest = x[order[:count]], x[order[count:]]
    encoded = linearise(encoder, first)
    code = torch.cat([encoded.code, flat_code(encoder(rest), rest)])
    return code[order.argsort()], project(encoded, first, *how)


def project(
    encoded: Linearised,
    x: Tensor,
    side: str = "auto",
    probes: int = 1,
    distribution: str = "rademacher",
    generator: torch.Generator | None = None,
) -> Tensor:
    """``Jv`` for random ``v`` (``side="input"``), else ``Jᵀu`` for random ``u``: ``(probes, batch, …)``."""
    like, apply = encoded.along("input" if side == "input" else "code", x)
    return apply(random_directions(probes, like, distribution, generator))


def mean_square(projections: Tensor) -> Tensor:
    """``(probes, batch, …)`` to ``(batch,)``: the squared length, averaged over the probes."""
    return projections.to(accumulation_dtype(projections)).flatten(2).square().sum(2).mean(0)


def push_by_layer(
    stack: list[Layer], x: Tensor, v: Tensor, chosen: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Code and ``Jv`` of affine layers, both in one pass.

    Args:
        stack: the layers.
        x: ``(batch, *input_shape)``.
        v: ``(probes, batch, *input_shape)``; if some examples are ``chosen``, directions for those alone.
        chosen: the indices of those examples.

    Returns:
        ``(batch, code_size)`` and ``(probes, batch or chosen, code_size)``.
    """
    probes, h = v.shape[0], x
    for layer in stack:
        a = pre_activation(layer, h)
        h = layer.activation.value(a)
        at_h = h if chosen is None else h[chosen]
        at_a = at_h if layer.activation.from_value else a if chosen is None else a[chosen]
        moved = linear_part(layer, v.flatten(0, 1)).unflatten(0, (probes, -1))
        v = moved * layer.activation.slope(at_a, at_h)
    return h.flatten(1), v.flatten(2)
