"""What belongs together in one chart."""

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from contractive.training.callbacks import drawing
from contractive.training.settings import TERMS


class Charts(Callback):
    """Lays training and validation into one chart for each term, in TensorBoard's custom scalars."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the layout, once for a run."""
        terms = TERMS[1:] if drawing.has_decoder(pl_module) else ("cross_entropy", "error")
        charts = {term: ["Multiline", [f"^(train|val)/{term}$"]] for term in terms}
        for writer in drawing.tensorboard_writers(trainer.loggers if trainer.is_global_zero else ()):
            writer.add_custom_scalars({"objective": charts})
