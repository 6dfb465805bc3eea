"""The objective: what training minimises, as a function for any loop."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from contractive.nn.autoencoder import Autoencoder
from contractive.nn.corruption import corrupt
from contractive.nn.losses import reconstruction_loss
from contractive.nn.settings import Network
from contractive.penalties import contraction_penalty, hessian_penalty
from contractive.settings import check_number


def loss(
    model: nn.Module,
    x: Tensor,
    lam: float,
    *,
    lam_hessian: float = 0.0,
    penalty: Mapping[str, Any] | None = None,
    hessian: Mapping[str, Any] | None = None,
    corruption: Mapping[str, Any] | None = None,
    unweighted: bool = True,
    generator: torch.Generator | None = None,
) -> dict[str, Tensor]:
    """The average over a batch of ``L(x, g(f(x))) + lam · ‖J_f(x)‖²_F``, and its terms.

    Rifai et al., ICML 2011, eq. 4, with the higher-order term of Rifai et al., ECML 2011, eq. 6, where it has
    a weight. All terms are summed inside an example.

    Args:
        model: an :class:`contractive.Autoencoder`, or any module with an ``encoder`` and a ``decoder``, which
            is compared by the squared error.
        x: ``(batch, *input_shape)``; what an ``Autoencoder`` takes, or floats.
        lam: weight of the penalty.
        lam_hessian: weight of the higher-order term; 0 leaves it out.
        penalty: ``method`` and options of :func:`contractive.contraction_penalty`.
        hessian: options of :func:`contractive.hessian_penalty`.
        corruption: ``kind`` and ``amount`` of :func:`contractive.nn.corruption.corrupt`, of what the encoder
            sees instead of ``x``; penalties are taken there, the reconstruction is compared with ``x``.
        unweighted: whether a penalty of weight 0 is looked at all the same, without a gradient.
        generator: the source of randomness, on the device of the model.

    Returns:
        ``loss``, which is minimised, ``reconstruction``, ``penalty`` and, if it has a weight, ``hessian``,
        each a number ``()``; the last two before their weights are multiplied in.

    Raises:
        ValueError: if a weight or an option is not what it may be, or ``x`` does not fit.

    >>> model = Autoencoder((4,), hidden=[3])
    >>> terms = loss(model, torch.rand(5, 4), lam=0.1)
    >>> terms["loss"].backward()
    >>> sorted(terms), torch.equal(terms["loss"], terms["reconstruction"] + 0.1 * terms["penalty"])
    (['loss', 'penalty', 'reconstruction'], True)
    """
    check_number("lam", lam, low=0)
    check_number("lam_hessian", lam_hessian, low=0)
    kind = Network.reconstruction
    if isinstance(model, Autoencoder):
        x, kind = model.scale(x), model.reconstruction
    seen = corrupt(x, **corruption, generator=generator) if corruption else x

    encoder: Any = model.encoder
    decoder: Any = model.decoder

    def measured() -> tuple[Tensor, Tensor]:
        code, penalties = contraction_penalty(encoder, seen, generator=generator, **penalty or {})
        return code, penalties.mean()

    # Where nothing is differentiated, the code comes with the penalty anyway.
    together = lam > 0 or (unweighted and not torch.is_grad_enabled())
    code, value = measured() if together else (encoder(seen), None)
    reconstruction = reconstruction_loss(decoder(code), x, kind).mean()
    terms = {"loss": reconstruction, "reconstruction": reconstruction}
    if value is not None:
        terms["penalty"] = value
        if lam > 0:
            terms["loss"] = terms["loss"] + lam * value
    if lam_hessian > 0:
        squares = hessian_penalty(encoder, seen, generator=generator, **hessian or {})
        terms["hessian"] = squares.mean()
        terms["loss"] = terms["loss"] + lam_hessian * terms["hessian"]
    if unweighted and not together:
        # After all else, so that no other draw depends on it.
        with torch.no_grad():
            terms["penalty"] = measured()[1]
    return terms


def warmed_up(lam: float, epoch: float, warmup_epochs: int) -> float:
    """The weight of the penalty after so many epochs, while it rises linearly from 0.

    >>> warmed_up(0.2, 1.0, 2), warmed_up(0.2, 0.0, 0)
    (0.1, 0.2)
    """
    return lam if epoch >= warmup_epochs else lam * epoch / warmup_epochs


def seed_step(generator: torch.Generator, seed: int, step: int, rank: int = 0) -> torch.Generator:
    """Random numbers of seed, step and process alone, so that training repeats them when it goes on later."""
    return generator.manual_seed((seed + 1_000_003 * (step + 1) + 1_000_000_007 * rank) % 2**63)
