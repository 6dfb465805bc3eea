"""The figures of a trained model: the one place where they are computed, whoever asks for them."""

import lightning

from contractive.training.datamodule import DataModule
from contractive.training.module import ContractiveAutoencoder


def evaluate(trainer: lightning.Trainer, model: ContractiveAutoencoder, data: DataModule) -> dict[str, float]:
    """The terms of the objective on the validation and the test split, ``val/*`` and ``test/*``."""
    figures: dict[str, float] = {}
    for measure in (trainer.validate, trainer.test):
        for found in measure(model, datamodule=data, verbose=False):
            figures |= found
    return figures
