"""The code in TensorBoard's projector, when training is over."""

import torch.nn.functional as F
from lightning import Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from contractive.settings import check_integer
from contractive.training.callbacks.drawing import (
    are_pictures,
    looking_at,
    tensorboard_writers,
    validation_examples,
)
from contractive.training.module import ContractiveAutoencoder


class Projector(Callback):
    """Writes the codes of validation examples, with their labels and, for pictures, thumbnails.

    Args:
        examples: how many.
    """

    def __init__(self, examples: int = 256) -> None:
        check_integer("examples", examples, low=1)
        self.examples = examples

    def on_train_end(  # type: ignore[override]
        self, trainer: Trainer, pl_module: ContractiveAutoencoder
    ) -> None:
        """Write them."""
        writers = tensorboard_writers(trainer.loggers if trainer.is_global_zero else ())
        if not writers:
            return
        with looking_at(pl_module, self, trainer.current_epoch):
            x, labels = validation_examples(trainer, self.examples)
            code = pl_module.encode(x.to(pl_module.device)).cpu()
            pictures = _square(x) if are_pictures(x) else None
            metadata = None if labels is None else labels.tolist()
            for writer in writers:
                writer.add_embedding(code, metadata, pictures, trainer.global_step, tag="code")


def _square(pictures: Tensor) -> Tensor:
    """The projector cuts its sheet of thumbnails into squares."""
    height, width = pictures.shape[2:]
    side = max(height, width)
    return F.pad(pictures, (0, side - width, 0, side - height))
