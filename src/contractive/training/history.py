"""What the training steps computed, kept on the device until it is time to look."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

Total = Callable[[Tensor], Tensor]


class NonFiniteLossError(ArithmeticError):
    """A term of the loss became NaN or infinite."""


def of_one(sums: Tensor) -> Tensor:
    """The total where there is one process."""
    return sums


class StepHistory:
    """The terms of the last few training steps, one row a step, on the device.

    Reading a number off a device waits for the device, and logging one costs as much as a small step: so
    the steps only write rows, and every ``capacity`` steps all of them are read at once.

    Where several processes train together, each keeps its own rows and all read them at the same step, with a
    ``total`` that sums a tensor up over all of them.

    >>> history = StepHistory(("loss", "penalty"), capacity=4)
    >>> history.add(torch.tensor([1.0, 2.0]), torch.tensor([1, 3]), step=0)
    >>> history.add(torch.tensor([4.0, 6.0]), torch.tensor([2, 1]), step=1)
    >>> history.drain()
    {'loss': 3.0, 'penalty': 3.0}
    """

    def __init__(self, terms: Sequence[str], capacity: int, advice: str = "lower the learning rate") -> None:
        self.terms = tuple(terms)
        self.capacity = capacity
        self.advice = advice  # where a term is not finite
        self._rows: list[Tensor] = []
        self._steps: list[int] = []
        self._sizes: list[Tensor] = []  # examples behind each number
        self._epoch_sums = torch.zeros(2, len(self.terms), dtype=torch.double)

    def add(self, row: Tensor, sizes: Tensor, *, step: int) -> None:
        """Keep the averages of one step, without waiting for the device.

        Args:
            row: ``(terms,)``, averages over a batch.
            sizes: ``(terms,)`` of integers, how many examples are behind each; what has none behind it was
                not measured, and counts for nothing.
            step: how many came before.
        """
        self._rows.append(row)
        self._sizes.append(sizes)
        self._steps.append(step)

    @property
    def due(self) -> bool:
        """Whether the next row is the last before they are read."""
        return len(self._steps) == self.capacity - 1

    @property
    def full(self) -> bool:
        """Whether the next row has no place before :meth:`drain`."""
        return len(self._steps) >= self.capacity

    def drain(self, total: Total = of_one) -> dict[str, float]:
        """Averages over the examples since the last call, of the terms that were measured.

        Raises:
            NonFiniteLossError: naming the first step and term that was not finite.
        """
        rows, sizes = self.check(), self._counts().double()
        sums = torch.stack([(rows * sizes).sum(0), sizes.sum(0)])
        self._epoch_sums += sums
        self._rows, self._steps, self._sizes = [], [], []
        return self._means(total(sums))

    def end_epoch(self, total: Total = of_one) -> dict[str, float]:
        """Averages over the examples of the epoch, which starts anew; :meth:`drain` first."""
        sums, self._epoch_sums = self._epoch_sums, torch.zeros_like(self._epoch_sums)
        return self._means(total(sums))

    def state_dict(self) -> dict[str, Any]:
        """All that is known of the epoch so far, for a run that goes on in its middle."""
        rows = torch.stack(self._rows).cpu() if self._rows else torch.empty(0, len(self.terms))
        known = {"rows": rows, "steps": list(self._steps), "sizes": self._counts().tolist()}
        return {"terms": list(self.terms), "sums": self._epoch_sums.clone(), **known}

    def load_state_dict(self, state: Mapping[str, Any], device: torch.device) -> None:
        """Go on from there, unless it is about other terms, with rows on ``device``.

        Raises:
            ValueError: if it is none that could have been saved.
        """
        self.check_state(state)
        if tuple(state["terms"]) == self.terms:
            self._rows = list(state["rows"].to(device))
            self._sizes = [torch.tensor(sizes, device=device) for sizes in state["sizes"]]
            self._steps = list(state["steps"])
            self._epoch_sums = state["sums"]

    @staticmethod
    def share(states: Sequence[dict[str, Any]], rank: int, world_size: int) -> dict[str, Any]:
        """What a process goes on from: its own state. If there are not as many processes as states, it is all
        together for the first of them, and the same steps without examples for the others.

        Raises:
            ValueError: if the states are not about the same steps.
        """
        if len(states) == world_size:
            return states[rank]
        first = states[0]
        if any(state[name] != first[name] for state in states for name in ("terms", "steps")):
            raise ValueError("the histories of its processes are of different steps")
        shape = first["rows"].shape
        sizes = torch.stack([torch.tensor(state["sizes"]).view(shape) for state in states])
        rows = torch.stack([state["rows"].cpu() for state in states]).where(sizes > 0, 0.0)
        examples, sums = sizes.sum(0), torch.stack([state["sums"] for state in states]).sum(0)
        first = {**first, "rows": (rows * sizes).sum(0) / examples.clamp(min=1), "sums": sums}
        mine = int(rank == 0)
        return {**first, "sums": first["sums"] * mine, "sizes": (examples * mine).tolist()}

    @staticmethod
    def check_state(state: Any) -> None:
        """Raise ``ValueError`` unless it is what :meth:`state_dict` could have given."""
        rows, sums = (state[name] for name in ("rows", "sums"))
        steps, sizes, terms = (state[name] for name in ("steps", "sizes", "terms"))
        shapes = [tuple(tensor.shape) for tensor in (rows, sums)]
        counts = [steps, *sizes]
        fits = shapes == [(len(steps), len(terms)), (2, len(terms))] and sums.dtype == torch.double
        fits = fits and rows.is_floating_point() and bool(rows.isfinite().all() and sums.isfinite().all())
        fits = fits and len(sizes) == len(steps) and all(len(size) == len(terms) for size in sizes)
        if not fits or not all(type(n) is int and n >= 0 for count in counts for n in count):
            raise ValueError(f"the history of its epoch is none: {shapes} for {terms!r:.100}")

    def check(self) -> Tensor:
        """The rows since the last reading, ``(steps, terms)``.

        Raises:
            NonFiniteLossError: naming the first step and term that was not finite.
        """
        rows = torch.stack(self._rows).double().cpu() if self._rows else torch.empty(0, len(self.terms))
        rows[self._counts() == 0] = 0.0
        bad = ~torch.isfinite(rows)
        if not bad.any():
            return rows
        row = int(bad.any(1).nonzero()[0])
        # The loss is the first column and the sum of the others: name the term that spoilt it.
        column = max(int(i) for i in bad[row].nonzero())
        raise NonFiniteLossError(
            f"train/{self.terms[column]} became {rows[row, column].item()} at step {self._steps[row]}:"
            f" {self.advice}, or look for extreme values in the data"
        )

    def _counts(self) -> Tensor:
        none = torch.empty(0, len(self.terms), dtype=torch.long)
        return torch.stack(self._sizes).cpu() if self._sizes else none

    def _means(self, sums: Tensor) -> dict[str, float]:
        """Sums and numbers of examples ``(2, terms)`` to averages of the terms that were measured."""
        totals = zip(self.terms, *sums.tolist(), strict=True)
        return {term: total / examples for term, total, examples in totals if examples}
