"""The two checkpoints of a run, ``best.ckpt`` and ``last.ckpt``."""

from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from contractive.runs.files import write_atomically

FOLDER = "checkpoints"  # of a run's directory


class RunCheckpoint(ModelCheckpoint):
    """A checkpoint in the run's own folder, at the end of an epoch; arguments are Lightning's."""

    def __init__(self, **options: Any) -> None:
        super().__init__(enable_version_counter=False, save_on_train_epoch_end=True, **options)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Find the folder: whatever loggers there are, it is the run's."""
        self.dirpath = str(Path(trainer.default_root_dir).absolute() / FOLDER)
        super().setup(trainer, pl_module, stage)


class BestCheckpoint(RunCheckpoint):
    """``best.ckpt``: the epoch with the lowest validation loss."""

    def __init__(self, monitor: str = "val/loss", mode: str = "min") -> None:
        super().__init__(filename="best", monitor=monitor, mode=mode, auto_insert_metric_name=False)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from the best epoch of the run that is resumed, wherever that run lies."""
        assert self.dirpath is not None
        best, score = str(Path(self.dirpath) / "best.ckpt"), state_dict["best_model_score"]
        if score is None or not Path(best).is_file():
            return
        self.best_model_score = self.kth_value = score
        self.best_model_path = self.kth_best_model_path = best
        self.best_k_models = {best: score}


class LastCheckpoint(RunCheckpoint):
    """``last.ckpt``: the end of the last epoch."""

    def __init__(self) -> None:
        super().__init__(filename="last")

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing to continue from: the run writes its own file."""


def carry_over_best(ckpt_path: Path, directory: Path) -> None:
    """Copy the best checkpoint that lies beside the one to resume from: no later epoch may beat it."""
    best, target = ckpt_path.parent / "best.ckpt", directory / FOLDER / "best.ckpt"
    if best.is_file() and best.resolve() != target.resolve():
        write_atomically(target, best.read_bytes())
