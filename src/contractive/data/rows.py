"""Other data than those a model was trained on, read as it takes them: in pieces, whatever their size."""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from contractive.data import pictures, tables
from contractive.data.arrays import finite
from contractive.data.description import Description
from contractive.data.files import check_file, listed, safely_told, shown
from contractive.data.labels import known_ids
from contractive.data.missing import missing_told, missing_values
from contractive.data.sources.array import SUFFIXES as ARRAYS
from contractive.data.sources.array import Array
from contractive.data.sources.image_folder import ImageFolder
from contractive.data.stored import StoredArray
from contractive.settings import default_of, nearest

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Piece:
    """Some examples that follow each other.

    Args:
        x: ``(n, *shape)``, bytes or 32-bit floats, as ``Autoencoder.encode`` takes them.
        y: ``(n,)``, the numbers that training gave to their labels, ``UNKNOWN`` where it had no such label;
            ``None`` without labels.
        rows: ``(n,)``, their places in the file or folder, from 0.
        beside: ``n`` rows of what lies beside them: a table's other columns; a picture's ``file``; ``label``.
    """

    x: Tensor
    y: Tensor | None
    rows: Tensor
    beside: pa.RecordBatch

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Rows:
    """The examples of a file or folder, in its order.

    Args:
        count: how many there are; fewer may come where what cannot be read is left out, which is then told.
        beside: names and types of what lies beside them.
        surplus: those columns of a table that training had in no way.
        pieces: gives all of them once, and with the next call once more.
    """

    count: int
    beside: pa.Schema
    surplus: Sequence[str]
    pieces: Callable[[], Iterator[Piece]]


@safely_told()
def open_rows(path: Path, description: Description, most: int = 4096) -> Rows:
    """Open a file or folder, of any kind, of examples such as a model was trained on.

    Args:
        path: a ``.npy``, ``.npz``, ``.pt``, ``.csv`` or ``.parquet`` file, a folder of pictures, or one of
            them. Of all but ``.npz`` and ``.pt`` only a piece is in memory at a time.
        description: what the training data were.
        most: examples in a piece, at most.

    Raises:
        OSError, ValueError: in one line that names the file, here or while pieces are read, if it cannot be
            read, or does not hold such examples.
    """
    open_one = _pictures
    if not path.is_dir():
        suffix = check_file(path, (*ARRAYS, *tables.SUFFIXES, *pictures.SUFFIXES))
        open_one = _table if suffix in tables.SUFFIXES else _array if suffix in ARRAYS else _pictures
    rows = open_one(path, description, most)

    def pieces() -> Iterator[Piece]:
        with safely_told():
            yield from rows.pieces()

    return replace(rows, pieces=pieces)


def _array(path: Path, description: Description, most: int) -> Rows:
    labels = None
    if path.suffix.lower() == ".npy" and path.stat().st_size > default_of(Array, "in_memory_mib") * 2**20:
        stored = StoredArray(path)
        count, shape, read = len(stored), stored.shape[1:], stored.read
    else:
        x, labels = Array(path=str(path)).read_split(path, "train")
        count, shape, read = len(x), x.shape[1:], lambda start, stop: torch.from_numpy(x[start:stop])
    if list(shape) != description.shape:
        raise ValueError(
            f"{path}: an example is {tuple(shape)}, one that the model was trained on"
            f" {tuple(description.shape)}: make them agree"
        )
    columns = [] if labels is None else [pa.array(labels)]
    schema = pa.schema([("label", column.type) for column in columns])

    def pieces() -> Iterator[Piece]:
        for start in range(0, count, most):
            piece = read(start, min(start + most, count))
            for _ in finite([(start, piece.numpy())], path):
                pass
            _check_units(piece, description, path)
            some = slice(start, start + len(piece))
            y = None if labels is None else known_ids(labels[some].tolist(), description.classes)
            yield Piece(
                piece,
                None if y is None else torch.from_numpy(y),
                torch.arange(some.start, some.stop),
                # Of no columns a batch would have no rows either.
                pa.record_batch([column[some] for column in columns], schema=schema),
            )

    return Rows(count, schema, (), pieces)


def _check_units(x: Tensor, description: Description, path: Path) -> None:
    """Raise ``ValueError`` where bytes, which become [0, 1], meet numbers that are something else."""
    if (
        x.dtype == torch.uint8
        and not description.is_bytes
        and not 0 <= description.low <= description.high <= 1
    ):
        raise ValueError(
            f"{path}: holds bytes, which become [0, 1]; the model was trained on numbers from"
            f" {description.low:g} to {description.high:g}: save such numbers as 32-bit floats"
        )
    if x.dtype != torch.uint8 and description.is_bytes and len(x) and not 0 <= x.min() <= x.max() <= 1:
        raise ValueError(
            f"{path}: holds numbers from {x.min():g} to {x.max():g}; the model was trained on bytes, which"
            " become [0, 1]: save bytes (uint8), or divide by 255"
        )


def _table(path: Path, description: Description, most: int) -> Rows:
    columns = description.columns
    if columns is None:
        raise ValueError(
            f"{path}: is a table, and the model was trained on examples {tuple(description.shape)} whose"
            " columns have no names: save those that it takes, in their order, as .npy"
        )
    stream = tables.TableStream(path)
    names = set(stream.names)
    if absent := [name for name in columns if name not in names]:
        raise ValueError(
            f"{path}: lacks {listed(absent)} of the {len(columns)} columns that the model was"
            f" trained on{nearest(absent[0], names)}"
        )
    features, truths, label = set(columns), set(description.truths), description.label
    others = [name for name in stream.names if name not in features]
    beside = stream.types(others)
    numbers = stream.number_types(columns, truths)

    def pieces() -> Iterator[Piece]:
        start = lacking = 0
        for batch in stream.batches(numbers | beside, most):
            x, gone = _features(batch.select(columns), start, description, path)
            labels = tables.label_values(batch[label]) if label in names else None
            y = None if labels is None else torch.from_numpy(known_ids(labels, description.classes))
            piece = Piece(torch.from_numpy(x), y, torch.arange(start, start + len(x)), batch.select(others))
            start += len(x)
            if gone is not None:
                rows = np.asarray(gone.any(1))
                lacking += int(rows.sum())
                piece = _without(piece, rows) if description.missing == "drop" else piece
            yield piece
        if lacking:
            done = (
                "left out" if description.missing == "drop" else "completed with means of the training data"
            )
            log.warning("%s: %d of %d rows lack values and are %s", shown(path), lacking, start, done)

    surplus = [name for name in others if name not in (*description.dropped, label)]
    return Rows(stream.count, pa.schema(list(beside.items())), surplus, pieces)


def _features(
    batch: pa.RecordBatch, start: int, description: Description, path: Path
) -> tuple[np.ndarray, np.ndarray | None]:
    """Features in float32, completed where that is known how, and where they were missing if they were."""
    x = tables.matrix(pa.Table.from_batches([batch]))
    gone = missing_values(x)
    if gone is not None:
        if description.missing is None:
            raise ValueError(
                f"{path}: {missing_told(gone, batch.schema.names, start)}: mend them, or remove their"
                " rows: the model was trained without data.missing"
            )
        np.copyto(x, np.asarray(description.fill or 0, np.float32), where=gone)
    for _ in finite([(start, x)], path, batch.schema.names):
        pass
    return x, gone


def _without(piece: Piece, gone: np.ndarray) -> Piece:
    kept = torch.from_numpy(~gone)
    beside = piece.beside.filter(pa.array(~gone))
    return Piece(piece.x[kept], None if piece.y is None else piece.y[kept], piece.rows[kept], beside)


def _pictures(path: Path, description: Description, most: int) -> Rows:
    channels, *size = description.shape if len(description.shape) == 3 else (0,)
    if channels not in (1, 3):
        raise ValueError(
            f"{path}: holds pictures; the model was trained on examples {tuple(description.shape)}"
        )
    files, classes, others = pictures.find_pictures(path) if path.is_dir() else ([path], None, [])
    folder = path if path.is_dir() else path.parent
    most_mib = default_of(ImageFolder, "in_memory_mib")
    names = ["file"] if classes is None else ["file", "label"]
    schema = pa.schema([(name, pa.string()) for name in names])

    def pieces() -> Iterator[Piece]:
        reasons = dict.fromkeys(others, pictures.BESIDE)
        resized = 0
        for start in range(0, len(files), most):
            some = files[start : start + most]
            x = np.empty((len(some), *description.shape), np.uint8)
            places: list[int] = []
            for place, picture in pictures.readable(some, channels == 1, most_mib, reasons):
                resized += [picture.height, picture.width] != size
                x[len(places)] = pictures.pixels(picture, size)
                places.append(place)
            if not places:
                continue
            rows = torch.tensor(places) + start
            # A name may be no UTF-8.
            told = [os.fsencode(some[i].relative_to(folder)).decode(errors="replace") for i in places]
            labels = None if classes is None else [classes[i] for i in rows]
            y = None if labels is None else torch.from_numpy(known_ids(labels, description.classes))
            columns = [told] if labels is None else [told, labels]
            beside = pa.record_batch([pa.array(values, pa.string()) for values in columns], schema=schema)
            yield Piece(torch.from_numpy(x[: len(places)]), y, rows, beside)
        pictures.tell_left_out(path, reasons)
        if resized:
            log.warning("%s: %d pictures of other sizes are resized to %d×%d", shown(path), resized, *size)

    _check_units(torch.empty(0, dtype=torch.uint8), description, path)
    return Rows(len(files), schema, (), pieces)
