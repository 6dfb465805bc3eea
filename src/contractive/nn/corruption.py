"""Corruption of the input, for denoising (Vincent et al., ICML 2008)."""

import torch
from torch import Tensor

from contractive.nn.settings import Corruption


def corrupt(x: Tensor, kind: str, amount: float, generator: torch.Generator | None = None) -> Tensor:
    """A corrupted copy of a batch, drawn on its own device.

    Args:
        x: ``(batch, *input_shape)``.
        kind: ``"gaussian"`` adds noise of standard deviation ``amount``; ``"masking"`` sets each value to 0
            with probability ``amount``; ``"salt_and_pepper"`` sets each value to 0 or 1, either alike, with
            probability ``amount``.
        amount: in the units of ``x``, or a probability.
        generator: where the random numbers come from.

    Raises:
        ValueError: if ``kind`` is none of these or ``amount`` is out of range.

    >>> corrupt(torch.ones(1, 4), "masking", 1.0)
    tensor([[0., 0., 0., 0.]])
    """
    Corruption(kind, amount)
    if kind == "gaussian":
        return x + amount * torch.randn(x.shape, dtype=x.dtype, device=x.device, generator=generator)
    u = torch.rand(x.shape, dtype=x.dtype, device=x.device, generator=generator)
    if kind == "masking":
        return x * (u >= amount)
    # u is uniform below `amount` where a value is hit: its lower half makes pepper, its upper half salt.
    return torch.where(u < amount, (u >= amount / 2).to(x.dtype), x)
