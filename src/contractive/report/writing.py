"""``report.html`` and ``report.csv`` from a directory of runs."""

import logging
from pathlib import Path

from contractive.report.page import page
from contractive.report.table import table_rows
from contractive.runs.directory import find_runs
from contractive.runs.files import csv_text, write_atomically
from contractive.runs.reading import read_run

log = logging.getLogger(__name__)


def write_report(directory: str | Path) -> Path:
    """Write ``report.html`` and ``report.csv`` about all runs in ``directory``.

    The runs may belong to one sweep or to many, be finished or not. What is missing or broken is told, run by
    run, as a warning in the log and on the page, and does not stop the rest.

    Args:
        directory: what ``hydra.sweep.dir`` or ``hydra.run.dir`` named, or a directory of such.

    Returns:
        The path of ``report.html``.

    Raises:
        FileNotFoundError: if there is no such directory.
        ValueError: if there is no run in it.
    """
    directory = Path(directory)
    if not directory.is_dir():
        said = f"there is no directory {str(directory)!r}"
        raise FileNotFoundError(f"{said}: name one that holds runs, such as outputs")
    paths = find_runs(directory)
    if not paths:
        remedy = "name a directory that train.py wrote to, such as outputs"
        raise ValueError(f"{str(directory)!r} holds no runs: {remedy}")
    name = directory.absolute().name  # of a run that is itself the directory
    runs = [
        read_run(path, path.relative_to(directory).as_posix() if path != directory else name)
        for path in paths
    ]
    # In the order of lam; runs without any come last.
    runs.sort(key=lambda run: float("inf") if run.lam is None else run.lam)
    html = page(runs, title=f"Runs in {'/'.join(directory.absolute().parts[-2:])}")
    for run in runs:
        for warning in run.warnings:
            log.warning("%s: %s", run.name, warning)
    write_atomically(directory / "report.csv", csv_text(table_rows(runs)))
    return write_atomically(directory / "report.html", html)
