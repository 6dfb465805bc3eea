"""What a sweep leaves behind: a table of its runs."""

import csv
import json
import sys
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.table import Table

SHOWN = ("test/loss", "test/reconstruction", "test/penalty")


def read_run(directory: Path) -> dict[str, Any]:
    """One row: whether the run finished, what it overrode, and its figures.

    Args:
        directory: a run's directory; it may lack anything.
    """
    row: dict[str, Any] = {"status": "finished"}
    overrides = directory / ".hydra" / "overrides.yaml"
    if overrides.is_file():
        for override in OmegaConf.load(overrides):
            key, _, value = str(override).partition("=")
            row[key.lstrip("+")] = value
    metrics = directory / "metrics.json"
    if metrics.is_file():
        row |= json.loads(metrics.read_text())
    else:
        error = directory / "error.txt"
        row["status"] = error.read_text().strip() if error.is_file() else "not finished"
    return row


def write_table(directory: Path) -> list[dict[str, Any]]:
    """Write ``sweep.csv``, a row for every run under ``directory``, and return the rows."""
    runs = sorted((path.parent for path in directory.rglob(".hydra")), key=_job_order)
    rows = [{"job": run.relative_to(directory).as_posix()} | read_run(run) for run in runs]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    unfinished = directory / "sweep.csv.tmp"
    with unfinished.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    unfinished.replace(directory / "sweep.csv")
    return rows


def print_table(rows: list[dict[str, Any]]) -> None:
    """Print the overridden values of each run beside its test figures."""
    overridden = [c for c in dict.fromkeys(c for row in rows for c in row) if _is_override(c)]
    # What all runs share need not be read in every line.
    overridden = [c for c in overridden if len({row.get(c) for row in rows}) > 1] or overridden
    table = Table("job", *overridden, *SHOWN)
    for row in rows:
        finished = row["status"] == "finished"
        figures = [f"{row[name]:.4g}" for name in SHOWN] if finished else [row["status"]]
        table.add_row(row["job"], *(str(row.get(name, "")) for name in overridden), *figures)
    Console().print(table)


class SweepTable(Callback):
    """A Hydra callback that prints and writes the table when a sweep ends."""

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Print the table, write ``sweep.csv``, and leave with exit code 1 if a run did not finish."""
        # Here, not above: every run imports this file, and the plots take their time.
        from contractive.report import write_report

        directory = Path(config.hydra.sweep.dir)
        rows = write_table(directory)
        print_table(rows)
        print(f"Written to {directory / 'sweep.csv'} and {write_report(directory)}")
        print(f"Look at it:  tensorboard --logdir {directory}")
        if failed := [row["job"] for row in rows if row["status"] != "finished"]:
            sys.exit(f"{len(failed)} of {len(rows)} runs did not finish: {', '.join(failed)}")


def _is_override(column: str) -> bool:
    return column not in ("job", "status", "epochs", "best_epoch", "seconds") and not column.startswith(
        ("val/", "test/", "train/")
    )


def _job_order(directory: Path) -> tuple[int, str]:
    return (int(directory.name) if directory.name.isdigit() else sys.maxsize, directory.name)
