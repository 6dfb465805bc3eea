"""``curves.csv``: how a run went, one row for each epoch.

Its columns are ``epoch``, counted from one, ``step``, how many steps were taken by its end, and whatever else
was measured; a cell may be empty.
"""

import csv
from collections.abc import Mapping
from pathlib import Path

from contractive.runs.files import csv_text, write_atomically

FILE = "curves.csv"
Row = Mapping[str, float]


class CurveWriter:
    """Adds rows to the curves of a run, each with a single short write.

    Args:
        directory: the run's. Of a run that lies there already the rows up to ``step`` are kept.
        step: from where the run goes on; 0 for a new one.
    """

    def __init__(self, directory: Path, step: int) -> None:
        self.path = directory / FILE
        self._rewrite([row for row in self._rows() if row["step"] <= step])

    def add(self, row: Row) -> None:
        """Add the row of one epoch; a column that is new is empty in the rows above."""
        if row.keys() <= self._columns.keys():
            with self.path.open("a", newline="") as file:
                file.write(csv_text([{**self._columns, **row}]).splitlines(keepends=True)[1])
        else:
            self._rewrite([*self._rows(), row])

    def _rows(self) -> list[Row]:
        return read_curves(self.path.parent)[0] if self.path.is_file() else []

    def _rewrite(self, rows: list[Row]) -> None:
        self._columns = dict.fromkeys([name for row in rows for name in row], "")
        if rows:
            write_atomically(self.path, csv_text(rows))
        else:
            self.path.unlink(missing_ok=True)


def read_curves(directory: Path) -> tuple[list[Row], str]:
    """The rows of a run's curves, and what is wrong with the file, empty if nothing is.

    A file that breaks off, because the run was killed, or that is damaged is read as far as it goes.

    Raises:
        OSError: if there is no such file, or it cannot be read.
    """
    lines = (directory / FILE).read_bytes().decode(errors="replace").splitlines(keepends=True)
    columns = next(csv.reader(lines[:1]), [])
    rows: list[Row] = []
    for number, line in enumerate(lines[1:], start=2):
        cells = line.strip().split(",")
        row = dict(zip(columns, cells))
        # A number that was cut short would still be a number: only the end of the line tells.
        whole = line.endswith("\n") and len(cells) == len(columns) and row.get("epoch") and row.get("step")
        try:
            if not whole:
                raise ValueError
            rows.append({name: float(cell) for name, cell in row.items() if cell})
        except ValueError:
            return rows, f"line {number} is damaged or cut off: read up to there"
    return rows, "" if rows else "it holds no rows"
