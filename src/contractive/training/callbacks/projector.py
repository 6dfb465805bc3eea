"""The code in TensorBoard's projector, when training is over."""

import torch.nn.functional as F
from lightning import Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from contractive.settings import check_integer
from contractive.training.callbacks.drawing import looking_at, tensorboard_writers
from contractive.training.datamodule import DataModule
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
        for writer in tensorboard_writers(trainer):
            data: DataModule = trainer.datamodule  # type: ignore[attr-defined]
            x, labels = data.examples("val", self.examples)
            with looking_at(pl_module):
                code = pl_module.encode(x.to(pl_module.device)).cpu()
            pictures = _square(x) if data.is_image else None
            metadata = None if labels is None else labels.tolist()
            writer.add_embedding(code, metadata, pictures, trainer.global_step, tag="code")


def _square(pictures: Tensor) -> Tensor:
    """The projector cuts its sheet of thumbnails into squares."""
    height, width = pictures.shape[2:]
    side = max(height, width)
    return F.pad(pictures, (0, side - width, 0, side - height))
