"""The figures of a trained model: the one place where they are computed, whoever asks for them."""

import lightning

from contractive.training.datamodule import DataModule
from contractive.training.module import ContractiveAutoencoder
from contractive.training.probing import probe_figures
from contractive.training.settings import Probe


def evaluate(
    trainer: lightning.Trainer, model: ContractiveAutoencoder, data: DataModule, probe: Probe
) -> dict[str, float]:
    """The terms of the objective on the validation and the test split, ``val/*`` and ``test/*``, and what the
    probe finds."""
    figures: dict[str, float] = {}
    for measure in (trainer.validate, trainer.test):
        for found in measure(model, datamodule=data, verbose=False):
            figures |= found
    # In one process; the others wait for its figures.
    probed = probe_figures(model, data, probe) if trainer.is_global_zero else {}
    return figures | trainer.strategy.broadcast(probed)
