"""Examples that have no file of their own to name, as rows: data sets with names, and a run's own splits."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import torch

from contractive.data.description import Description
from contractive.data.parts import Part, memory_parts
from contractive.data.rows import Piece, Rows
from contractive.data.settings import SOURCES, source_settings
from contractive.settings import choices, chosen, names

PIECE_BYTES = 2**25  # of the examples of a piece as floats


def named_sources() -> list[str]:
    """The sources that need no path and no run."""
    return [name for name in choices(SOURCES) if chosen(SOURCES, name).named]


def piece_size(shape: Sequence[int]) -> int:
    """How many examples of a shape make a piece: some thousands, fewer of large ones."""
    return max(1, min(4096, PIECE_BYTES // (4 * math.prod(shape))))


def named_rows(name: str, root: str | None, description: Description) -> Rows:
    """All examples of a data set, training examples first; ``split`` says which are which.

    Args:
        name: one of :func:`named_sources`.
        root: the folder that holds it, for those that torchvision reads; by default that of the source.
        description: what the training data were.

    Raises:
        ValueError: if it takes no ``root``, or its examples have another shape.
        FileNotFoundError: if it is not there and cannot be downloaded.
    """
    takes = names(chosen(SOURCES, name))
    options: dict[str, Any] = {} if root is None else {"root": root}
    if "grey" in takes:
        options["grey"] = description.shape[0] == 1
    source = source_settings(name, **options)
    source.fetch()
    splits = source.read()
    parts = {split: memory_parts({"train": examples}, {}, 0)["train"] for split, examples in splits.items()}
    return part_rows(parts, name, description)


def part_rows(parts: Mapping[str, Part], where: object, description: Description) -> Rows:
    """The examples of some splits, one split after the other, in their order.

    Raises:
        ValueError: if an example has another shape than the model takes.
    """
    shape = next(iter(parts.values())).shape
    if list(shape) != description.shape:
        wanted = tuple(description.shape)
        raise ValueError(
            f"{where}: an example is {shape}, one that the model was trained on {wanted}: make them agree"
        )
    loaders = {split: part.loader(piece_size(shape), shuffle=False) for split, part in parts.items()}
    labelled = all(part.first(1).y is not None for part in parts.values())
    kind = pa.string() if description.classes else pa.int64()
    fields = [("split", pa.string()), *([("label", kind)] if labelled else [])]
    schema = pa.schema(fields)

    def pieces() -> Iterator[Piece]:
        for split, loader in loaders.items():
            start = 0
            for x, *labels in loader:
                y = labels[0] if labelled else None
                told = None if y is None else y.tolist()
                if told is not None and description.classes:
                    told = [description.classes[number] for number in told]
                columns = [pa.array([split] * len(x)), *([pa.array(told, kind)] if told is not None else [])]
                yield Piece(
                    x, y, torch.arange(start, start + len(x)), pa.record_batch(columns, schema=schema)
                )
                start += len(x)

    return Rows(sum(loader.count for loader in loaders.values()), schema, (), pieces)
