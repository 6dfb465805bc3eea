"""What all loaders of batches share: order, shares of several processes, going on within an epoch."""

import math
from collections.abc import Iterator
from typing import Any, Self

import torch
from torch import Tensor

from contractive.data.examples import Examples
from contractive.data.labels import has_label

AS_BEFORE = (
    "go on with the same data, batch_size and number of processes, or from a checkpoint of an epoch's end"
)


class BatchLoader:
    """Batches ``(x,)``, ``(x, y)`` or ``(x, y, tangents)``, ``x`` in the type in which it is stored.

    A ``DataLoader`` as far as Lightning cares, without per-example Python.

    An epoch shows every example exactly once, and ``labelled`` ones among them more often. Its order depends
    on ``seed`` and the epoch alone, not on what else draws random numbers. Several processes that train
    together share the batches of one whose ``batch_size`` is that of all of them. Their shares differ by one
    example at most, of the last batch and of what joins each: see :meth:`weight`. One that has no example of
    it takes an empty batch, so that none waits for another.

    Args:
        n: how many examples there are.
        batch_size: examples in a batch (of each process); the last batch may be smaller.
        shuffle: whether epochs differ in their order.
        seed: what the order depends on, besides the epoch.
        drop_last: whether a last batch that is smaller is left out.
        rank, world_size: which process of how many this is.
        labelled: how many examples with a label join each batch (of each process) at its end, where others
            have none: in turns, each as often as any other, and shuffled anew each time round. ``None``: as
            many as there are, at most ``batch_size``.
    """

    batch_sampler = None  # Lightning asks for it wherever there is a sampler

    def __init__(
        self,
        n: int,
        batch_size: int,
        *,
        shuffle: bool,
        seed: int = 0,
        drop_last: bool = False,
        rank: int = 0,
        world_size: int = 1,
        labelled: int | None = 0,
    ) -> None:
        self.count = n
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        #: Examples in a batch of all processes.
        self.together = batch_size * world_size
        #: What the batches of an epoch depend on, besides the seed.
        self.layout = f"{n} examples in batches of {self.together}"
        self._known = torch.empty(0, dtype=torch.long) if labelled == 0 else self._with_label()
        #: Examples with a label that join a batch of all processes.
        self.joining = 0
        if 0 < len(self._known) < n:
            most = min(len(self._known), self.together)
            self.joining = most if labelled is None else labelled * world_size
            self.layout += f", and {self.joining} of {len(self._known)} with a label in each"
        self._length = n // self.together if drop_last else math.ceil(n / self.together)
        self._epoch = 0
        self._first_batch = 0
        self._handed_out = 0

    @property
    def sampler(self) -> Self:
        """Where Lightning looks for ``set_epoch``."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Shuffle as for this epoch from the next ``iter`` on."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        # A generator: Lightning calls iter() before it says which epoch it is.
        first, self._first_batch = self._first_batch, 0
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self._epoch)
        for number, batch in enumerate(self._batches(first, generator), first):
            self._handed_out = number + 1
            if self.joining:
                batch = batch.followed_by(self._numbered(self._in_turn(number)))
            yield batch.columns

    def state_dict(self) -> dict[str, Any]:
        """How many batches of the epoch have been handed out, 0 where it is complete; and of which."""
        return {"batch": self._handed_out % max(len(self), 1), "layout": self.layout}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Start the next epoch with the very next batch.

        Raises:
            ValueError: if there are not so many batches in an epoch, or if they are others: some examples
                would be shown twice, and some not at all.
        """
        batch = state.get("batch")
        if not isinstance(batch, int) or not 0 <= batch <= len(self):
            raise ValueError(
                f"it stopped after {batch!r:.20} batches of an epoch, and there are {len(self)}: {AS_BEFORE}"
            )
        layout = state.get("layout", self.layout)
        if batch and layout != self.layout:
            raise ValueError(
                f"it stopped within an epoch of {layout!s:.100}, and this one is of {self.layout}:"
                f" {AS_BEFORE}"
            )
        self._first_batch = self._handed_out = batch

    def _batches(self, first: int, generator: torch.Generator) -> Iterator[Examples]:
        """The batches of the epoch from number ``first`` on, in the order that ``generator`` draws."""
        raise NotImplementedError

    def _with_label(self) -> Tensor:
        """The numbers of the examples that have a label, as :meth:`_numbered` takes them."""
        raise NotImplementedError

    def _numbered(self, numbers: Tensor) -> Examples:
        """Some of the examples that have a label."""
        raise NotImplementedError

    def _in_turn(self, batch: int) -> Tensor:
        """The numbers of the examples with a label that join this process's share of a batch."""
        # What joins in all epochs is one list, of one permutation after the other.
        n, begin = len(self._known), (self._epoch * len(self) + batch) * self.joining
        begin, end = (begin + place for place in self._cut(self.joining))
        orders = []
        for number in range(begin // n, max(end - 1, begin) // n + 1):
            generator = torch.Generator().manual_seed((self.seed + 1) * 1_000_000_007 + number)
            orders.append(torch.randperm(n, generator=generator))
        return self._known[torch.cat(orders)[begin % n :][: end - begin]]

    def weight(self, batch: int) -> float:
        """By what to multiply the mean over this process's share of a batch.

        The mean of what all processes have then is that over all examples of the batch.
        """
        own = sum(end - begin for begin, end in (self._share(batch, batch + 1), self._cut(self.joining)))
        return own * self.world_size / (self._size(batch) + self.joining)

    def _cut(self, size: int) -> tuple[int, int]:
        """Where the share of this process of so many begins and ends."""
        return size * self.rank // self.world_size, size * (self.rank + 1) // self.world_size

    def _size(self, batch: int) -> int:
        """How many examples all processes together have in a batch, without those that join."""
        return min(self.together, self.count - batch * self.together)

    def _share(self, first: int, after: int) -> tuple[int, int]:
        """Where in the epoch's order the examples of this process begin and end, if of the batches from
        ``first`` to before ``after`` each process takes one run."""
        full, size = (after - 1 - first) * self.batch_size, self._size(after - 1)
        begin, end = self._cut(size)
        before = first * self.together + full * self.rank
        return before + begin, before + full + end


class MemoryLoader(BatchLoader):
    """Batches of examples in memory, each gathered by one indexing operation.

    Args:
        examples: where the batches come from.
        index: ``(n,)``, the examples of this split.
        batch_size, **settings: see :class:`BatchLoader`.
    """

    def __init__(self, examples: Examples, index: Tensor, batch_size: int, **settings: Any) -> None:
        self.examples = examples
        self.index = index
        super().__init__(len(index), batch_size, **settings)

    def _batches(self, first: int, generator: torch.Generator) -> Iterator[Examples]:
        order = self.index
        if self.shuffle:
            order = order[torch.randperm(len(order), generator=generator)]
        for batch in range(first, len(self)):
            yield self.examples[order[slice(*self._share(batch, batch + 1))]]

    def _with_label(self) -> Tensor:
        y = self.examples.y
        return self.index if y is None else self.index[has_label(y[self.index])]

    def _numbered(self, numbers: Tensor) -> Examples:
        return self.examples[numbers]
