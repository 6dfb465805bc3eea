"""What a sweep leaves behind: a table of its runs."""

import sys
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table

from contractive.runs.directory import find_runs
from contractive.runs.files import csv_text, write_atomically
from contractive.runs.reading import FINISHED, read_run

MEASURED = ("job", "status", "epochs", "best_epoch", "seconds", "val", "test", "train")
SHOWN = ("test/loss", "test/reconstruction", "test/penalty")


def write_table(directory: Path) -> list[dict[str, Any]]:
    """Write ``sweep.csv``, a row for every run under ``directory``, and return the rows."""
    runs = [read_run(path, path.relative_to(directory).as_posix()) for path in find_runs(directory)]
    rows: list[dict[str, Any]] = [
        {"job": run.name, "status": run.error or run.status} | run.overrides | run.metrics for run in runs
    ]
    write_atomically(directory / "sweep.csv", csv_text(rows))
    return rows


def print_table(rows: list[dict[str, Any]]) -> None:
    """Print the overridden values of each run beside its test figures."""
    columns = dict.fromkeys(column for row in rows for column in row)
    overridden = [column for column in columns if column.split("/")[0] not in MEASURED]
    # What all runs share need not be read in every line.
    overridden = [c for c in overridden if len({row.get(c) for row in rows}) > 1] or overridden
    table = Table("job", *overridden, *SHOWN)
    for row in rows:
        shown = [f"{row[name]:.4g}" if name in row else "" for name in SHOWN]
        figures = shown if row["status"] == FINISHED else [row["status"]]
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
        if failed := [row["job"] for row in rows if row["status"] != FINISHED]:
            sys.exit(f"{len(failed)} of {len(rows)} runs did not finish: {', '.join(failed)}")
