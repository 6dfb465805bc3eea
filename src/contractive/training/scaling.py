"""How what a data module knows of its data reaches the model: their scaling, their columns, their range."""

import logging
from typing import Any

import torch
from lightning import LightningModule

from contractive.nn.autoencoder import Autoencoder
from contractive.nn.scaling import Scaler
from contractive.runs.checkpoints import tell_of_data
from contractive.training.datamodule import DataModule

log = logging.getLogger(__name__)


class ScaledByData(Autoencoder, LightningModule):
    """An autoencoder that takes the ``scaler`` of its data module, whoever calls the trainer.

    One that has been trained, loaded, or fitted by hand keeps its own scaling, or none: its weights were made
    for that. It says so, once, where the data bring another.
    """

    scaling_is_own = False
    _told = False

    def setup(self, stage: str) -> None:
        """Take the scaling of the data, unless the model has its own; in training also what they are."""
        data = getattr(self.trainer, "datamodule", None)
        if stage == "fit" and isinstance(data, DataModule):
            tell_of_data(self, data.description)
        theirs = self._scaler_of_the_data()
        if theirs is None or self.scaling_is_own or (self.scaler is not None and _is_fitted(self.scaler)):
            return
        if self.scaler is None:
            self.scaler = Scaler(self.input_shape).to(self.device)
            self.hparams["scaled"] = True
        self.scaler.load_state_dict(theirs.state_dict())

    def on_fit_start(self) -> None:
        """Check the scaling, now that a checkpoint's is back.

        Raises:
            ValueError: if the model is to scale and nothing has been fitted.
        """
        theirs, mine = self._scaler_of_the_data(), self.scaler
        if theirs is None and mine is not None and not self.scaling_is_own and not _is_fitted(mine):
            raise ValueError(
                "scaled=True, but nothing has fitted model.scaler: give a DataModule with a scaling, call"
                " model.scaler.fit(x, kind), or leave scaled=True out"
            )
        if theirs is not None and not self._told and (mine is None or not _equal(theirs, mine)):
            log.warning("The model keeps its own scaling; that of these data is another")
            self._told = True
        self.scaling_is_own = True

    def on_validation_start(self) -> None:
        """Check the scaling, where no training has done so."""
        if self.trainer.state.fn != "fit":
            self.on_fit_start()

    on_test_start = on_predict_start = on_validation_start

    def _scaler_of_the_data(self) -> Scaler | None:
        scaler: Any = getattr(getattr(self.trainer, "datamodule", None), "scaler", None)
        return scaler if isinstance(scaler, Scaler) else None


def _is_fitted(scaler: Scaler) -> bool:
    return not (scaler.shift.eq(0).all() and scaler.scale.eq(1).all())


def _equal(a: Scaler, b: Scaler) -> bool:
    pairs = zip(a.buffers(), b.buffers(), strict=True)
    return all(torch.allclose(x.cpu(), y.cpu().to(x.dtype)) for x, y in pairs)
