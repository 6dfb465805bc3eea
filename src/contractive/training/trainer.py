"""Lightning's trainer and loggers, as a run takes them: in its directory, with its checkpoints, silent."""

import inspect
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning
from hydra.utils import get_object, instantiate
from lightning import Callback
from lightning.pytorch.callbacks import Checkpoint, ProgressBar
from lightning.pytorch.loggers import Logger

from contractive.training.checkpoint_io import PairedCheckpointIO

HOOKS_OF_A_BATCH = (
    *(f"on_{stage}_batch_{when}" for stage in ("train", "validation", "test") for when in ("start", "end")),
    *("on_before_zero_grad", "on_before_backward", "on_after_backward", "on_before_optimizer_step"),
)


def make_logger(node: Mapping[str, Any], directory: Path) -> Logger:
    """The logger that a node describes, writing into the run's directory unless it says where to."""
    takes = inspect.signature(get_object(node["_target_"])).parameters
    logger: Logger = instantiate({"save_dir": str(directory), **node} if "save_dir" in takes else node)
    return logger


def make_trainer(
    arguments: Mapping[str, Any], directory: Path, callbacks: Sequence[Callback], loggers: Sequence[Logger]
) -> lightning.Trainer:
    """Lightning's trainer for a run in a directory; ``arguments`` are its own."""
    # Lightning refuses a callback that does what is switched off.
    for flag, kind in (("enable_progress_bar", ProgressBar), ("enable_checkpointing", Checkpoint)):
        if arguments.get(flag) is False:
            callbacks = [callback for callback in callbacks if not isinstance(callback, kind)]
    for callback in callbacks:
        leave_out_idle_hooks(callback)
    own = {"enable_progress_bar": any(isinstance(c, ProgressBar) for c in callbacks), **arguments}
    plugins = arguments.get("plugins") or []
    own["plugins"] = [*([plugins] if isinstance(plugins, str) else plugins), PairedCheckpointIO()]
    return lightning.Trainer(**own, default_root_dir=directory, callbacks=[*callbacks], logger=[*loggers])


def leave_out_idle_hooks(callback: Callback) -> None:
    """Have Lightning pass a callback over at the hooks of every batch that it leaves as they are: empty.

    Lightning asks each callback at each of them, for 5 to 10 microseconds, unless what it finds cannot be
    called.
    """
    for hook in HOOKS_OF_A_BATCH:
        if getattr(type(callback), hook) is getattr(Callback, hook) and hook not in vars(callback):
            setattr(callback, hook, None)


@contextmanager
def quiet() -> Iterator[None]:
    """Lightning without its remarks on what it found, but with the profile that it was asked for."""
    levels = {"lightning.pytorch": logging.WARNING, "lightning.pytorch.profilers": logging.INFO}
    wanted = {logging.getLogger(name): level for name, level in levels.items()}
    before = {logger: logger.level for logger in wanted}
    with warnings.catch_warnings():
        # Batches are gathered from memory: worker processes would only copy them once more.
        for known in ("does not have many workers", "isinstance.treespec, LeafSpec", "logging interval"):
            warnings.filterwarnings("ignore", f".*{known}")
        warnings.filterwarnings("ignore", "Checkpoint directory .* exists and is not empty")
        for logger, level in wanted.items():
            logger.setLevel(level)
        try:
            yield
        finally:
            for logger, level in before.items():
                logger.setLevel(level)
