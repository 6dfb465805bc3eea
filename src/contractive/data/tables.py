"""Tables in ``.csv`` and ``.parquet`` files: read whole or in pieces; names, features and labels of one."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet

from contractive.data.files import check_file, listed, looks_like, one_line
from contractive.data.records import Records, find_records

SUFFIXES = (".csv", ".parquet")
BLOCK_ROWS = 1024
BLOCK_BYTES = 1 << 20  # of text that pyarrow takes at a time, at least
NUMBER = r"^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$"
# Not all of a column at once: in pieces the memory of a piece is enough.
BUFFERED = {"page_checksum_verification": True, "buffer_size": 1 << 18, "pre_buffer": False}
LONGEST = (1 << 31) - (1 << 21)  # bytes of a record: pyarrow counts in 32 bits


def read_table(path: Path) -> pa.Table:
    """All of a table, with the rows that its file has, its columns of the types that their values have.

    Raises:
        OSError, ValueError: in one line, if there is no such file, or if it is no table, or broken.
    """
    records = _records(path)
    try:
        if records is None:
            with pyarrow.parquet.ParquetFile(path, page_checksum_verification=True) as file:
                table = file.read(use_pandas_metadata=False)
        else:
            table = pyarrow.csv.read_csv(path, **_options(records))
        # Names and texts that are no UTF-8, and damaged offsets, would show only when they are used.
        str(table.column_names)
        table.validate(full=True)
    except Exception as error:  # broken files end in errors of many types, deep inside pyarrow
        raise _broken(path, error) from error
    _check_count(table.num_rows, records, path)
    return table


class TableStream:
    """A table that is read a few rows at a time, whatever its size; only its names and length are kept.

    Attributes:
        names: of its columns.
        count: rows.

    Raises:
        OSError, ValueError: as :func:`read_table`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._records = _records(path)
        try:
            if self._records is None:
                with pyarrow.parquet.ParquetFile(path) as file:
                    schema, self.count = file.schema_arrow, file.metadata.num_rows
                self._types = {field.name: field.type for field in schema}
            else:
                with pyarrow.csv.open_csv(path, **_options(self._records)) as reader:
                    schema, self.count = reader.schema, self._records.count - 1
            self.names: list[str] = schema.names
        except Exception as error:  # as above
            raise _broken(path, error) from error
        check_names(self.names, path)

    def types(self, columns: Sequence[str]) -> dict[str, pa.DataType]:
        """The types of some columns: in a ``.csv`` file those of the first values, text if others differ."""
        if self._records is None:
            return {name: self._types[name] for name in columns}
        if not columns:
            return {}
        convert = pyarrow.csv.ConvertOptions(include_columns=columns)
        try:
            with pyarrow.csv.open_csv(
                self.path, convert_options=convert, **_options(self._records)
            ) as reader:
                for _ in reader:
                    pass
                return {field.name: field.type for field in reader.schema}
        except Exception:  # what is wrong besides, :meth:`batches` tells
            return dict.fromkeys(columns, pa.string())

    def number_types(self, columns: Sequence[str], truths: Collection[str]) -> dict[str, pa.DataType]:
        """What columns of numbers, or of truth values, are to be read as.

        Raises:
            ValueError: naming those that are none, as far as the file says so at its beginning.
        """
        if self._records is None:
            types = {name: self._types[name] for name in columns}
            if wrong := [name for name, kind in types.items() if not is_number(kind)]:
                raise ValueError(
                    f"{self.path}: not numeric: {listed(wrong)}; the model was trained on numbers"
                )
            return types
        return {name: pa.bool_() if name in truths else pa.float64() for name in columns}

    def batches(self, types: Mapping[str, pa.DataType], rows: int) -> Iterator[pa.RecordBatch]:
        """The columns that ``types`` names, of a ``.csv`` file in these types, so many ``rows`` at a time."""
        found = 0
        try:
            if self._records is None:
                with pyarrow.parquet.ParquetFile(self.path, **BUFFERED) as file:
                    yield from file.iter_batches(rows, columns=list(types))
                return
            convert = pyarrow.csv.ConvertOptions(include_columns=list(types), column_types=types)
            with pyarrow.csv.open_csv(
                self.path, convert_options=convert, **_options(self._records)
            ) as reader:
                for block in reader:
                    found += block.num_rows
                    for start in range(0, block.num_rows, rows):
                        yield block.slice(start, rows)
        except Exception as error:  # as above
            raise _broken(self.path, error) from error
        _check_count(found, self._records, self.path)


def check_names(names: Sequence[str], path: Path) -> None:
    """Raise ``ValueError`` unless these can be the names of a table's columns."""
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise ValueError(f"{path}: {listed(twice)} names more than one column: rename them")
    odd = [name for name in names if not name.isprintable()]
    if odd:
        raise ValueError(f"{path}: column {odd[0]!r} has line breaks or the like in its name: rename it")
    # pandas numbers columns without names from 0; other numbers are an example that would be lost.
    if path.suffix.lower() == ".parquet" or names == [str(i) for i in range(len(names))]:
        return
    try:
        np.array(names).astype(float)
    except ValueError:
        return
    raise ValueError(f"{path}: the first line holds numbers: add a line with the columns' names before it")


def is_number(kind: pa.DataType) -> bool:
    """Whether values of a type can be features: real numbers, truth values, or none at all."""
    is_real = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return is_real or pa.types.is_boolean(kind) or pa.types.is_null(kind)


def matrix(table: pa.Table) -> np.ndarray:
    """Columns of numbers as ``(rows, columns)`` in float32; what is missing is NaN."""
    table = table.cast(pa.schema([(name, pa.float32()) for name in table.column_names]), safe=False)
    x = np.empty((table.num_rows, table.num_columns), np.float32)
    row = 0
    # In blocks of rows: a column at a time would write to all of memory for each.
    for block in table.to_batches(max_chunksize=BLOCK_ROWS):
        x[row : row + block.num_rows] = block.to_tensor(null_to_nan=True).to_numpy()
        row += block.num_rows
    return x


def label_values(column: pa.Array | pa.ChunkedArray) -> list[Any]:
    """Labels as numbers, if that is what they are, or truth values, or else as text; ``None`` is missing.

    >>> label_values(pa.array([1.0, None, 2.0])), label_values(pa.array(["a", "", "1"]))
    ([1.0, None, 2.0], ['a', None, '1'])
    """
    kind = column.type
    values = [
        None if value is None or value == "" or value != value else value for value in column.to_pylist()
    ]
    if pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return values
    return [None if value is None else str(value) for value in values]


def check_numbers(table: pa.Table, columns: Sequence[str], path: Path, labelled: bool) -> None:
    """Raise ``ValueError`` unless there are columns, and all of numbers; say what the others may be.

    Args:
        table: what has been read.
        columns: those that are to be features.
        path: for the message.
        labelled: whether the labels have a column already.
    """
    if not columns:
        raise ValueError(f"{path}: no column is left as a feature: drop fewer")
    kinds = {field.name: field.type for field in table.schema}
    wrong = [name for name in columns if not is_number(kinds[name])]
    if not wrong:
        return
    texts = {name: text for name in wrong if (text := _text(table[name])) is not None}
    for name, text in texts.items():
        if (row := _first_text(text)) is not None:
            raise ValueError(
                f"{path}: column {name!r} holds numbers, and {text[row].as_py()!r:.60} in row {row}:"
                " mend it, or leave it empty and set data.missing, or leave the column out, with"
                f" data.drop=[{name}]"
            )
    remedy = f"leave such columns out, with data.drop=[{','.join(wrong[:5])}]"
    if not labelled and (label := _likely_label(texts)):
        remedy = f"if {label!r} holds the labels, set data.label={label}; else {remedy}"
    raise ValueError(f"{path}: not numeric: {listed(wrong)}: {remedy}")


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """A column of text, of whatever kind; ``None`` for any other."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    return column if is_text else None


def _first_text(column: pa.ChunkedArray) -> int | None:
    """The first row that holds no number, where most do."""
    number = pyarrow.compute.match_substring_regex(column, NUMBER)
    count = pyarrow.compute.sum(number).as_py() or 0
    return None if 2 * count <= len(column) else pyarrow.compute.index(number, False).as_py()


def _likely_label(texts: Mapping[str, pa.ChunkedArray]) -> str | None:
    """The column of text with the fewest different values, if there are two or more, and they repeat."""
    counts = {name: pyarrow.compute.count_distinct(text).as_py() for name, text in texts.items()}
    few = [name for name, count in counts.items() if 2 <= count <= min(100, 1 + len(texts[name]) // 2)]
    return min(few, key=counts.__getitem__, default=None)


def _records(path: Path) -> Records | None:
    """What a ``.csv`` file consists of; ``None`` for one of another kind."""
    if check_file(path, SUFFIXES) != ".csv":
        return None
    records = find_records(path)
    if records.longest > LONGEST:
        gib = records.longest / 2**30
        raise ValueError(f"{path}: has a row of {gib:.1f} GiB of text; at most 2 are read: split it")
    return records


def _options(records: Records) -> dict[str, Any]:
    # A block has to have room for a record; of long ones it takes several, as it costs something for each
    # column. Line breaks within quotes cost pyarrow its parallel reading.
    block = max(records.longest, min(64 * records.longest, 64 * BLOCK_BYTES)) + BLOCK_BYTES
    return {
        "read_options": pyarrow.csv.ReadOptions(block_size=block),
        "parse_options": pyarrow.csv.ParseOptions(newlines_in_values=records.broken),
    }


def _check_count(rows: int, records: Records | None, path: Path) -> None:
    if records is not None and rows != records.count - 1:
        raise ValueError(
            f"{path}: {rows} rows were read of the {records.count - 1} that it has after the columns' names:"
            " look for quotes that are missing or one too many"
        )


def _broken(path: Path, error: Exception) -> ValueError:
    kind = path.suffix.lower()
    return ValueError(f"{path}: is no {kind} table, or broken{looks_like(path)} ({one_line(error)})")
