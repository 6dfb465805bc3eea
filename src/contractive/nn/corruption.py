"""Corruption of the input, for denoising (Vincent et al., ICML 2008).

Torch is not imported: the names are among the settings, whose mistakes are told before it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contractive.settings import Settings, check_number, setting

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def _salt_and_pepper(x: Tensor, amount: float, generator: torch.Generator | None) -> Tensor:
    # u is uniform below `amount` where a value is hit: its lower half makes pepper, its upper half salt.
    u = x.new_empty(x.shape).uniform_(generator=generator)
    return x.where(u >= amount, (u >= amount / 2).to(x.dtype))


#: ``gaussian`` adds noise of standard deviation ``amount``; ``masking`` sets each value to 0 with probability
#: ``amount``; ``salt_and_pepper`` sets each value to 0 or 1, either alike, with probability ``amount``.
CORRUPTIONS: dict[str, Callable[[Tensor, float, torch.Generator | None], Tensor]] = {
    "gaussian": lambda x, amount, g: x + amount * x.new_empty(x.shape).normal_(generator=g),
    "masking": lambda x, amount, g: x * (x.new_empty(x.shape).uniform_(generator=g) >= amount),
    "salt_and_pepper": _salt_and_pepper,
}


@dataclass
class Corruption(Settings):
    """What the encoder sees in training instead of ``x``; see :func:`corrupt`."""

    kind: str = setting("gaussian", "what is done to a value", choices=CORRUPTIONS)
    amount: float = setting(0.1, "standard deviation (gaussian), or share of the values", low=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kind != "gaussian":
            check_number("amount", self.amount, low=0, high=1)


def corrupt(x: Tensor, kind: str, amount: float, generator: torch.Generator | None = None) -> Tensor:
    """A copy of ``x``, ``(batch, *input_shape)``, corrupted as :data:`CORRUPTIONS` says, on its own device.

    Raises:
        ValueError: if ``kind`` is none of these or ``amount`` is out of range.

    >>> import torch
    >>> corrupt(torch.ones(1, 4), "masking", 1.0)
    tensor([[0., 0., 0., 0.]])
    """
    Corruption(kind, amount)
    return CORRUPTIONS[kind](x, amount, generator)
