"""Lightning callbacks that say what a run costs, for the benchmarks to hang in."""

import os
import time
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

EPOCHS: list[float] = []  # seconds from the start of an epoch to the end of its last step
RESIDENT: list[int] = []  # bytes of memory before the first step and after the last step of each epoch


def resident() -> int:
    """Bytes of memory that this process occupies now (Linux)."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


class Clock(Callback):
    """Times the training steps of each epoch; validation, checkpoints and pictures come after them."""

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        RESIDENT.append(resident())

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._start = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if batch_idx + 1 == trainer.num_training_batches:
            EPOCHS.append(time.perf_counter() - self._start)
            RESIDENT.append(resident())


class LeaveAfterFirstStep(Callback):
    """Ends the process, so that its length is the time to the first step."""

    def on_train_batch_end(self, *args: Any, **kwargs: Any) -> None:
        os._exit(0)
