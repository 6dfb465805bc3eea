"""How the files of a run are written: whole, or not at all."""

import csv
import io
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

UNFINISHED = re.compile(r"\..+\.\d+\.tmp(\.\w+)?")  # as :func:`unfinished` names what it writes to


@contextmanager
def unfinished(path: Path) -> Iterator[Path]:
    """A file beside ``path`` to write to, which takes its place when all went well, in one step.

    Folders that are missing are made; what ``path`` was before stays if anything goes wrong.

    Raises:
        OSError: naming ``path``, if it cannot be written.
    """
    # With the suffix at its end, for writers that go by it.
    beside = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield beside
            with beside.open("rb+") as file:
                os.fsync(file.fileno())
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise


def write_atomically(path: Path, content: str | bytes) -> Path:
    """Write a file as :func:`unfinished` does, and return its path: a reader never meets half of it."""
    with unfinished(path) as beside:
        beside.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def append(path: Path, text: str) -> None:
    """Add to the end of a file with a single short write; a reader may meet a part of it.

    Raises:
        OSError: naming ``path``, if it cannot be written.
    """
    with naming(path), path.open("a", newline="") as file:
        file.write(text)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Say which file could not be written: of a full disk the error does not tell."""
    try:
        yield
    except OSError as error:
        raise type(error)(f"could not write {path}: {error.strerror or error}") from error


def remove_unfinished(directory: Path) -> None:
    """Remove what a process that was killed left half written in the directory of a run."""
    for folder in (directory, *(path for path in directory.glob("*") if path.is_dir())):
        for path in folder.glob(".*.tmp*"):
            if UNFINISHED.fullmatch(path.name):
                path.unlink(missing_ok=True)


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
