"""Batches of examples that stay in their file: shuffled by blocks and within a buffer."""

import math
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from contractive.data.examples import Examples
from contractive.data.labels import has_label
from contractive.data.loader import BatchLoader
from contractive.data.stored import StoredArray


class BlockLoader(BatchLoader):
    """Batches of the rows of some blocks of a file larger than memory.

    **Shuffling.** Every epoch puts the blocks in a new order and reads as many as fill the buffer; the rows
    in the buffer are shuffled and dealt out in batches, then the buffer is filled anew. So a batch mixes rows
    of all blocks in the buffer (at 4 MiB and 256 MiB: 64 places of the file), not of the whole file, and a
    split that fits into the buffer is shuffled completely. Otherwise the order is that of ``blocks``.

    Of several processes each has a buffer of its own and reads no rows of another's. In memory are the
    buffer, none without shuffling, and what is gathered of each batch; and the rows with a label, where they
    join the batches.

    Args:
        stored: the array in its file.
        blocks: ``(blocks,)``, the blocks of this split.
        rows_per_block: rows in a block; the file's last block may be smaller.
        batch_size, **settings: see :class:`BatchLoader`.
        buffer_bytes: how much to keep in memory; at least one batch is.
        labels: ``(n,)``, of all rows of the file, or ``None``.

    Raises:
        ValueError: if there is not one label for each row of the file, or those that have one are to join
            the batches and take more memory than a buffer.
    """

    def __init__(
        self,
        stored: StoredArray,
        blocks: Tensor,
        rows_per_block: int,
        batch_size: int,
        *,
        shuffle: bool,
        buffer_bytes: int = 256 * 2**20,
        labels: Tensor | None = None,
        **settings: Any,
    ) -> None:
        if labels is not None and len(labels) != len(stored):
            raise ValueError(
                f"{stored.path} has {len(stored)} examples and there are {len(labels)} labels:"
                " one label for each"
            )
        self.stored = stored
        self.blocks = blocks
        self.rows_per_block = rows_per_block
        self.labels = labels
        super().__init__(int(self._block_sizes(blocks).sum()), batch_size, shuffle=shuffle, **settings)
        if self.joining and len(self._known) * stored.row_bytes > buffer_bytes:
            raise ValueError(
                f"data.labelled: to join the batches, the {len(self._known)} training examples with a label"
                f" would take more than {buffer_bytes / 2**20:.4g} MiB: data.labelled=0 has none join"
            )
        # Of each row the buffer also holds its place in the permutation and its number, 8 bytes each.
        in_buffer = buffer_bytes // (batch_size * (stored.row_bytes + 16))
        self.batches_per_buffer = max(1, in_buffer) if shuffle else 1
        if shuffle:
            self.layout += f", {self.batches_per_buffer} of them in {self.world_size} buffers"

    def _block_sizes(self, blocks: Tensor) -> Tensor:
        return (len(self.stored) - blocks * self.rows_per_block).clamp(max=self.rows_per_block)

    def _batches(self, first: int, generator: torch.Generator) -> Iterator[Examples]:
        blocks = self.blocks
        if self.shuffle:
            blocks = blocks[torch.randperm(len(blocks), generator=generator)]
        per_buffer = self.batches_per_buffer
        # A seed for each buffer, so that resuming needs none of those before.
        seeds = torch.randint(2**62, (math.ceil(len(self) / per_buffer),), generator=generator).tolist()
        for buffer in range(first // per_buffer, len(seeds)):
            start, stop = buffer * per_buffer, min((buffer + 1) * per_buffer, len(self))
            rows = self._read(blocks, *self._share(start, stop))
            order = torch.randperm(len(rows), generator=generator.manual_seed(seeds[buffer]))
            for batch in range(max(first, start) - start, stop - start):
                places = slice(batch * self.batch_size, (batch + 1) * self.batch_size)
                yield rows[order[places] if self.shuffle else places]
            del rows  # before the next buffer is read

    def _with_label(self) -> Tensor:
        if self.labels is None:
            return torch.empty(0, dtype=torch.long)
        rows = has_label(self.labels).nonzero()[:, 0]
        return rows[torch.isin(rows // self.rows_per_block, self.blocks)]

    def _numbered(self, numbers: Tensor) -> Examples:
        return self._kept[torch.searchsorted(self._known, numbers)]

    @cached_property
    def _kept(self) -> Examples:
        assert self.labels is not None
        rows = [self.stored.read(row, row + 1) for row in self._known.tolist()]
        return Examples(torch.cat(rows), self.labels[self._known])

    def _read(self, blocks: Tensor, start: int, stop: int) -> Examples:
        """Rows ``start`` to ``stop`` of all rows of ``blocks`` one after the other, and their labels."""
        x = torch.from_numpy(np.empty((stop - start, *self.stored.shape[1:]), self.stored.dtype))
        y = []
        ends = self._block_sizes(blocks).cumsum(0)
        place = start
        while place < stop:
            number = int(torch.searchsorted(ends, place, right=True))
            end = min(int(ends[number]), stop)
            # The block's last row is at ends[number]; count back from there.
            after = min((int(blocks[number]) + 1) * self.rows_per_block, len(self.stored)) - int(ends[number])
            x[place - start : end - start] = self.stored.read(place + after, end + after)
            if self.labels is not None:
                y.append(self.labels[place + after : end + after])
            place = end
        return Examples(x, None if self.labels is None else torch.cat([self.labels[:0], *y]))
