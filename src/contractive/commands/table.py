"""The runs of a sweep in lines: one when each ends, and a table of all of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from contractive.commands.console import console
from contractive.commands.naming import short_value
from contractive.runs.directory import find_runs
from contractive.runs.files import csv_text, write_atomically
from contractive.runs.reading import FINISHED, read_run
from contractive.training.lines import SHORT, duration, measured
from contractive.training.settings import DECIDING

MEASURED = ("job", "status", "epochs", "best_epoch", "seconds", "val", "test", "train")
SHOWN = ("test/error", "test/loss", "test/reconstruction", "test/penalty")
# What is left out where there is no room comes last.
IN_TABLE = (*DECIDING, "test/knn_error")

Row = dict[str, Any]


def write_table(directory: Path, known: dict[Path, Row] | None = None) -> list[Row]:
    """Write ``sweep.csv``, a row for every run under ``directory``, and return the rows.

    Args:
        directory: the sweep's.
        known: rows of finished runs, which are not read again; those that are new are added.
    """
    known = {} if known is None else known
    rows = []
    for path in find_runs(directory):
        row = known.get(path)
        if row is None:
            run = read_run(path, path.relative_to(directory).as_posix())
            row = {"job": run.name, "status": run.error or run.status} | run.overrides | run.metrics
            if run.finished:
                known[path] = row
        rows.append(row)
    write_atomically(directory / "sweep.csv", csv_text(rows))
    return rows


def job_line(row: Row, ended: int, jobs: int | None, left: float | None, width: int | None) -> str:
    """One run of a sweep: which of how many, its name, figures and seconds, and the time left for the others.

    In short words, and without what there is no room for, where ``width`` says how many columns there are.
    """
    count = f"{ended}/{jobs}" if jobs else str(ended)
    if row["status"] != FINISHED:
        return f"{count}  {row['job']}  {row['status']}"[:width]
    terms = {name.partition("/")[2]: row[name] for name in SHOWN if name in row}
    seconds, others = f"{row.get('seconds', 0.0):.0f} s", [f"{duration(left)} left"] if left else []
    head = f"{count}  {row['job']}"
    items = [head, *measured(terms), seconds, *others]
    if width is not None and len("  ".join(items)) > width:
        items = [head, *measured(terms, SHORT), seconds, *others]
        while len(items) > 1 and len("  ".join(items)) > width:
            items.pop()
    return "  ".join(items)[:width]


def print_table(rows: Sequence[Row], optimized: Sequence[str] = ()) -> None:
    """Print the test figures of each run beside what it overrides, and mark the best.

    Args:
        rows: as :func:`write_table` returns them.
        optimized: the metrics of ``optimized_metric``: with several, those are marked that no other run beats
            in all of them.
    """
    columns = dict.fromkeys(column for row in rows for column in row)
    overridden = [column for column in columns if column.split("/")[0] not in MEASURED]
    # What all runs share need not be read in every line, nor what the names say.
    overridden = [c for c in overridden if len({row.get(c) for row in rows}) > 1] or overridden
    named = [c for c in overridden if not all(_in_name(c, row) for row in rows)]
    figures = list(dict.fromkeys([*optimized, *IN_TABLE]))
    figures = [name for name in figures if name in columns]
    best = best_rows(rows, optimized)
    notes = [f"* best by {', '.join(optimized)}"] if best else []
    if (
        best
        and any(name.endswith("/loss") for name in optimized)
        and {"model.lam", "head.lam"} & set(overridden)
    ):
        notes[0] += ", which contains lam: the smallest lam wins"
    if chance := max((row.get("test/probe_error_se", 0.0) for row in rows), default=0.0):
        notes.append(f"Errors in %; chance alone moves each by up to ± {chance:.2g}")
    failed = [f"{row['job']}: {row['status']}" for row in rows if row["status"] != FINISHED]
    out = console()
    texts = [
        ["*" if number in best else "", row["job"], *(str(row.get(name, "")) for name in named)]
        for number, row in enumerate(rows)
    ]
    numbers = {name: [f"{row[name]:.4g}" if name in row else "" for row in rows] for name in figures}
    room = out.width - sum(2 + max(map(len, column)) for column in zip(["", "job", *named], *texts))
    # The whole names where there is room for all, else the stage above the term.
    stacked = sum(2 + max(map(len, (name, *numbers[name]))) for name in figures) > room
    shown: list[str] = []
    for name in figures:
        head = name.split("/") if stacked else [name]
        room -= 2 + max(map(len, (*head, *numbers[name])))
        if room < 0:
            notes.append(f"No room for {', '.join(figures[len(shown) :])}")
            break
        shown.append(name)
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for name in ("", "job", *named):
        table.add_column(name, no_wrap=True)
    for name in shown:
        table.add_column(name.replace("/", "\n") if stacked else name, justify="right", no_wrap=True)
    for number, cells in enumerate(texts):
        values = (numbers[name][number] for name in shown)
        table.add_row(*map(Text, (*cells, *values)), style="bold" if number in best else "")
    out.print(table)
    for line in (*notes, *failed):
        out.print(Text(line), soft_wrap=True)


def best_rows(rows: Sequence[Row], optimized: Sequence[str]) -> set[int]:
    """The numbers of the rows that no other beats: in one metric the lowest, in several the Pareto set."""
    values = {
        number: [float(row[name]) for name in optimized]
        for number, row in enumerate(rows)
        if row["status"] == FINISHED and optimized and all(name in row for name in optimized)
    }
    if len(values) < 2:
        return set()

    def beaten(mine: list[float]) -> bool:
        return any(other != mine and all(a <= b for a, b in zip(other, mine)) for other in values.values())

    return {number for number, mine in values.items() if not beaten(mine)}


def _in_name(key: str, row: Mapping[str, Any]) -> bool:
    last = key.replace("/", ".").rpartition(".")[2]
    return f"_{last}={short_value(str(row.get(key)))}_" in f"{row['job']}_"
