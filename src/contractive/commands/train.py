"""The command line around a run: checks before it, one clear line when something is wrong."""

import logging
import math
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from contractive.commands import schemas
from contractive.commands.arguments import split_arguments, with_quotes
from contractive.commands.check import check_config, plain
from contractive.commands.errors import FULL_ERROR, one_line
from contractive.commands.help import print_help
from contractive.commands.launching import cores, threads_of_a_run
from contractive.commands.naming import name_in_sweep
from contractive.commands.resume import arguments_to_resume
from contractive.commands.schemas import CONFIG_DIR
from contractive.commands.summary import print_summary
from contractive.commands.sweep import take_up
from contractive.runs.directory import is_first_process, only_run_in, started_by, unused_directory
from contractive.runs.files import write_atomically
from contractive.training.encoders import taken_over
from contractive.training.recording import record_settings

log = logging.getLogger(__name__)

OmegaConf.register_new_resolver("unused_directory", unused_directory, use_cache=True, replace=True)
OmegaConf.register_new_resolver("name_in_sweep", name_in_sweep, replace=True)
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
def main(config: DictConfig) -> float | tuple[float, ...] | None:
    """Check one job's configuration and train; the value is the metric that ``optimized_metric`` names.

    In a sweep a job that fails says so in one line, and in ``error.txt``, and the others go on; it has no
    value, by which an optimising sweeper sees that it failed (a NaN would end the search).
    """
    job = HydraConfig.get()
    directory, alone = Path(job.runtime.output_dir), job.mode != RunMode.MULTIRUN
    try:
        take_over_encoder(config, job.overrides.task)
        with only_run_in(directory):
            if not alone and (earlier := take_up(config, directory)):
                return value_of(earlier, config.optimized_metric)
            return job_in(directory, config, summary=alone)
    except Exception as error:
        line = one_line(error, config)
        if alone:
            if FULL_ERROR:
                raise
            # Hydra would put a line of its own above what is raised here.
            sys.exit(line)
        # In a sweep the line of the run says it.
        log.info(line, exc_info=FULL_ERROR)
        if isinstance(error, BlockingIOError | FileExistsError):
            raise  # the directory, and so its row in the table, is that of another run
        return None


def take_over_encoder(config: DictConfig, overrides: Sequence[str]) -> None:
    """Put the network and the data of the run that ``encoder`` names in the place of the defaults."""
    typed = [override.lstrip("+~").partition("=")[0].replace("/", ".") for override in overrides]
    with open_dict(config):
        for name, value in taken_over(plain(config), typed).items():
            config[name] = value


def job_in(directory: Path, config: DictConfig, *, summary: bool) -> float | tuple[float, ...]:
    """Check and train in a directory that is the job's own; why it failed is left there in ``error.txt``."""
    (directory / "error.txt").unlink(missing_ok=True)  # of an earlier try
    try:
        if config.get("resume") is None and is_first_process():
            record_settings(directory, config, None)
        # Again, since a sweep's jobs and a configuration of another run do not pass CheckConfig.
        check_config(plain(config))
        threads = None if summary else threads_of_a_run(HydraConfig.get().launcher, cores())
        return train(config, directory, threads, summary=summary)
    except Exception as error:
        if is_first_process():
            with suppress(OSError):  # on a full disk, say: what went wrong is what counts
                write_atomically(directory / "error.txt", one_line(error, config) + "\n")
        raise


def value_of(metrics: Mapping[str, float], named: Any) -> float | tuple[float, ...]:
    """The metric that ``optimized_metric`` names, or all of its list; NaN for one that is not there."""
    if isinstance(named, str) or not isinstance(named, Sequence):
        return float(metrics.get(named, math.nan))
    return tuple(float(metrics.get(name, math.nan)) for name in named)


def train(
    config: DictConfig, directory: Path, threads: int | None = None, *, summary: bool = True
) -> float | tuple[float, ...]:
    """Train, print what came of it, if asked to, and return the metric that ``optimized_metric`` names."""
    # Torch and Lightning take seconds to import: only once the configuration is known to be valid.
    import torch
    from lightning.pytorch.utilities import rank_zero_only

    from contractive.training import fit

    if threads is not None:
        torch.set_num_threads(min(threads, torch.get_num_threads()))
    run = fit(config, directory=directory)
    if summary:
        rank_zero_only(print_summary)(run)
    return value_of(run.metrics, config.optimized_metric)


def main_or_one_line() -> None:
    """Run :func:`main`; an error becomes one line on stderr and exit code 1.

    ``HYDRA_FULL_ERROR=1`` shows the traceback instead.
    """
    # With it Hydra raises what happened instead of printing it in its own way.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        _check_working_directory()
        if {"-h", "--help"} & set(sys.argv):
            print_help(sys.argv[1:])
        else:
            if started_by() is None:  # who started it has understood them already
                sys.argv[1:] = understandable(sys.argv[1:])
            main()
    except Exception as error:
        if FULL_ERROR:
            raise
        sys.exit(one_line(error))


def _check_working_directory() -> None:
    try:
        Path.cwd()
    except OSError as error:
        said = f"the working directory is not there any more ({error.strerror})"
        raise OSError(f"{said}: change to one that is") from error


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
