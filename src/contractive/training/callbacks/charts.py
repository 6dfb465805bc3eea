"""What belongs together in one chart."""

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from contractive.training.callbacks.drawing import tensorboard_writers


class Charts(Callback):
    """Lays training and validation into one chart for each term, in TensorBoard's custom scalars."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the layout, once for a run."""
        charts = {term: ["Multiline", [f"^(train|val)/{term}$"]] for term in ("reconstruction", "penalty")}
        for writer in tensorboard_writers(trainer.loggers if trainer.is_global_zero else ()):
            writer.add_custom_scalars({"objective": charts})
