"""Ctrl-C and SIGTERM stop a run between two steps, so that it can go on with the very next batch."""

import logging
import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from contractive.training.callbacks.checkpoints import FOLDER

log = logging.getLogger(__name__)
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class SaveOnInterrupt(Callback):
    """Finishes the step at hand, saves ``last.ckpt`` and leaves; a second signal leaves at once."""

    def __init__(self) -> None:
        self._previous: dict[signal.Signals, Any] = {}
        self._received: signal.Signals | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Listen from now on, unless several processes train together: they would stop at different steps."""
        # Only the main thread may say how a signal is handled.
        if trainer.world_size == 1 and threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._receive) for number in SIGNALS}

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *args: Any, **kwargs: Any) -> None:
        """Leave, if a signal came during the step."""
        if self._received is None:
            return
        # Raises if the steps since the last look were not finite: nothing of them is saved then.
        pl_module.check_steps()
        path = Path(trainer.default_root_dir) / FOLDER / "last.ckpt"
        trainer.save_checkpoint(path)
        log.warning("Interrupted after step %d; to go on: ckpt_path=%s", trainer.global_step, path)
        if self._received == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + self._received)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self._received = signal.Signals(number)
        self._restore()

    def _restore(self, *args: Any, **kwargs: Any) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    on_train_end = on_exception = _restore
