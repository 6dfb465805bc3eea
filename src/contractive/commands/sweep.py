"""A sweep: its directory, the table of its runs, and what is left to do of one that was stopped."""

import logging
import shlex
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from contractive.commands.console import ToStdout, console
from contractive.commands.launching import cores, rounds_after, runs_at_once
from contractive.commands.naming import SWEEP
from contractive.commands.signals import last_words
from contractive.commands.table import Row, job_line, print_table, write_table
from contractive.runs.directory import LAST, SETTINGS, only_run_in
from contractive.runs.files import write_atomically
from contractive.runs.reading import FINISHED, NOT_FINISHED, changes, read_run
from contractive.training.lines import surroundings
from contractive.training.recording import comparable, load_settings
from contractive.training.settings import TopLevel

held = ExitStack()  # the directory of the sweep that is under way in this process


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


class SweepTable(Callback):
    """A Hydra callback that keeps a sweep's directory for it, and says how its runs end.

    A launcher with several processes takes it to each of them.
    """

    def __init__(self) -> None:
        self._rows: dict[Path, Row] = {}  # of runs that have finished
        self._jobs: int | None = None
        self._started, self._before = time.time(), 0

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
        self._jobs = number_of_jobs(config)
        self._before = sum(row["status"] == FINISHED for row in write_table(directory, self._rows))
        last_words[:] = [lambda: self._say_what_is_there(directory, config)]

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Tell what shows the progress of a run what is around it."""
        if config.hydra.mode != RunMode.MULTIRUN:
            return
        # A line for each run; what else it says is in its train.log.
        for handler in logging.getLogger().handlers:
            if isinstance(handler, ToStdout):
                handler.setLevel(logging.ERROR)
        number = config.hydra.job.num
        surroundings.alone = config.hydra.launcher._target_.endswith("BasicLauncher")
        surroundings.name = f"run {number + 1}{f'/{self._jobs}' if self._jobs else ''}, "
        at_once = runs_at_once(config.hydra.launcher, cores())
        surroundings.runs = rounds_after(number, self._jobs, at_once) if self._jobs else 0
        surroundings.later = self._mean_seconds() * surroundings.runs

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """Say in one line how a run ended, and bring ``sweep.csv`` up to date."""
        if config.hydra.mode != RunMode.MULTIRUN:
            return
        directory = Path(config.hydra.sweep.dir)
        name = Path(config.hydra.runtime.output_dir).relative_to(directory.absolute()).as_posix()
        rows = write_table(directory, self._rows)
        ended = sum(row["status"] != NOT_FINISHED for row in rows)
        row = next((row for row in rows if row["job"] == name), {"job": name, "status": NOT_FINISHED})
        left = None
        if self._jobs and (new := ended - self._before) > 0:
            each = (time.time() - self._started) / new  # of all launchers: some run several at once
            left = (self._jobs - ended) * (self._mean_seconds() if surroundings.alone else each)
        out = console()
        print(job_line(row, ended, self._jobs, left, out.width if out.is_terminal else None), flush=True)

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Print the table, write ``sweep.csv``, and leave with exit code 1 if a run did not finish."""
        # Here, not above: every run imports this file, and the plots take their time.
        from contractive.report import write_report

        directory = Path(config.hydra.sweep.dir)
        last_words.clear()
        held.close()
        rows = write_table(directory, self._rows)
        print_table(rows, TopLevel(optimized_metric=config.optimized_metric).optimized)
        print(f"Written to {directory / 'sweep.csv'} and {write_report(directory)}")
        if next(directory.rglob("events.out.tfevents.*"), None):
            print(f"Look at it:  {shlex.join(['tensorboard', '--logdir', str(directory)])}")
        if failed := [row["job"] for row in rows if row["status"] != FINISHED]:
            sys.exit(f"{len(failed)} of {len(rows)} runs did not finish: {', '.join(failed)}")

    def _mean_seconds(self) -> float:
        seconds = [row["seconds"] for row in self._rows.values() if "seconds" in row]
        return sum(seconds) / len(seconds) if seconds else 0.0

    def _say_what_is_there(self, directory: Path, config: DictConfig) -> None:
        rows = write_table(directory, self._rows)
        finished = sum(row["status"] == FINISHED for row in rows)
        if finished:
            print_table(rows, TopLevel(optimized_metric=config.optimized_metric).optimized)
        of_all = f" of {self._jobs}" if self._jobs else ""
        print(f"The sweep was stopped with {finished}{of_all} runs finished: {directory / 'sweep.csv'}")
        print(f"Take it up:  the same command with {shlex.quote(f'hydra.sweep.dir={directory}')}")
        if "submitit" in config.hydra.launcher._target_:
            print("What submitit has started may go on by itself: end it, or wait for it, before that")


def number_of_jobs(config: DictConfig) -> int | None:
    """How many runs a sweep will have; ``None`` if its sweeper does not say."""
    sweeper = config.hydra.sweeper
    if "n_trials" in sweeper:
        return int(sweeper.n_trials)
    if not sweeper._target_.endswith("BasicSweeper"):
        return None
    typed = [
        *(f"{key}={value}" for key, value in (sweeper.params or {}).items()),
        *config.hydra.overrides.task,
    ]
    try:
        overrides = OverridesParser.create().parse_overrides(typed)
        return sum(map(len, BasicSweeper.split_arguments(overrides, None)))
    except HydraException:
        return None  # the sweeper itself will say what is wrong


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
