"""Samples from what a contractive autoencoder has learnt: a random walk along the manifold of its data."""

from collections.abc import Callable, Iterator
from itertools import islice

import torch
from torch import Tensor

from contractive.jacobian.encoder import Encoder
from contractive.jacobian.linearise import linearise
from contractive.nn.autoencoder import Autoencoder


def moved_code(encoder: Encoder, x: Tensor, noise: Tensor) -> Tensor:
    """Return ``f(x) + J Jᵀ ε`` for the ``noise`` ``ε``, both ``(batch, code_size)``, with ``J = J_f(x)``.

    ``J Jᵀ`` is large along the directions in which the code moves with its input, the tangents of the data's
    manifold, and next to nothing across them (Rifai, Bengio, Dauphin, Vincent: A Generative Process for
    Sampling Contractive Auto-Encoders, ICML 2012, Algorithm 1). No matrix is formed: one product with ``Jᵀ``,
    one with ``J``.

    >>> moved_code(lambda x: x * torch.tensor([1.0, 3.0]), torch.zeros(1, 2), torch.ones(1, 2))
    tensor([[1., 9.]])
    """
    with torch.no_grad():
        encoded = linearise(encoder, x)
        _, forward = encoded.along("input")
        return encoded.code + forward(encoded.vjp(noise[None]))[0]


def walk(
    encoder: Encoder, decoder: Callable[[Tensor], Tensor], x: Tensor, sigma: float, generator: torch.Generator
) -> Iterator[Tensor]:
    """Walk on from ``x``, ``(batch, *input_shape)``, for ever, one chain for each example.

    A step is ``h ← f(x) + J Jᵀ ε`` with ``ε ~ N(0, σ² I)`` in the units of the code, and ``x ← g(h)``: what
    the step moved off the manifold, decoding and encoding bring back.

    Args:
        encoder: ``f``.
        decoder: ``g``, to what the encoder takes.
        x: where the chains start.
        sigma: standard deviation ``σ``.
        generator: the source of randomness, on any device.

    Yields:
        The codes ``h`` after each step, ``(batch, code_size)``.

    >>> steps = walk(torch.neg, torch.neg, torch.ones(1, 2), 0.0, torch.Generator())
    >>> next(steps), next(steps)
    (tensor([[-1., -1.]]), tensor([[-1., -1.]]))
    """
    while True:
        size = encoder(x[:1]).shape[1:]
        noise = torch.randn(len(x), *size, generator=generator, device=generator.device, dtype=x.dtype)
        code = moved_code(encoder, x, sigma * noise.to(x.device))
        yield code
        with torch.no_grad():
            x = decoder(code)


def samples(
    model: Autoencoder,
    x: Tensor,
    count: int,
    sigma: float,
    burn_in: int,
    thinning: int,
    generator: torch.Generator,
) -> Tensor:
    """Return samples in the data's own units, ``(count, *input_shape)``: one of each walk, then one more, ….

    Args:
        model: what has learnt the manifold.
        x: examples as stored, ``(n, *input_shape)``, at which ``n`` walks start.
        count: how many samples; those of one walk are its steps ``burn_in``, ``burn_in + thinning``, ….
        sigma, generator: see :func:`walk`.
        burn_in, thinning: numbers of steps, at least one.
    """
    back = lambda code: model.scale(model.decode(code))  # noqa: E731
    steps = islice(walk(model.encoder, back, model.scale(x), sigma, generator), burn_in - 1, None, thinning)
    with torch.no_grad():
        return torch.cat([model.decode(next(steps)) for _ in range(-(-count // len(x)))])[:count]
