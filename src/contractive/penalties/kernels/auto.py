"""The choice among the methods."""

import math
from itertools import pairwise

import torch
from torch import Tensor

from contractive.jacobian.linearise import linearise
from contractive.jacobian.notices import tell_once
from contractive.jacobian.structure import Encoder, dense_layers, layers
from contractive.penalties.kernels.autodiff import autodiff, exact_penalty
from contractive.penalties.kernels.closed_form import closed_form
from contractive.penalties.kernels.hutchinson import hutchinson, mean_square, project
from contractive.penalties.kernels.layerwise import cheapest_order, layerwise


def auto(
    encoder: Encoder,
    x: Tensor,
    *,
    max_ratio: float = 3.0,
    probes: int = 1,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """The cheapest exact method while a training step with it costs about ``max_ratio`` plain ones at most,
    else ``hutchinson`` with ``probes`` probes.

    Estimated in multiplications: a plain step of an autoencoder takes six times as many as the encoder has
    (forward and twice as much backward, encoder and decoder); automatic differentiation three times as many
    for each code unit, or each input where those are fewer. The choice is logged once, with its reason.

    Args:
        encoder: any module or function of a batch whose examples do not interact.
        x: ``(batch, *input_shape)``.
        max_ratio: from where on an estimate is preferred.
        probes: its directions per example.
        generator: its source of randomness, on the device of ``x``.

    Returns:
        The code ``(batch, code_size)`` and the penalty ``(batch,)``.

    >>> encoder = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Tanh())
    >>> x = torch.ones(5, 4)
    >>> torch.equal(auto(encoder, x)[1], closed_form(encoder, x)[1])
    True
    """
    dense = dense_layers(encoder, x)
    if dense is not None and len(dense) == 1:
        tell_once("penalty by closed_form: the encoder is one linear layer and a pointwise activation")
        return closed_form(encoder, x)
    if dense is not None:
        widths = [dense[0].affine.weight.shape[1], *(layer.affine.weight.shape[0] for layer in dense)]
        plain = 6 * sum(a * b for a, b in pairwise(widths))
        if _affordable("layerwise", 1 + cheapest_order(widths)[1] / plain, max_ratio, f"layers {widths}"):
            return layerwise(encoder, x)
        return hutchinson(encoder, x, probes=probes, generator=generator)
    if layers(encoder, x) is not None:
        with torch.no_grad():
            sizes = x[:1].numel(), encoder(x[:1]).numel()
        if _affordable_by_autodiff(*sizes, max_ratio):
            return autodiff(encoder, x)
        return hutchinson(encoder, x, probes=probes, generator=generator)
    return _any_module(encoder, x, max_ratio, probes, generator)


@torch.compiler.disable
def _any_module(
    encoder: Encoder, x: Tensor, max_ratio: float, probes: int, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    # Neither size nor cost of such an encoder is known before it has been evaluated.
    encoded = linearise(encoder, x)
    if _affordable_by_autodiff(math.prod(x.shape[1:]), encoded.code.shape[1], max_ratio):
        return encoded.code, exact_penalty(encoded, x)
    return encoded.code, mean_square(project(encoded, x, probes=probes, generator=generator))


def _affordable_by_autodiff(input_size: int, code_size: int, max_ratio: float) -> bool:
    ratio = 1 + min(input_size, code_size) / 2
    return _affordable("autodiff", ratio, max_ratio, f"input of size {input_size}, code of size {code_size}")


def _affordable(exact: str, ratio: float, max_ratio: float, why: str) -> bool:
    cost = f"{exact} is estimated at {ratio:.3g} plain steps, max_ratio is {max_ratio:g} ({why})"
    tell_once(f"penalty by {exact if ratio <= max_ratio else 'hutchinson'}: {cost}")
    return ratio <= max_ratio
