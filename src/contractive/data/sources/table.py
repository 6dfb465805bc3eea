import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from contractive.data.arrays import finite
from contractive.data.examples import Examples
from contractive.data.files import listed, safely_told, shown
from contractive.data.labels import as_labels
from contractive.data.missing import MISSING, column_means, fill_missing, missing_values, refuse_missing
from contractive.data.settings import FileSource
from contractive.data.tables import check_names, check_numbers, label_values, matrix, read_table
from contractive.settings import nearest, setting

log = logging.getLogger(__name__)


@dataclass
class Table(FileSource):
    """Your own table: .csv with a first line that names its columns, or .parquet; one example in each row.

    Numeric columns are features, in float32. Columns of other splits are matched by name with those of the
    training split. Truth values count as 0 and 1. Large numbers that differ by little, such as times in
    seconds since 1970, lose that difference in float32.

    Labels that are numbers keep their values, as classes if all are whole, else as measurements; everything
    else counts as text.
    """

    label: Any = setting(None, "the column with the labels, of any type; null: none")
    drop: list[Any] = setting([], "columns to leave out")
    drop_constant: bool = setting(False, "whether constant columns are left out, not refused")
    missing: str | None = setting(
        None,
        "missing values: drop, their rows are left out; mean, that of the training split stands for them;"
        " null, they are refused",
        choices=MISSING,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.drop, str):
            raise ValueError(f"drop must be a list of columns: data.drop=[{self.drop}]; got {self.drop!r}")
        self.drop = [str(name) for name in self.drop]
        self.label = None if self.label is None else str(self.label)
        self._fill: np.ndarray | None = None
        self._features: list[str] = []
        self._dropped: list[str] = []
        self._truths: set[str] = set()

    def found(self) -> dict[str, Any]:
        """Classes, columns and what else it takes to read another table in the same way."""
        return super().found() | {
            "columns": self._features,
            "truths": [name for name in self._features if name in self._truths],
            "label": self.label,
            "dropped": self._dropped,
            "missing": self.missing,
            "fill": None if self._fill is None else self._fill.tolist(),
        }

    @safely_told()
    def parts(self, seed: int) -> Mapping[str, Any]:
        """The splits; what is missing in any is replaced by means of the training split if that is wanted."""
        from contractive.data.parts import memory_parts

        examples = self.read()
        parts = memory_parts(examples, self.fractions, seed, self.labels)
        if self.missing == "mean":
            train = parts["train"].everything().x.numpy()  # type: ignore[misc]
            self._fill = column_means(train, self._features, self.path)
            filled = sum(fill_missing(part.x.numpy(), self._fill) for part in examples.values())
            log.warning(
                "%s: means of the training split stand for %d missing values", shown(self.path), filled
            )
        return parts

    @safely_told()
    def read(self) -> dict[str, Examples]:
        """The examples ``(n, features)`` of each split, and their labels where a column is named.

        With ``missing=mean`` they are NaN where a value is missing: the mean is known once splits are cut.

        Raises:
            ValueError, OSError: as of any source, and where a column is constant.
        """
        splits = super().read()
        train = splits["train"].x.numpy()
        constant = np.fmin.reduce(train) == np.fmax.reduce(train)  # of the values that are there
        if not constant.any():
            return splits
        names = [name for name, same in zip(self._features, constant) if same]
        if not self.drop_constant or constant.all():
            columns = ",".join([*self.drop, *names][:5])
            remedy = f"data.drop_constant=true, or data.drop=[{columns}{',…' if len(names) > 5 else ''}]"
            raise ValueError(f"{self.path}: constant in all training examples: {listed(names)}: set {remedy}")
        self._features = [name for name, same in zip(self._features, constant) if not same]
        self._dropped += names
        return {split: Examples(part.x[:, ~constant], part.y) for split, part in splits.items()}

    def read_split(self, where: Path, split: str) -> tuple[np.ndarray, np.ndarray | None]:
        """One file; the columns of the training split, which is read first, decide the features."""
        table = read_table(where)
        names: list[str] = table.column_names
        check_names(names, where)
        needed = [*(self.drop if split == "train" else []), *([] if self.label is None else [self.label])]
        if absent := [name for name in needed if name not in names]:
            hint = nearest(absent[0], names) or f"; it has {listed(names)}"
            raise ValueError(f"{where}: has no column {absent[0]!r}{hint}")
        left_out = {self.label, *self.drop}
        own = [name for name in names if name not in left_out]
        index = [name for name in own if not name or name.startswith("__index_level_")]
        if index:
            hint = f"as a row index of pandas: leave it out, with data.drop=['{index[0]}']"
            raise ValueError(f"{where}: column {index[0]!r} has no name, {hint}")
        if split == "train":
            self._features, self._dropped = own, list(self.drop)
            self._truths = {field.name for field in table.schema if pa.types.is_boolean(field.type)}
        elif differ := sorted(set(own) ^ set(self._features)):
            raise ValueError(
                f"{where}: its columns differ from those of the training split by {listed(differ)}"
            )
        check_numbers(table, self._features, where, labelled=self.label is not None)
        return self._without_missing(table, where)

    def _without_missing(self, table: pa.Table, where: Path) -> tuple[np.ndarray, np.ndarray | None]:
        x = matrix(table.select(self._features))
        gone = missing_values(x)
        if gone is not None and self.missing is None:
            refuse_missing(gone, self._features, where)
        # A missing value is neither finite nor not: others are looked at as if it were 0.
        for _ in finite([(0, x if gone is None else np.where(gone, 0, x))], where, self._features):
            pass
        labels = [] if self.label is None else label_values(table[self.label])
        lacking = [row for row, label in enumerate(labels) if label is None]
        if lacking and self.missing != "drop":
            lacks = f"{len(lacking)} labels, the first in row {lacking[0]}"
            remedy = "mend or remove such rows, or set data.missing=drop"
            raise ValueError(f"{where}: column {self.label!r} lacks {lacks}: {remedy}")
        if self.missing == "drop":
            keep = np.full(len(x), True) if gone is None else np.asarray(~gone.any(1))
            keep[lacking] = False
            if not keep.all():
                log.warning(
                    "%s: %d of %d rows lack a value and are left out", shown(where), (~keep).sum(), len(x)
                )
            x, labels = x[keep], [label for label, kept in zip(labels, keep) if kept]
        return x, None if self.label is None else as_labels(np.array(labels), len(x), where)
