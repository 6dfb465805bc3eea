"""The record that a run keeps of itself, whatever loggers there are."""

from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from contractive.runs.curves import CurveWriter


class Record(Callback):
    """Writes ``curves.csv``, a row for each epoch: ``train/*``, ``val/*``, ``lr`` and the weights
    of the terms: ``lam``; those of a head are its own ``lam`` and ``beta``.

    A run that is resumed in the same directory goes on from the rows up to where it resumes.
    """

    _writer: CurveWriter | None = None
    _row: dict[str, float] | None = None  # what is known of a row that is not yet written
    _validated = False  # in this epoch; of others Lightning still knows the figures of an earlier one

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Go on from where the checkpoint was, or begin."""
        if trainer.is_global_zero:
            self._writer = CurveWriter(Path(trainer.default_root_dir), trainer.global_step)

    def on_train_batch_start(self, trainer: Trainer, *args: Any) -> None:
        """Note the rate of this step: at the end of the epoch that of the next one may be set already."""
        self._lr: float = trainer.optimizers[0].param_groups[0]["lr"]

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note that there are figures of this epoch."""
        self._validated = not trainer.sanity_checking

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin a row: the averages of the epoch are there once the module has logged them, after this."""
        self._row = {"epoch": trainer.current_epoch + 1, "step": trainer.global_step}
        self._row |= {"lr": self._lr} | getattr(pl_module, "rates", {})

    def _write(self, trainer: Trainer, *args: Any, **kwargs: Any) -> None:
        if self._row is None or self._writer is None:
            return
        row, self._row = self._row, None
        known = trainer.callback_metrics
        for tag, value in known.items():
            # What is logged by step and by epoch has three names; the plain one is then that of the epoch.
            is_copy = tag.removesuffix("_epoch").removesuffix("_step") in known.keys() - {tag}
            is_stale = tag.startswith("val/") and not self._validated
            if tag.startswith(("train/", "val/")) and not is_copy and not is_stale:
                row[tag] = value.item()
        self._validated = False
        self._writer.add(row)

    on_train_epoch_start = on_train_end = _write

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Write first: no checkpoint is to be ahead of the curves."""
        self._write(trainer)
        checkpoint["validated"] = self._validated

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Go on in an epoch that may have been validated before its end."""
        self._validated = checkpoint.get("validated", False)
