from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from contractive.data.arrays import finite
from contractive.data.examples import Examples
from contractive.data.files import check_file, looks_like, one_line
from contractive.data.labels import as_labels
from contractive.data.settings import FileSource
from contractive.settings import nearest, setting

BLOCK_ROWS = 1024


@dataclass
class Table(FileSource):
    """Your own table: .csv with a first line that names its columns, or .parquet; one example in each row.

    Numeric columns are features, in float32. Columns of other splits are matched by name with those of the
    training split. Truth values count as 0 and 1. Large numbers that differ by little, such as times in
    seconds since 1970, lose that difference in float32.

    Labels that are whole numbers keep their values, everything else counts as text.
    """

    label: Any = setting(None, "the column with the labels, of any type; null: none")
    drop: list[Any] = setting([], "columns to leave out")
    drop_constant: bool = setting(False, "whether constant columns are left out, not refused")

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.drop, str):
            raise ValueError(f"drop must be a list of columns: data.drop=[{self.drop}]; got {self.drop!r}")
        self.drop = [str(name) for name in self.drop]
        self.label = None if self.label is None else str(self.label)

    def read(self) -> dict[str, Examples]:
        """The examples ``(n, features)`` of each split, and their labels where a column is named.

        Raises:
            ValueError, OSError: as of any source, and where a column is constant.
        """
        splits = super().read()
        train = splits["train"].x
        constant = train.amin(0) == train.amax(0)
        if not constant.any():
            return splits
        names = [name for name, same in zip(self._features, constant.tolist()) if same]
        if not self.drop_constant or constant.all():
            columns = ",".join([*self.drop, *names][:5])
            remedy = f"data.drop_constant=true, or data.drop=[{columns}{',…' if len(names) > 5 else ''}]"
            raise ValueError(f"{self.path}: constant in all training examples: {_list(names)}: set {remedy}")
        return {split: Examples(part.x[:, ~constant], part.y) for split, part in splits.items()}

    def read_split(self, where: Path, split: str) -> tuple[np.ndarray, np.ndarray | None]:
        """One file; the columns of the training split, which is read first, decide the features."""
        table = _open(where)
        names = _names(table, where)
        needed = [*(self.drop if split == "train" else []), *([] if self.label is None else [self.label])]
        if missing := [name for name in needed if name not in names]:
            hint = nearest(missing[0], names) or f"; it has {_list(names)}"
            raise ValueError(f"{where}: has no column {missing[0]!r}{hint}")
        y = None if self.label is None else as_labels(_label(table, self.label, where), len(table), where)
        own = [name for name in names if name != self.label and name not in self.drop]
        index = [name for name in own if not name or name.startswith("__index_level_")]
        if index:
            hint = f"as a row index of pandas: leave it out, with data.drop=['{index[0]}']"
            raise ValueError(f"{where}: column {index[0]!r} has no name, {hint}")
        if split == "train":
            self._features = own
        elif differ := sorted(set(own) ^ set(self._features)):
            raise ValueError(
                f"{where}: its columns differ from those of the training split by {_list(differ)}"
            )
        (x,) = finite([(0, _matrix(table.select(self._features), where))], where, self._features)
        return x, y


def _open(path: Path) -> pa.Table:
    suffix = check_file(path, (".csv", ".parquet"))
    try:
        if suffix == ".csv":
            table = pyarrow.csv.read_csv(path)
        else:
            with pyarrow.parquet.ParquetFile(path, page_checksum_verification=True) as file:
                table = file.read(use_pandas_metadata=False)
        # Names and texts that are no UTF-8, and damaged offsets, would show only when they are used.
        str(table.column_names)
        table.validate(full=True)
        return table
    except Exception as error:  # broken files end in errors of many types, deep inside pyarrow
        said = one_line(error)
        raise ValueError(f"{path}: is no {suffix} table, or broken{looks_like(path)} ({said})") from error


def _names(table: pa.Table, path: Path) -> list[str]:
    names: list[str] = table.column_names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{path}: {_list(twice)} names more than one column: rename them")
    odd = [name for name in names if not name.isprintable()]
    if odd:
        raise ValueError(f"{path}: column {odd[0]!r} has line breaks or the like in its name: rename it")
    # pandas numbers columns without names from 0; other numbers are an example that would be lost.
    if path.suffix.lower() == ".parquet" or names == [str(i) for i in range(len(names))]:
        return names
    try:
        np.array(names).astype(float)
    except ValueError:
        return names
    raise ValueError(f"{path}: the first line holds numbers: add a line with the columns' names before it")


def _label(table: pa.Table, name: str, path: Path) -> np.ndarray:
    kind, values = table[name].type, table[name].to_pylist()
    missing = [row for row, value in enumerate(values) if value in (None, "") or value != value]
    if missing:
        lacks = f"{len(missing)} labels, the first in row {missing[0]}"
        raise ValueError(f"{path}: column {name!r} lacks {lacks}: mend or remove such rows")
    whole = pa.types.is_floating(kind) and all(value.is_integer() for value in values)
    is_number = whole or pa.types.is_integer(kind) or pa.types.is_boolean(kind)
    return np.array(values if is_number else [str(value) for value in values])


def _matrix(table: pa.Table, path: Path) -> np.ndarray:
    def is_number(kind: pa.DataType) -> bool:
        is_real = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
        # A column without any value has a type of its own.
        return is_real or pa.types.is_boolean(kind) or pa.types.is_null(kind)

    if not table.num_columns:
        raise ValueError(f"{path}: no column is left as a feature: drop fewer")
    if wrong := [field.name for field in table.schema if not is_number(field.type)]:
        remedy = f"leave such columns out, with data.drop=[{','.join(wrong[:5])}]"
        raise ValueError(f"{path}: not numeric: {_list(wrong)}: {remedy}")
    table = table.cast(pa.schema([(name, pa.float32()) for name in table.column_names]), safe=False)
    x = np.empty((table.num_rows, table.num_columns), np.float32)
    row = 0
    # In blocks of rows: a column at a time would write to all of memory for each.
    for block in table.to_batches(max_chunksize=BLOCK_ROWS):
        x[row : row + block.num_rows] = block.to_tensor(null_to_nan=True).to_numpy()
        row += block.num_rows
    return x


def _list(names: Sequence[str]) -> str:
    """At most five names: ``a, b, c, d, e and 3 more``."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
