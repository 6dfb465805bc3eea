"""When a run is saved: ``last.ckpt``, from which it can go on, and ``best.ckpt``."""

import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from contractive.runs.directory import FOLDER
from contractive.training.checkpoint_io import KEEP, PairedCheckpointIO
from contractive.training.processes import agreed
from contractive.training.signals import Interrupted, Signals

PROGRESS = "progress"  # in a checkpoint
#: Steps after which several processes agree on whether to save and to leave. It takes 0.6 to 3.8 ms for two
#: of them on two busy cores (gloo), 0.5 ms a step at most.
AGREE_EVERY = 8
#: What a run that goes on has to know: which epoch was the best so far, the figures of a validation in the
#: epoch that is under way, and whether the run was stopped early; here at its beginning.
BEGINNING: Mapping[str, Any] = {"best": None, "validated": {}, "stopped": False}


class Checkpoints(Checkpoint):
    """Saves both checkpoints after at most so many seconds of work, at the end, and when a signal comes.

    Wherever that falls: between two steps, too. In between the best epoch is kept in memory. A signal then
    ends the run; one that comes in a validation or while something is drawn does so once that is done.

    ``last.ckpt`` names the epoch that ``best.ckpt`` is of. Should training fail, whatever for, the best epoch
    so far becomes both.

    Args:
        every_seconds: how long to work between two savings at most.
        signals: those that ask the run to stop.
        progress: of the run that is resumed, as its checkpoint tells it.
    """

    def __init__(
        self, every_seconds: float, signals: Signals, progress: Mapping[str, Any] = BEGINNING
    ) -> None:
        self.every_seconds = every_seconds
        self.signals = signals
        self.best: dict[str, Any] | None = progress["best"]
        self._validated: dict[str, float] = progress["validated"]

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Find the folder: whatever loggers there are, it is the run's.

        Raises:
            ValueError: if the trainer cannot keep the best epoch in memory.
        """
        files = trainer.strategy.checkpoint_io
        if not isinstance(files, PairedCheckpointIO):
            raise ValueError(
                f"Checkpoints saves by PairedCheckpointIO, and this trainer by {type(files).__name__}:"
                " Trainer(plugins=[PairedCheckpointIO()]), from contractive.training.checkpoint_io"
            )
        self._folder = Path(trainer.default_root_dir).absolute() / FOLDER

    def _listen(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the signals back: Lightning has put a handler of its own in front, which waits for others."""
        self.signals.listen()

    on_sanity_check_start = on_validation_start = on_test_start = _listen

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock; from now on a signal waits until the run is saved."""
        self._due = time.monotonic() + self.every_seconds
        self._leaving: signal.Signals | None = None
        self._saves = False
        self.signals.patient = True
        self.signals.listen()
        # Each process has looked for it by itself.
        self.best = trainer.strategy.broadcast(self.best)
        known = {tag: torch.tensor(value, dtype=torch.double) for tag, value in self._validated.items()}
        trainer.callback_metrics.update(known)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note the figures."""
        known = {} if trainer.sanity_checking else trainer.callback_metrics
        self._validated = {tag: value.item() for tag, value in known.items() if tag.startswith("val/")}

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save if it is time and the run can go on from here; leave if a signal has come."""
        if trainer.world_size == 1 or (batch_idx + 1) % AGREE_EVERY == 0:
            self._agree(trainer)
        if (self._saves or self._leaving is not None) and _is_whole(trainer, batch_idx):
            # Raises if the steps since the last look were not finite: nothing of them is saved then.
            pl_module.check_steps()
            self._save(trainer)
            self._leave_if_asked()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Keep the best epoch; save if it is time, or if this is the last one; leave if a signal has come."""
        if trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        score, self._validated = self._validated.get(pl_module.monitor), {}
        if score is not None and (self.best is None or score < self.best["score"]):
            epoch, step = trainer.current_epoch + 1, trainer.global_step
            self.best = {"epoch": epoch, "step": step, "score": score}
            trainer.save_checkpoint(self._folder / "best.ckpt", storage_options=KEEP)
        over = trainer.should_stop or trainer.current_epoch + 1 == trainer.max_epochs
        over = over or trainer.global_step == trainer.max_steps
        self._agree(trainer)
        if over or self._saves or self._leaving is not None:
            self._save(trainer)
            self._leave_if_asked()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """All is saved: from now on a signal ends the run at once."""
        self.signals.patient = False
        self.signals.leave_if_asked()

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add what a run that goes on has to know."""
        stopped = trainer.should_stop
        checkpoint[PROGRESS] = {"best": self.best, "validated": self._validated, "stopped": stopped}

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Save what is kept in memory, unless that is what failed."""
        files = trainer.strategy.checkpoint_io
        if trainer.is_global_zero and isinstance(files, PairedCheckpointIO):
            with suppress(OSError), self.signals.saving():
                files.save_kept(self._folder / "last.ckpt")

    def _save(self, trainer: Trainer) -> None:
        with self.signals.saving():
            trainer.save_checkpoint(self._folder / "last.ckpt")
        self._due = time.monotonic() + self.every_seconds
        self._saves = False

    def _agree(self, trainer: Trainer) -> None:
        """What was agreed on stays: the next steps may be none that a run can go on from."""
        leaving, due = agreed(trainer, self.signals.received, time.monotonic() >= self._due)
        self._leaving, self._saves = leaving or self._leaving, due or self._saves

    def _leave_if_asked(self) -> None:
        if self._leaving is not None:
            raise Interrupted(self._leaving)


def _is_whole(trainer: Trainer, batch_idx: int) -> bool:
    """Whether a run can go on from the end of this step as if it had not stopped.

    Lightning makes up neither for a validation that was due then, and for the end of an epoch, nor for
    gradients that were gathered over several batches.
    """
    in_epoch = batch_idx + 1
    stops = trainer.should_stop or trainer.global_step == trainer.max_steps
    if stops or in_epoch >= trainer.num_training_batches:
        return False
    every_epochs = trainer.check_val_every_n_epoch is not None
    counted = in_epoch if every_epochs else trainer.fit_loop.total_batch_idx + 1
    validates = trainer.val_check_batch and counted % trainer.val_check_batch == 0
    return in_epoch % trainer.accumulate_grad_batches == 0 and not validates
