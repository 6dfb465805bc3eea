"""Files of rows, written a piece at a time, whatever their number: tables and arrays."""

import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.lib import format as npy_format

from contractive.runs.files import unfinished

TABLES = (".parquet", ".csv")
ARRAYS = (".npy", ".npz")
GROUP_BYTES = 64 * 2**20  # of a table that are gathered before they are written
COPY_BYTES = 2**24

#: Takes the values ``(n, …)`` of some examples and ``n`` rows of what stands beside them.
Add = Callable[[np.ndarray, pa.RecordBatch], None]


@contextmanager
def rows_file(path: Path, columns: list[str], beside: pa.Schema, archived: str = "x") -> Iterator[Add]:
    """Open a file of rows for writing; it takes its name when all went well.

    In a table, ``.parquet`` or ``.csv``, what stands beside an example comes first, then its values, in
    float32, one column each. A ``.npy`` file holds the values alone, bytes as bytes; a ``.npz`` archive what
    stands beside them too, each column by its name. In memory are only some rows at a time; for ``.npz`` all
    of what stands beside them.

    Args:
        path: the suffix says what is written.
        columns: names of the values, in a table.
        beside: names and types of what stands beside them.
        archived: the name of the values in an archive.

    Raises:
        ValueError: if something beside them has the name of a value, or of something else there.
    """
    names = [archived] if path.suffix.lower() == ".npz" else columns
    if taken := [name for name, count in Counter([*beside.names, *names]).items() if count > 1]:
        raise ValueError(
            f"{path}: column {taken[0]!r} of the data has the name of what is written: rename it"
        )
    open_file = {".npy": _array, ".npz": _archive}.get(path.suffix.lower(), _table)
    with unfinished(path) as file, open_file(file, columns, beside, archived) as add:
        yield add


@contextmanager
def _table(path: Path, columns: list[str], beside: pa.Schema, archived: str) -> Iterator[Add]:
    schema = pa.schema([*beside, *((name, pa.float32()) for name in columns)])
    waiting: list[pa.RecordBatch] = []

    def add(values: np.ndarray, rows: pa.RecordBatch) -> None:
        flat = np.asarray(values, np.float32).reshape(len(values), len(columns))
        arrays = [*rows.columns, *(pa.array(column) for column in np.ascontiguousarray(flat.T))]
        waiting.append(pa.record_batch(arrays, schema=schema))
        if sum(batch.nbytes for batch in waiting) >= GROUP_BYTES:
            write()

    def write() -> None:
        if waiting:
            writer.write_table(pa.Table.from_batches(waiting))
            waiting.clear()

    text = [field.name for field in beside if pa.types.is_string(field.type)]
    writer = (
        pyarrow.csv.CSVWriter(path, schema)
        if path.suffix.lower() == ".csv"
        # Measured values hardly repeat: looking for repetitions takes longer than writing.
        else pyarrow.parquet.ParquetWriter(path, schema, use_dictionary=text)
    )
    with writer:
        yield add
        write()


@contextmanager
def _array(path: Path, columns: list[str], beside: pa.Schema, archived: str) -> Iterator[Add]:
    with path.open("wb") as file:
        count, shape, values_begin, kind = 0, (len(columns),), 0, "<f4"

        def header() -> None:
            file.seek(0)
            head = {"descr": kind, "fortran_order": False, "shape": (count, *shape)}
            npy_format.write_array_header_1_0(file, head)  # it leaves room for any number of rows

        def add(values: np.ndarray, rows: pa.RecordBatch | None = None) -> None:
            nonlocal count, shape, values_begin, kind
            if not values_begin:
                shape, kind = values.shape[1:], "|u1" if values.dtype == np.uint8 else "<f4"
                header()
                values_begin = file.tell()
            np.ascontiguousarray(values, kind).tofile(file)
            count += len(values)

        yield add
        header()
        if values_begin and file.tell() != values_begin:
            raise OSError(f"{path}: the header of {count} rows has not the room that was left for it")
        file.seek(0, 2)


@contextmanager
def _archive(path: Path, columns: list[str], beside: pa.Schema, archived: str) -> Iterator[Add]:
    kept: list[pa.RecordBatch] = []
    with ExitStack() as stack:
        alone = path.with_suffix(".npy")
        stack.callback(alone.unlink, missing_ok=True)
        with _array(alone, columns, beside, archived) as add_values:

            def add(values: np.ndarray, rows: pa.RecordBatch) -> None:
                add_values(values, rows)
                kept.append(rows)

            yield add
        with zipfile.ZipFile(path, "w") as archive:
            with alone.open("rb") as source, archive.open(f"{archived}.npy", "w", force_zip64=True) as target:
                _copy(source, target)
            table = pa.Table.from_batches(kept, schema=beside)
            for name in beside.names:
                with archive.open(f"{name}.npy", "w", force_zip64=True) as target:
                    np.save(target, _plain(table[name]), allow_pickle=False)


def _plain(column: pa.ChunkedArray) -> np.ndarray:
    """A column as numbers or text, never as objects; what is missing is NaN or the empty text."""
    values = column.to_numpy()
    return values if values.dtype != object else np.array(["" if v is None else str(v) for v in values], "U")


def _copy(source: IO[bytes], target: IO[bytes]) -> None:
    while block := source.read(COPY_BYTES):
        target.write(block)
