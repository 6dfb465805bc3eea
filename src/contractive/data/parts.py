"""The splits of a data set, in memory or in a file too large for it, and what can be asked of both."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from contractive.data.examples import Examples
from contractive.data.loader import BatchLoader
from contractive.data.readers.array import read_labels
from contractive.data.stored import StoredArray, blocks_of, column_statistics, split_blocks
from contractive.data.streaming import BlockLoader
from contractive.nn.scaling import Scaler, to_float


@dataclass(frozen=True)
class MemoryPart:
    """A split in memory: the examples that ``index`` names."""

    examples: Examples
    index: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return tuple(self.examples.x.shape[1:])

    @property
    def dtype(self) -> torch.dtype:
        """The type in which they are stored."""
        return self.examples.x.dtype

    def loader(self, batch_size: int, **settings: Any) -> BatchLoader:
        """Batches of this split."""
        return BatchLoader(self.examples, self.index, batch_size, **settings)

    def first(self, n: int) -> Examples:
        """The first ``n`` examples."""
        return self.examples[self.index[:n]]

    def fit(self, scaler: Scaler, kind: str) -> None:
        """Fit a scaling to this split."""
        scaler.fit(self.examples[self.index].x, kind)

    def extremes(self) -> tuple[Tensor, Tensor]:
        """The smallest and the largest value of each feature, ``(*shape)``."""
        x = self.examples[self.index].x
        return to_float(x.amin(0)), to_float(x.amax(0))


@dataclass(frozen=True)
class FilePart:
    """A split that stays in its file: some of its blocks of rows."""

    stored: StoredArray
    blocks: Tensor
    rows_per_block: int
    labels: Tensor | None
    statistics: tuple[Tensor, Tensor, Tensor, Tensor]  # smallest, largest, mean, standard deviation

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return tuple(self.stored.shape[1:])

    @property
    def dtype(self) -> torch.dtype:
        """The type in which they are read."""
        return self.stored.read_dtype

    def loader(self, batch_size: int, **settings: Any) -> BlockLoader:
        """Batches of this split."""
        return BlockLoader(
            self.stored, self.blocks, self.rows_per_block, batch_size, labels=self.labels, **settings
        )

    def first(self, n: int) -> Examples:
        """The first ``n`` examples of its first block."""
        start = int(self.blocks[0]) * self.rows_per_block
        stop = min(start + min(n, self.rows_per_block), len(self.stored))
        y = None if self.labels is None else self.labels[start:stop]
        return Examples(self.stored.read(start, stop), y)

    def fit(self, scaler: Scaler, kind: str) -> None:
        """Fit a scaling to this split."""
        low, high, mean, std = self.statistics
        if mean.ndim == 3:  # pictures are scaled channel by channel
            low, high = low.amin((1, 2)), high.amax((1, 2))
            square = (std.square() + mean.square()).mean((1, 2))
            mean = mean.mean((1, 2))
            std = (square - mean.square()).clamp_min(0).sqrt()
        scaler.set(low, high - low) if kind == "unit" else scaler.set(mean, std)

    def extremes(self) -> tuple[Tensor, Tensor]:
        """The smallest and the largest value of each feature, ``(*shape)``."""
        low, high, _, _ = self.statistics
        return low, high


Part = MemoryPart | FilePart


def file_parts(
    path: str,
    val_path: str | None,
    test_path: str | None,
    labels: str | None,
    y_key: str | None,
    fractions: dict[str, float],
    seed: int,
) -> dict[str, Part]:
    """The splits of a ``.npy`` file that is larger than memory.

    Other splits have files of their own, or get whole blocks of rows of this one.

    Raises:
        ValueError: in one line, if a file is not what it should be.
    """
    stored = StoredArray(path)
    y = None if labels is None else read_labels(labels, len(stored), y_key)
    own = {"val": val_path, "test": test_path}
    parts: dict[str, Part] = {}
    for name, other in own.items():
        if other is not None:
            held = StoredArray(other)
            if held.shape[1:] != stored.shape[1:]:
                raise ValueError(
                    f"{other}: examples are {held.shape[1:]}, those of {path} {stored.shape[1:]}"
                )
            rows, count = blocks_of(held)
            parts[name] = _file_part(held, torch.arange(count), rows, None)
    rows, count = blocks_of(stored)
    shares = {name: share for name, share in fractions.items() if name not in parts}
    for name, blocks in split_blocks(count, shares, seed).items():
        parts[name] = _file_part(stored, blocks, rows, y)
    return parts


def _file_part(stored: StoredArray, blocks: Tensor, rows_per_block: int, y: Tensor | None) -> FilePart:
    # The one pass over the rows also finds what is wrong with them, before anything is trained on them.
    return FilePart(stored, blocks, rows_per_block, y, column_statistics(stored, blocks, rows_per_block))
