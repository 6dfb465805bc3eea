"""When to draw and where to, and what it cost: shared by all callbacks that draw."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from contractive.diagnostics.figures import figure_pixels
from contractive.settings import check_integer
from contractive.training.datamodule import DataModule
from contractive.training.module import ContractiveAutoencoder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

log = logging.getLogger(__name__)


def tensorboard_writers(trainer: Trainer) -> list[SummaryWriter]:
    """The writers of the run's TensorBoard loggers: none on all processes but the first."""
    if not trainer.is_global_zero:
        return []
    return [logger.experiment for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)]


@contextmanager
def looking_at(model: LightningModule) -> Iterator[None]:
    """The model in evaluation mode, without gradients, and afterwards as it was."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)


@dataclass(frozen=True)
class Page:
    """Where the drawings of one run at one epoch go."""

    writers: list[SummaryWriter]
    directory: Path
    epoch: int
    step: int

    def title(self, what: str) -> str:
        """What is shown, of which run, at which epoch."""
        return f"{what} · run {'/'.join(self.directory.absolute().parts[-2:])} · epoch {self.epoch}"

    def picture(self, tag: str, picture: Tensor) -> None:
        """Show a picture ``(channels, height, width)`` in [0, 1]."""
        for writer in self.writers:
            writer.add_image(tag, picture, self.step)

    def figure(self, tag: str, figure: Figure) -> None:
        """Show a matplotlib figure."""
        pixels = figure_pixels(figure)
        for writer in self.writers:
            writer.add_image(tag, pixels, self.step, dataformats="HWC")

    def scalar(self, tag: str, value: float) -> None:
        """Add a point to a curve."""
        for writer in self.writers:
            writer.add_scalar(tag, value, self.step)

    def histogram(self, tag: str, values: Tensor) -> None:
        """Show how ``values`` are distributed."""
        for writer in self.writers:
            writer.add_histogram(tag, values, self.step)


class Drawing(Callback, ABC):
    """Draws the same validation examples every so many epochs, and in the last one.

    What it costs is logged beside what it draws: ``cost/<name>_seconds`` for each time, and
    ``cost/<name>_percent`` of the time since training began. Where there is no TensorBoard logger, or where
    it draws pictures and the data are none, it does nothing and says nothing.

    Args:
        every_n_epochs: how often.
        examples: how many examples of the validation split ``draw`` gets.
    """

    draws_pictures = False

    def __init__(self, every_n_epochs: int, examples: int) -> None:
        check_integer("every_n_epochs", every_n_epochs, low=1)
        check_integer("examples", examples, low=2)
        self.every_n_epochs = every_n_epochs
        self.examples = examples

    @abstractmethod
    def draw(self, model: ContractiveAutoencoder, x: Tensor, page: Page) -> None:
        """Draw what ``model``, in evaluation mode, makes of the examples ``x``."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._started = time.monotonic()
        self._spent = 0.0

    def on_train_epoch_end(  # type: ignore[override]
        self, trainer: Trainer, pl_module: ContractiveAutoencoder
    ) -> None:
        """Draw, if it is time."""
        epoch = trainer.current_epoch + 1
        last = epoch == trainer.max_epochs or trainer.should_stop
        writers = tensorboard_writers(trainer)
        data: DataModule = trainer.datamodule  # type: ignore[attr-defined]
        if not writers or not (last or epoch % self.every_n_epochs == 0):
            return
        if self.draws_pictures and not data.is_image:
            return
        began = time.monotonic()
        page = Page(writers, Path(trainer.default_root_dir), epoch, trainer.global_step)
        x = data.examples("val", self.examples)[0].to(pl_module.device)
        try:
            with looking_at(pl_module):
                self.draw(pl_module, x, page)
        except (ValueError, RuntimeError) as error:
            # No picture is worth a run: of examples that are all alike there is no geometry to draw.
            log.warning("%s not drawn in epoch %d: %s", type(self).__name__, epoch, error)
        now = time.monotonic()
        self._spent += now - began
        name = type(self).__name__.lower()
        page.scalar(f"cost/{name}_seconds", now - began)
        page.scalar(f"cost/{name}_percent", 100 * self._spent / (now - self._started))
