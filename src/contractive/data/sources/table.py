"""Your own table: .csv or .parquet, one example in each row."""

from dataclasses import dataclass
from typing import Any

from contractive.data.settings import SCALINGS, FileSource
from contractive.settings import setting


@dataclass
class Table(FileSource):
    """Your own table: .csv or .parquet, one example in each row."""

    scaling: str = setting(
        "auto", "none, unit (to [0, 1]), standard (mean 0, variance 1); auto: standard", choices=SCALINGS
    )
    label: Any = setting(None, "the column with the labels, of any type; null: none")
    drop: list[Any] = setting([], "columns to leave out")
    drop_constant: bool = setting(False, "whether constant columns are left out, not refused")

    def read(self) -> Any:
        """The numeric columns."""
        from contractive.data.readers.table import read_table

        return read_table(
            self.path,
            val_path=self.val_path,
            test_path=self.test_path,
            label=self.label,
            drop=self.drop,
            drop_constant=self.drop_constant,
        )
