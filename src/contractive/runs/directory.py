"""The directories of runs: claiming a new one, and finding those that are there."""

import os
from pathlib import Path

# What makes a directory that of a run: any of these lies in it.
MARKS = {".hydra", "metrics.json", "error.txt", "curves.csv"}


def unused_directory(path: str) -> str:
    """Make a directory that nobody else has and return its name: ``path``, or ``path-1``, ``path-2``, …

    Making it is what claims it, so that two runs that start in the same second never share one.

    Raises:
        OSError: if it cannot be made.
    """
    candidate, number = Path(path), 0
    while True:
        try:
            candidate.mkdir(parents=True)
            return str(candidate)
        except FileExistsError:
            if not candidate.is_dir():
                raise
        number += 1
        candidate = Path(f"{path}-{number}")


def find_runs(directory: Path) -> list[Path]:
    """The directories of runs in ``directory``, or itself if it is one, in the order of their job numbers."""
    found = []
    for folder, folders, files in os.walk(directory):
        if not MARKS.isdisjoint((*folders, *files)):
            folders.clear()  # runs do not lie in runs
            found.append(Path(folder))
    return sorted(found, key=lambda path: [_natural(part) for part in path.parts])


def _natural(part: str) -> tuple[int, str]:
    return (int(part), "") if part.isdigit() else (-1, part)
