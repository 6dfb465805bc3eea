"""The code in TensorBoard's projector, when training is over."""

from typing import Any

import torch.nn.functional as F
from lightning import Trainer
from lightning.pytorch.callbacks import Callback

from contractive.settings import check_integer
from contractive.training.callbacks import drawing


class Projector(Callback):
    """Writes the codes of validation examples, with their labels and, for pictures, thumbnails.

    Args:
        examples: how many.
    """

    def __init__(self, examples: int = 256) -> None:
        check_integer("examples", examples, low=1)
        self.examples = examples

    def on_train_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Write them."""
        writers = drawing.tensorboard_writers(trainer.loggers if trainer.is_global_zero else ())
        if not writers or not drawing.has_code(pl_module):
            return
        with drawing.looking_at(pl_module, self, trainer.current_epoch):
            x, labels = drawing.validation_examples(trainer, self.examples)
            code = pl_module.encode(x.to(pl_module.device)).cpu()
            pictures = None
            if drawing.are_pictures(x):
                # The projector cuts its sheet of thumbnails into squares.
                side = max(x.shape[2:])
                pictures = F.pad(x, (0, side - x.shape[3], 0, side - x.shape[2]))
            metadata = None if labels is None else labels.tolist()
            for writer in writers:
                writer.add_embedding(code, metadata, pictures, trainer.global_step, tag="code")
