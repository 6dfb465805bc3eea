"""The command line around a run: checks before it, one clear line when something is wrong."""

import logging
import math
import os
import shlex
import sys
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.table import Table

from contractive.commands import schemas
from contractive.commands.arguments import split_arguments, with_quotes
from contractive.commands.check import check_config, plain
from contractive.commands.explain import explain
from contractive.commands.help import print_help
from contractive.commands.resume import arguments_to_resume
from contractive.commands.schemas import CONFIG_DIR
from contractive.commands.sweep import take_up
from contractive.runs.directory import command_to_resume, only_run_in, unused_directory
from contractive.runs.files import write_atomically
from contractive.training.recording import record_settings

if TYPE_CHECKING:
    from contractive.training.fitting import Run

log = logging.getLogger(__name__)

FULL_ERROR = os.environ.get("HYDRA_FULL_ERROR", "0") not in ("", "0")

OmegaConf.register_new_resolver("unused_directory", unused_directory, use_cache=True, replace=True)
schemas.register()


class CheckConfig(Callback):
    """A Hydra callback that checks a single run's configuration before anything is written."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Leave with one line and exit code 1 if the configuration is wrong."""
        try:
            check_config(plain(config))
            _make_run_directory(config.hydra.run.dir)
        except Exception as error:
            # Hydra turns an exception in a callback into a warning; leaving is what it lets through.
            if FULL_ERROR:
                log.exception("The configuration is wrong")
            sys.exit(one_line(error))


def _make_run_directory(path: str) -> None:
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=path).close()
    except OSError as error:
        said = f"{path!r} cannot be written to ({error.strerror})"
        raise OSError(f"hydra.run.dir: {said}: choose another") from error


@hydra.main(version_base="1.3", config_path=str(CONFIG_DIR), config_name="config")
def main(config: DictConfig) -> float:
    """Check one job's configuration and train; the value is the metric that ``optimized_metric`` names.

    In a sweep a job that fails says so in one line, and in ``error.txt``, and the others go on; its value
    for an optimising sweeper is then NaN.
    """
    job = HydraConfig.get()
    directory, alone = Path(job.runtime.output_dir), job.mode != RunMode.MULTIRUN
    try:
        with only_run_in(directory):
            if not alone and (earlier := take_up(config, directory)):
                return float(earlier[config.optimized_metric])
            return job_in(directory, config)
    except Exception as error:
        line = one_line(error)
        if alone:
            if FULL_ERROR:
                raise
            # Hydra would put a line of its own above what is raised here.
            sys.exit(line)
        log.error(line, exc_info=FULL_ERROR)
        if isinstance(error, BlockingIOError | FileExistsError):
            raise  # the directory, and so its row in the table, is that of another run
        return math.nan


def job_in(directory: Path, config: DictConfig) -> float:
    """Check and train in a directory that is the job's own; why it failed is left there in ``error.txt``."""
    (directory / "error.txt").unlink(missing_ok=True)  # of an earlier try
    try:
        if config.get("resume") is None:
            record_settings(directory, config, None)
        # Again, since a sweep's jobs and a configuration of another run do not pass CheckConfig.
        check_config(plain(config))
        return train(config, directory)
    except Exception as error:
        write_atomically(directory / "error.txt", one_line(error) + "\n")
        raise


def train(config: DictConfig, directory: Path) -> float:
    """Train, print what came of it, and return the metric that ``optimized_metric`` names."""
    # Torch and Lightning take seconds to import: only once the configuration is known to be valid.
    from lightning.pytorch.utilities import rank_zero_only

    from contractive.training import fit

    run = fit(config, directory=directory)
    rank_zero_only(print_summary)(run)
    return float(run.metrics[config.optimized_metric])


def print_summary(run: "Run") -> None:
    """Print the figures, where the run was written, and what to type next."""
    metrics, epochs, where = run.metrics, run.epochs, run.directory
    title = f"Best of {epochs} epochs: {metrics['best_epoch']}"
    table = Table("", "validation", "test", title=title, title_justify="left")
    for term in (key.removeprefix("test/") for key in metrics if key.startswith("test/")):
        table.add_row(term, f"{metrics[f'val/{term}']:.5g}", f"{metrics[f'test/{term}']:.5g}")
    Console().print(table)
    where = where.relative_to(Path.cwd()) if where.is_relative_to(Path.cwd()) else where
    print(f"Written to {where} in {metrics['seconds']:.0f} s")
    if any(run.directory.glob("events.out.tfevents.*")):
        print(f"Look at it:  {shlex.join(['tensorboard', '--logdir', str(where)])}")
    if run.last.is_file():
        print(f"Resume it:   {command_to_resume(run.directory, f'trainer.max_epochs={2 * epochs}')}")


def main_or_one_line() -> None:
    """Run :func:`main`; an error becomes one line on stderr and exit code 1.

    ``HYDRA_FULL_ERROR=1`` shows the traceback instead.
    """
    # With it Hydra raises what happened instead of printing it in its own way.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        if {"-h", "--help"} & set(sys.argv):
            print_help(sys.argv[1:])
        else:
            sys.argv[1:] = understandable(sys.argv[1:])
            main()
    except Exception as error:
        if FULL_ERROR:
            raise
        sys.exit(one_line(error))


def understandable(arguments: list[str]) -> list[str]:
    """The arguments as Hydra reads them: texts in quotes, and those of the run that ``resume=`` names.

    Raises:
        ValueError, FileNotFoundError: if there is no such run, or more is asked for than to go on with it.
    """
    flags, overrides = split_arguments(arguments)
    sweeps = bool({"-m", "--multirun"} & set(flags))
    named = [override for override in overrides if override.startswith(("resume=", "+resume="))]
    others = [with_quotes(override, sweeps=sweeps) for override in overrides if override not in named]
    if not named or named[-1].endswith(("=", "=null")):
        return [*flags, *others]
    if flags:
        raise ValueError(f"resume= takes the configuration of its run: leave out {' '.join(flags)}")
    return arguments_to_resume(named[-1].partition("=")[2], others)


def one_line(error: BaseException) -> str:
    """What went wrong, in one line."""
    text = " ".join(str(error).split())
    is_theirs = type(error).__module__.startswith(("hydra.", "omegaconf."))
    if is_theirs or text.startswith("Config group override"):
        return f"error: {explain(error)}"
    if isinstance(error, OSError) and error.strerror:
        return f"error: {error.strerror}: {str(error.filename)!r}"
    if isinstance(error, ValueError | OSError | ArithmeticError):
        return f"error: {text}"
    return f"error: {type(error).__name__}: {text} (HYDRA_FULL_ERROR=1 shows the traceback)"
