"""The splits of a data set, in memory or in files too large for it, and what can be asked of both."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from torch import Tensor

from contractive.data.arrays import finite
from contractive.data.examples import Examples
from contractive.data.files import check_split
from contractive.data.labels import UNKNOWN
from contractive.data.loader import BatchLoader, MemoryLoader
from contractive.data.stored import StoredArray, blocks_of, split_blocks
from contractive.data.streaming import BlockLoader
from contractive.data.subsets import representative
from contractive.data.unlabelled import few_labels
from contractive.nn.scaling import PIECE, Statistics, statistics


@dataclass(frozen=True)
class Part:
    """A split.

    Args:
        shape: the shape of one example.
        is_bytes: whether they are stored as bytes, which become [0, 1].
        loader: makes its loader of a batch size and what else :class:`BatchLoader` takes.
        pieces: gives all of its examples once, a few at a time.
        everything: gives all of them at once; ``None`` if they stay in their file.
    """

    shape: tuple[int, ...]
    is_bytes: bool
    loader: Callable[..., BatchLoader]
    pieces: Callable[[], Iterable[Tensor]]
    everything: Callable[[], Examples] | None

    def __len__(self) -> int:
        return len(self.loader(1, shuffle=False))

    @cached_property
    def statistics(self) -> Statistics:
        """What a scaling is fitted to."""
        return statistics(self.pieces())

    def first(self, n: int) -> Examples:
        """The first ``n`` examples."""
        return Examples(*next(iter(self.loader(n, shuffle=False))))

    def with_tangents(self, find: Callable[[Tensor], Tensor]) -> "Part":
        """This split with labels, whose loader gives as well what ``find`` finds of each example.

        Args:
            find: from examples ``(n, *shape)``, in the type in which they are stored, to their tangents
                ``(n, count, *shape)``. It is asked once, for a few examples at a time, in their order.

        Raises:
            ValueError: if the examples stay in their file.
        """
        if self.everything is None:
            raise ValueError("tangents are kept of examples in memory, and these stay in their file")
        examples, end = self.everything(), 0
        for x in examples.x.split(PIECE):
            found = find(x)
            if not end:
                # Not put together at the end: for that all would stand in memory twice.
                tangents = found.new_empty(len(examples), *found.shape[1:])
            tangents[end : end + len(x)] = found
            end += len(x)
        examples = replace(examples, tangents=tangents)
        return replace(self, loader=partial(MemoryLoader, examples, torch.arange(len(examples))))

    def sample(self, n: int, seed: int) -> Examples:
        """At most ``n`` examples that stand for all: see :func:`contractive.data.subsets.representative`.

        Where some have a label, only those are taken.

        Those that stay in a file are read a few at a time, and in a random order where there are more.
        """
        if self.everything is not None:
            examples = _with_label(self.everything())
            if examples.y is None:
                return examples[:n]
            return examples[torch.from_numpy(representative(examples.y.numpy(), n, seed))]
        batches, count = [], 0
        for batch in self.loader(min(n, PIECE), shuffle=n < len(self), seed=seed):
            some = _with_label(Examples(*batch))
            batches.append(some.columns)
            count += len(some)
            if count >= n:
                break
        return Examples(*(torch.cat(column) for column in zip(*batches)))[:n]


def memory_parts(
    examples: Mapping[str, Examples], fractions: Mapping[str, float], seed: int, labels: int | None = None
) -> dict[str, Part]:
    """``train``, ``val`` and ``test`` in memory; those that ``examples`` lacks are cut from its ``train``.

    So many ``labels`` of the training split are left, see :func:`contractive.data.unlabelled.few_labels`.
    """
    train = examples["train"]
    left = torch.arange(len(train))
    parts = {name: _memory_part(part, torch.arange(len(part))) for name, part in examples.items()}
    for name, fraction in fractions.items():
        if name not in examples:
            # All shares are of what the source brought, so that they do not depend on their order.
            left, taken = cut(left, train.y, fraction * len(train) / len(left), seed, name)
            parts[name] = _memory_part(train, taken)
    if labels is not None:
        y = few_labels(None if train.y is None else train.y.numpy(), left.numpy(), labels, seed)
        train = Examples(train.x, torch.from_numpy(y))
    return {**parts, "train": _memory_part(train, left)}


def file_parts(
    paths: Mapping[str, Path],
    read_ids: Callable[[int], np.ndarray | None],
    fractions: Mapping[str, float],
    seed: int,
    labels: int | None = None,
) -> dict[str, Part]:
    """``train``, ``val`` and ``test`` of ``.npy`` files that are larger than memory.

    Args:
        paths: the file of each split that has one of its own, ``train`` first.
        read_ids: gives the labels of so many training examples, as integers.
        fractions, seed: the shares of the others, in whole blocks of rows of the training file, and which.
        labels: how many labels of the training split are left; ``None``: all.

    Raises:
        ValueError: in one line, if a file is not what it should be.
    """
    arrays = {split: StoredArray(path) for split, path in paths.items()}
    train = arrays["train"]
    for split in arrays:
        check_split(split, arrays, paths)
    y = read_ids(len(train))
    rows, count = blocks_of(train)
    shares = {split: share for split, share in fractions.items() if split not in arrays}
    split_in = split_blocks(count, shares, seed)
    if labels is not None:
        y = few_labels(
            y, np.flatnonzero(np.isin(np.arange(len(train)) // rows, split_in["train"])), labels, seed
        )
    parts = {
        split: _file_part(train, blocks, rows, None if y is None else torch.from_numpy(y))
        for split, blocks in split_in.items()
    }
    for split in list(arrays)[1:]:
        rows, count = blocks_of(arrays[split])
        parts[split] = _file_part(arrays[split], torch.arange(count), rows, None)
    for part in parts.values():
        _ = part.statistics  # this one pass also finds what is not finite, before anything is trained on it
    return parts


def cut(index: Tensor, y: Tensor | None, fraction: float, seed: int, name: str) -> tuple[Tensor, Tensor]:
    """Cut a share of the examples off, stratified by label where there are labels enough.

    Args:
        index: ``(n,)``, the examples to choose from.
        y: labels of *all* examples, which ``index`` indexes, or ``None``.
        fraction: the share to cut off.
        seed: what the choice depends on.
        name: what the share is called in messages.

    Returns:
        What is left and what was cut off, each in the order of ``index``.

    Raises:
        ValueError: if either would be empty.
    """
    count = round(fraction * len(index))
    if not 0 < count < len(index):
        raise ValueError(
            f"{name}_fraction={fraction:g} of {len(index)} examples leaves {len(index) - count} and cuts off"
            f" {count}: neither may be empty"
        )
    labels = None if y is None or y.is_floating_point() else y[index]
    if labels is not None:
        classes = labels.unique(return_counts=True)[1]
        # Of a class with one example, or with more classes than places, no share can be had.
        if classes.min() < 2 or len(classes) > min(count, len(index) - count):
            labels = None
    left, taken = train_test_split(index.numpy(), test_size=count, random_state=seed, stratify=labels)
    return torch.from_numpy(left).sort().values, torch.from_numpy(taken).sort().values


def _with_label(examples: Examples) -> Examples:
    return examples if examples.y is None else examples[examples.y != UNKNOWN]


def _memory_part(examples: Examples, index: Tensor) -> Part:
    x = examples.x
    return Part(
        shape=tuple(x.shape[1:]),
        is_bytes=x.dtype == torch.uint8,
        loader=partial(MemoryLoader, examples, index),
        pieces=lambda: (x[some] for some in index.split(PIECE)),
        everything=lambda: examples[index],
    )


def _file_part(stored: StoredArray, blocks: Tensor, rows: int, labels: Tensor | None) -> Part:
    def numbered() -> Iterator[tuple[int, np.ndarray]]:
        for start in (blocks * rows).tolist():
            yield start, stored.read(start, min(start + rows, len(stored))).numpy()

    return Part(
        shape=stored.shape[1:],
        is_bytes=stored.dtype == np.uint8,
        loader=partial(BlockLoader, stored, blocks, rows, labels=labels),
        pieces=lambda: map(torch.from_numpy, finite(numbered(), stored.path)),
        everything=None,
    )
