"""How the files of a run are written: whole, or not at all."""

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def write_atomically(path: Path, content: str | bytes) -> Path:
    """Put a file in its place in one step, and return its path: a reader never meets half of it.

    Folders that are missing are made; what ``path`` was before stays if anything goes wrong.

    Raises:
        OSError: if it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with unfinished.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        return unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    r"""A table with a column for each key of any row; what a row lacks is left empty.

    >>> csv_text([{"job": 0, "loss": 2.5}, {"job": 1, "status": "failed"}])
    'job,loss,status\r\n0,2.5,\r\n1,,failed\r\n'
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(dict.fromkeys(key for row in rows for key in row)))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
