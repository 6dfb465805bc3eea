"""``curves.csv``: how a run went, one row for each epoch.

Its columns are ``epoch``, counted from one, ``step``, how many steps were taken by its end, and whatever else
was measured; a cell may be empty.
"""

import csv
import logging
import math
from pathlib import Path
from typing import BinaryIO

from contractive.runs.files import append, csv_text, write_atomically

FILE = "curves.csv"
MOST_BYTES = 2**25  # some 200,000 epochs
LONGEST_LINE = 2**16
Row = dict[str, float]

log = logging.getLogger(__name__)


class CurveWriter:
    """Adds rows to the curves of a run, each with a single short write.

    Args:
        directory: the run's. Of a run that lies there already the rows up to ``step`` are kept.
        step: from where the run goes on; 0 for a new one.
    """

    def __init__(self, directory: Path, step: int) -> None:
        self.path = directory / FILE
        kept = [row for row in self._rows() if row["step"] <= step]
        self._rewrite([row | {name: int(row[name]) for name in ("epoch", "step")} for row in kept])

    def add(self, row: Row) -> None:
        """Add the row of one epoch; a column that is new is empty in the rows above."""
        if row.keys() <= self._columns.keys():
            append(self.path, csv_text([{**self._columns, **row}]).splitlines(keepends=True)[1])
        else:
            self._rewrite([*self._rows(), row])

    def _rows(self) -> list[Row]:
        if not self.path.is_file():
            return []
        rows, problem = read_curves(self.path.parent)
        if problem:
            log.warning("%s: %s", self.path, problem)
        return rows

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
    rows: list[Row] = []
    number = 1
    with (directory / FILE).open("rb") as file:
        try:
            columns = next(csv.reader([_line(file)]), [])
            while text := _line(file):
                number += 1
                rows.append(_row(columns, text))
                if file.tell() > MOST_BYTES:
                    return rows, f"it is larger than {MOST_BYTES / 2**20:.0f} MiB: read up to there"
        except (ValueError, csv.Error):
            return rows, f"line {number} is damaged or cut off: read up to there"
    return rows, "" if rows else "it holds no rows"


def _line(file: BinaryIO) -> str:
    return file.readline(LONGEST_LINE).decode(errors="replace")


def _row(columns: list[str], text: str) -> Row:
    cells = text.strip().split(",")
    # A number that was cut short would still be a number: only the end of the line tells.
    if not text.endswith("\n") or len(cells) != len(columns):
        raise ValueError
    row = {name: float(cell) for name, cell in zip(columns, cells) if cell}
    if not all(math.isfinite(row.get(name, math.nan)) for name in ("epoch", "step")):
        raise ValueError
    return row
