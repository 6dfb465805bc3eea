"""Batches of examples that stay in their file: shuffled by blocks and within a buffer."""

import math
from collections.abc import Iterator
from typing import Self

import torch
from torch import Tensor

from contractive.data.stored import StoredArray
from contractive.nn.scaling import to_float


class BlockLoader:
    """Batches ``(x,)`` or ``(x, y)`` of the rows of some blocks of a file, ``x`` as floats.

    A ``DataLoader`` as far as Lightning cares, like ``BatchLoader``, for a file larger than memory.

    **Shuffling.** Every epoch puts the blocks in a new order and reads as many as fill the buffer; the rows
    in the buffer are shuffled and dealt out in batches, then the buffer is filled anew. So a batch mixes rows
    of all blocks in the buffer (at 4 MiB and 256 MiB: 64 places of the file), not of the whole file, and a
    split that fits into the buffer is shuffled completely. The order depends on ``seed`` and the epoch alone,
    not on what else draws random numbers.

    **Several processes.** Each takes an equal run of the rows in the epoch's order of blocks, shares that
    differ by one row at most, and reads no others. All take the same number of batches, a little smaller
    where that is needed (or, where it is 1, one batch of 2), so that none waits for another; every row is
    shown exactly once.

    **Memory.** The buffer, and of each batch what is gathered and what is converted. Without shuffling there
    is no buffer.

    Args:
        stored: the array in its file.
        blocks: ``(blocks,)``, the blocks of this split.
        rows_per_block: rows in a block; the file's last block may be smaller.
        batch_size: rows in a batch (of each process); the last batch may be smaller.
        shuffle: whether epochs differ in their order; otherwise it is that of ``blocks``.
        seed: what the order depends on, besides the epoch.
        drop_last: whether a last batch that is smaller is left out.
        rank, world_size: which process of how many this is.
        buffer_bytes: how much to keep in memory; at least one batch is.
        labels: ``(n,)``, of all rows of the file, or ``None``.

    Raises:
        ValueError: if there are fewer rows than processes, or not one label for each row of the file.
    """

    def __init__(
        self,
        stored: StoredArray,
        blocks: Tensor,
        rows_per_block: int,
        batch_size: int,
        *,
        shuffle: bool,
        seed: int = 0,
        drop_last: bool = False,
        rank: int = 0,
        world_size: int = 1,
        buffer_bytes: int = 256 * 2**20,
        labels: Tensor | None = None,
    ) -> None:
        if labels is not None and len(labels) != len(stored):
            raise ValueError(
                f"{stored.path} has {len(stored)} examples and there are {len(labels)} labels:"
                " one label for each"
            )
        self.stored = stored
        self.blocks = blocks
        self.rows_per_block = rows_per_block
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.drop_last = drop_last
        self.labels = labels
        rows = int(self._block_sizes(blocks).sum())
        if rows < world_size:
            raise ValueError(f"{rows} examples cannot be shared among {world_size} processes")
        self._share = range(rows * rank // world_size, rows * (rank + 1) // world_size)
        if drop_last:
            self._length = rows // world_size // batch_size
        else:
            self._length = min(math.ceil(math.ceil(rows / world_size) / batch_size), rows // world_size)
        # Shares of one row more or less would else need different numbers of batches.
        self._even = world_size > 1 and not drop_last
        # Of each row the buffer also holds its place in the permutation and its number, 8 bytes each.
        in_buffer = buffer_bytes // (batch_size * (stored.row_bytes + 16))
        self._batches_per_buffer = max(1, in_buffer) if shuffle else 1
        self._epoch = 0
        self._first_batch = 0
        self._handed_out = 0

    @property
    def sampler(self) -> Self:
        """Where Lightning looks for ``set_epoch``."""
        return self

    @property
    def batch_sampler(self) -> None:
        """Lightning asks for it wherever there is a ``sampler``."""
        return None

    def set_epoch(self, epoch: int) -> None:
        """Shuffle as for this epoch from the next ``iter`` on."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        # A generator: Lightning calls iter() before it says which epoch it is.
        first, self._first_batch = self._first_batch, 0
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self._epoch)
        blocks = self.blocks
        if self.shuffle:
            blocks = blocks[torch.randperm(len(blocks), generator=generator)]
        per_buffer = self._batches_per_buffer
        # A seed for each buffer, so that resuming needs none of those before.
        seeds = torch.randint(2**62, (math.ceil(len(self) / per_buffer),), generator=generator).tolist()
        for buffer in range(first // per_buffer, len(seeds)):
            batches = range(max(first, buffer * per_buffer), min((buffer + 1) * per_buffer, len(self)))
            yield from self._batches_of_buffer(blocks, buffer * per_buffer, batches, seeds[buffer])

    def state_dict(self) -> dict[str, int]:
        """How many batches of the epoch have been handed out; 0 where it is complete."""
        return {"batch": self._handed_out % max(len(self), 1)}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Start the next epoch with the very next batch."""
        self._first_batch = self._handed_out = state["batch"]

    def _block_sizes(self, blocks: Tensor) -> Tensor:
        return (len(self.stored) - blocks * self.rows_per_block).clamp(max=self.rows_per_block)

    def _begin(self, batch: int) -> int:
        """Where in this process's share a batch begins, in rows."""
        if self._even:
            return batch * len(self._share) // len(self)
        return min(batch * self.batch_size, len(self._share))

    def _batches_of_buffer(
        self, blocks: Tensor, first: int, batches: range, seed: int
    ) -> Iterator[tuple[Tensor, ...]]:
        """The given batches of the buffer that begins with batch ``first``; it is freed at the end."""
        begin = self._begin(first)
        x, y = self._read(blocks, self._share.start + begin, self._share.start + self._begin(batches.stop))
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(x), generator=generator) if self.shuffle else None
        for batch in batches:
            self._handed_out = batch + 1
            places: slice | Tensor = slice(self._begin(batch) - begin, self._begin(batch + 1) - begin)
            if order is not None:
                places = order[places]
            converted = to_float(x[places])
            yield (converted,) if y is None else (converted, y[places])

    def _read(self, blocks: Tensor, start: int, stop: int) -> tuple[Tensor, Tensor | None]:
        """Rows ``start`` to ``stop`` of all rows of ``blocks`` one after the other, and their labels."""
        x = torch.empty(stop - start, *self.stored.shape[1:], dtype=self.stored.read_dtype)
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
        return x, torch.cat(y) if self.labels is not None else None
