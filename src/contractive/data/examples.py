"""What a source hands over: examples in memory; torch is not imported before there are any."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Examples:
    """Examples and, where there are any, their labels.

    Args:
        x: ``(n, *shape)``; bytes stay bytes. Pictures are ``(n, channels, height, width)``.
        y: ``(n,)`` integers, floats where they are measurements, or ``None``. An example that has no label
            where others have one is :data:`contractive.data.labels.UNKNOWN`.
        tangents: ``(n, count, *shape)`` of an encoder, of any floating-point type; only beside labels.
    """

    x: "Tensor"
    y: "Tensor | None" = None
    tangents: "Tensor | None" = None

    def __post_init__(self) -> None:
        if self.y is not None and len(self.y) != len(self.x):
            raise ValueError(f"there are {len(self.x)} examples and {len(self.y)} labels: one label for each")
        if self.tangents is not None and (self.y is None or len(self.tangents) != len(self.x)):
            raise ValueError(
                f"there are tangents of {len(self.tangents)} examples: each of the {len(self.x)}"
                " needs some, and a label"
            )

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray | None) -> Self:
        """Examples of arrays, whose memory they share."""
        import torch

        if y is None:
            return cls(torch.from_numpy(x))
        kind = torch.float32 if y.dtype.kind == "f" else torch.int64
        return cls(torch.from_numpy(x), torch.from_numpy(y).to(kind))

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: "slice | Tensor") -> Self:
        return type(self)(*(column[index] for column in self.columns))

    @property
    def columns(self) -> tuple["Tensor", ...]:
        """What there is of each example: ``(x,)``, ``(x, y)`` or ``(x, y, tangents)``."""
        return tuple(column for column in (self.x, self.y, self.tangents) if column is not None)

    def followed_by(self, others: Self) -> Self:
        """These and after them the others, of which there is as much."""
        import torch

        return type(self)(*map(torch.cat, zip(self.columns, others.columns, strict=True)))
