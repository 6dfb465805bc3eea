"""A sweep: its directory, the table of its runs, and what is left to do of one that was stopped."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.table import Table

from contractive.commands.signals import last_words
from contractive.runs.directory import LAST, SETTINGS, find_runs, only_run_in
from contractive.runs.files import csv_text, write_atomically
from contractive.runs.reading import FINISHED, changes, read_run
from contractive.training.recording import comparable, load_settings
from contractive.training.settings import TopLevel

MEASURED = ("job", "status", "epochs", "best_epoch", "seconds", "val", "test", "train")
SHOWN = ("test/loss", "test/reconstruction", "test/penalty")
SHOWN_IF_THERE = ("test/probe_error", "test/knn_error", "test/probe_r2")  # of data with labels
SWEEP = "multirun.yaml"  # what Hydra calls the record of a sweep

held = ExitStack()  # the directory of the sweep that is under way in this process


Row = dict[str, Any]


def take_up(config: DictConfig, directory: Path) -> dict[str, float]:
    """What an earlier try at the sweep left of a job: its figures, empty if it did not finish.

    A job that was stopped on its way is told by ``config.resume`` to go on from its last checkpoint.

    Raises:
        FileExistsError: if the directory holds a run with other settings.
    """
    if not (directory / SETTINGS).is_file():
        return {}
    if others := changes(comparable(load_settings(directory)), comparable(config)):
        said = f"{str(directory)!r} holds a run with other settings ({', '.join(others)})"
        raise FileExistsError(f"{said}: choose another hydra.sweep.dir")
    run = read_run(directory, directory.name)
    wanted = TopLevel(optimized_metric=config.optimized_metric).optimized
    if run.finished and all(name in run.metrics for name in wanted):
        return run.metrics
    if (directory / LAST).is_file():
        config.resume = str(directory / LAST)
    return {}


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


def print_table(rows: list[dict[str, Any]]) -> None:
    """Print the overridden values of each run beside its test figures."""
    columns = dict.fromkeys(column for row in rows for column in row)
    overridden = [column for column in columns if column.split("/")[0] not in MEASURED]
    # What all runs share need not be read in every line.
    overridden = [c for c in overridden if len({row.get(c) for row in rows}) > 1] or overridden
    measured = [*SHOWN, *(name for name in SHOWN_IF_THERE if name in columns)]
    chance = max((row.get("test/probe_error_se", 0.0) for row in rows), default=0.0)
    caption = f"Errors in %; chance alone moves each by up to ± {chance:.2g}" if chance else None
    table = Table("job", *overridden, *measured, caption=caption, caption_justify="left")
    for row in rows:
        shown = [f"{row[name]:.4g}" if name in row else "" for name in measured]
        figures = shown if row["status"] == FINISHED else [row["status"]]
        table.add_row(row["job"], *(str(row.get(name, "")) for name in overridden), *figures)
    Console().print(table)


class SweepTable(Callback):
    """A Hydra callback that keeps a sweep's directory for it, and writes and prints the table of its runs."""

    def __init__(self) -> None:
        self._rows: dict[Path, Row] = {}  # of runs that have finished

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Leave with one line and exit code 1 if the directory is in use, or holds another sweep."""
        directory = Path(config.hydra.sweep.dir)
        try:
            held.enter_context(only_run_in(directory))
            check_same_sweep(config, directory)
            write_atomically(directory / SWEEP, OmegaConf.to_yaml(config))
        except Exception as error:
            # Hydra turns an exception in a callback into a warning; leaving is what it lets through.
            sys.exit(f"error: {error}")
        last_words[:] = [lambda: self._say_what_is_there(directory)]

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """Bring ``sweep.csv`` up to date; of a launcher with several processes in the one of the job."""
        if config.hydra.mode == RunMode.MULTIRUN:
            write_table(Path(config.hydra.sweep.dir), self._rows)

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Print the table, write ``sweep.csv``, and leave with exit code 1 if a run did not finish."""
        # Here, not above: every run imports this file, and the plots take their time.
        from contractive.report import write_report

        directory = Path(config.hydra.sweep.dir)
        last_words.clear()
        held.close()
        rows = write_table(directory)
        print_table(rows)
        print(f"Written to {directory / 'sweep.csv'} and {write_report(directory)}")
        print(f"Look at it:  tensorboard --logdir {directory}")
        if failed := [row["job"] for row in rows if row["status"] != FINISHED]:
            sys.exit(f"{len(failed)} of {len(rows)} runs did not finish: {', '.join(failed)}")

    def _say_what_is_there(self, directory: Path) -> None:
        rows = write_table(directory, self._rows)
        if rows:
            print_table(rows)
        finished = sum(row["status"] == FINISHED for row in rows)
        print(f"The sweep was stopped with {finished} runs finished; {directory / 'sweep.csv'} holds them.")
        print(f"Take it up:  the same command with hydra.sweep.dir={directory}")


def check_same_sweep(config: DictConfig, directory: Path) -> None:
    """Check that a sweep that lies in ``directory`` already is the one that ``config`` describes.

    Raises:
        FileExistsError: if it is another one.
    """
    if not (directory / SWEEP).is_file():
        return
    before = OmegaConf.load(directory / SWEEP)
    typed, now = (set(OmegaConf.select(each, "hydra.overrides.task")) for each in (before, config))
    others = [f"without {each}" for each in sorted(typed - now)] + [
        f"with {each}" for each in sorted(now - typed)
    ]
    if others := others or changes(comparable(before), comparable(config)):
        said = f"{str(directory)!r} holds another sweep; this one is {', '.join(others)}"
        raise FileExistsError(
            f"hydra.sweep.dir: {said}: give the same command to take it up, or choose another"
        )
