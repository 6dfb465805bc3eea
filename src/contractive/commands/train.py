"""The command line around a run: checks before it, one clear line when something is wrong.

Nothing here imports torch.
"""

import logging
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from contractive.commands.check import check_config
from contractive.commands.explain import explain
from contractive.runs.directory import unused_directory

log = logging.getLogger(__name__)

CONFIG_DIR = Path(__file__).parents[3] / "conf"
FULL_ERROR = os.environ.get("HYDRA_FULL_ERROR", "0") not in ("", "0")


OmegaConf.register_new_resolver("unused_directory", unused_directory, use_cache=True, replace=True)


def plain(config: DictConfig) -> dict[str, Any]:
    """The settings of a job in plain containers, without Hydra's own and without the parts that are built
    from their ``_target_``."""
    settings = [str(key) for key in config if key not in ("hydra", "callbacks", "logger")]
    container = OmegaConf.to_container(OmegaConf.masked_copy(config, settings), resolve=True)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}


def make_run_directory(path: str) -> None:
    """Make the directory of a run.

    Raises:
        OSError: if it cannot be made or written to.
    """
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise OSError(
            f"hydra.run.dir: {path!r} cannot be written to ({error.strerror}): choose another"
        ) from error


class CheckConfig(Callback):
    """A Hydra callback that checks a single run's configuration before anything is written."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Leave with one line and exit code 1 if the configuration is wrong."""
        try:
            check_config(plain(config))
            make_run_directory(config.hydra.run.dir)
        except Exception as error:
            # Hydra turns an exception in a callback into a warning; leaving is what it lets through.
            if FULL_ERROR:
                log.exception("The configuration is wrong")
            sys.exit(one_line(error))


def run_job(config: DictConfig, train: Callable[[DictConfig, Path], float]) -> float:
    """Check one job's configuration and train.

    In a sweep a job that fails says so in one line, and in ``error.txt``, and the others go on; its value
    for an optimising sweeper is then NaN.
    """
    hydra = HydraConfig.get()
    directory = Path(hydra.runtime.output_dir)
    try:
        (directory / "error.txt").unlink(missing_ok=True)  # of an earlier try in the same directory
        # Again, since a sweep's jobs and a configuration of another run do not pass CheckConfig.
        check_config(plain(config))
        return train(config, directory)
    except Exception as error:
        line = one_line(error)
        (directory / "error.txt").write_text(line + "\n")
        if hydra.mode != RunMode.MULTIRUN:
            if FULL_ERROR:
                raise
            # Hydra would put a line of its own above what is raised here.
            sys.exit(line)
        log.error(line, exc_info=FULL_ERROR)
        return math.nan


def main_or_one_line(main: Callable[[], Any]) -> None:
    """Run Hydra's ``main``; an error becomes one line on stderr and exit code 1.

    ``HYDRA_FULL_ERROR=1`` shows the traceback instead.
    """
    # With it Hydra raises what happened instead of printing it in its own way.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        main()
    except Exception as error:
        if FULL_ERROR:
            raise
        sys.exit(one_line(error))


def one_line(error: BaseException) -> str:
    """What went wrong, in one line."""
    text = " ".join(str(error).split())
    if type(error).__module__.startswith(("hydra.", "omegaconf.")) or text.startswith(
        "Config group override"
    ):
        return f"error: {explain(error, CONFIG_DIR)}"
    if isinstance(error, OSError) and error.strerror:
        return f"error: {error.strerror}: {str(error.filename)!r}"
    if isinstance(error, ValueError | OSError | ArithmeticError):
        return f"error: {text}"
    return f"error: {type(error).__name__}: {text} (HYDRA_FULL_ERROR=1 shows the traceback)"
