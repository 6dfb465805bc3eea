"""What belongs together in one chart."""

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from contractive.training.callbacks.drawing import tensorboard_writers


class Charts(Callback):
    """Lays reconstruction and penalty into one chart for each stage, in TensorBoard's custom scalars."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the layout, once for a run."""
        charts = {}
        for stage in ("train", "val"):
            tags = [f"^{stage}/reconstruction$", f"^{stage}/penalty$"]
            charts[f"{stage}: reconstruction and penalty"] = ["Multiline", tags]
        for writer in tensorboard_writers(trainer.loggers if trainer.is_global_zero else ()):
            writer.add_custom_scalars({"objective": charts})
