"""Batches of examples in memory: one gather and one conversion for the whole batch."""

from collections.abc import Iterator
from typing import Self

import torch
from torch import Tensor

from contractive.data.examples import Examples
from contractive.nn.scaling import to_float


class BatchLoader:
    """Batches ``(x,)`` or ``(x, y)`` of the examples that ``index`` names, ``x`` as floats.

    A ``DataLoader`` as far as Lightning cares, without per-example Python: the examples stay in the type in
    which they are stored, a batch is gathered by one indexing operation and converted as a whole.

    An epoch shows every example exactly once. Its order depends on ``seed`` and the epoch alone, not on
    what else draws random numbers. Where several processes train together, each takes its share, and all
    take the same number of batches, a little smaller where that is needed, so that none waits for another.

    Args:
        examples: where the batches come from.
        index: ``(n,)``, the examples of this split.
        batch_size: examples in a batch (of each process); the last batch may be smaller.
        shuffle: whether epochs differ in their order.
        seed: what the order depends on, besides the epoch.
        drop_last: whether a last batch that is smaller is left out.
        rank, world_size: which process of how many this is.
    """

    def __init__(
        self,
        examples: Examples,
        index: Tensor,
        batch_size: int,
        *,
        shuffle: bool,
        seed: int = 0,
        drop_last: bool = False,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if len(index) < world_size:
            raise ValueError(f"{len(index)} examples cannot be shared among {world_size} processes")
        self.examples = examples
        self.index = index
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.drop_last = drop_last
        self.rank = rank
        self.world_size = world_size
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
        smallest, rest = divmod(len(self.index), self.world_size)
        if self.drop_last:
            return smallest // self.batch_size
        largest = smallest + (rest > 0)
        return min(-(-largest // self.batch_size), smallest)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        # A generator: Lightning calls iter() before it says which epoch it is.
        first, self._first_batch = self._first_batch, 0
        batches = self._batches()
        for number in range(first, len(batches)):
            self._handed_out = number + 1
            batch = self.examples[batches[number]]
            x = to_float(batch.x)
            yield (x,) if batch.y is None else (x, batch.y)

    def state_dict(self) -> dict[str, int]:
        """How many batches of the epoch have been handed out; 0 where it is complete."""
        return {"batch": self._handed_out % max(len(self), 1)}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Start the next epoch with the very next batch."""
        self._first_batch = self._handed_out = state["batch"]

    def _batches(self) -> tuple[Tensor, ...]:
        """The examples of each batch of the epoch."""
        index = self.index
        if self.shuffle:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self._epoch)
            index = index[torch.randperm(len(index), generator=generator).to(index.device)]
        if self.world_size == 1 or self.drop_last:
            own = index[self.rank :: self.world_size][
                : len(self) * self.batch_size if self.drop_last else None
            ]
            return own.split(self.batch_size) if len(own) else ()
        return index[self.rank :: self.world_size].tensor_split(len(self))
