"""When to draw and where to, and what it cost: shared by all callbacks that draw."""

from __future__ import annotations

import io
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from PIL import Image
from torch import Tensor

from contractive.diagnostics.figures import figure_pixels
from contractive.diagnostics.grids import are_pictures
from contractive.nn.scaling import to_float
from contractive.runs.files import write_atomically
from contractive.settings import check_integer, check_number
from contractive.training.classifier import Classifier
from contractive.training.module import ContractiveAutoencoder

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch.utils.tensorboard import SummaryWriter

log = logging.getLogger(__name__)

MOST_PERCENT = 5.0  # of the time of training, for all drawing together
FIRST_COST = 0.5  # seconds that a drawing is taken to cost before there was one


def tensorboard_writers(loggers: Sequence[Logger]) -> list[SummaryWriter]:
    """The writers of the TensorBoard loggers among ``loggers``."""
    return [logger.experiment for logger in loggers if isinstance(logger, TensorBoardLogger)]


def validation_examples(trainer: Trainer, n: int) -> tuple[Tensor, Tensor | None]:
    """The first ``n`` examples that the trainer validates on, or all if there are fewer, whoever loads them.

    Returns:
        ``x`` as floats in the data's own units, ``(n, *input_shape)``, and labels ``(n,)``, if there are any.

    Raises:
        ValueError: if there is nothing to validate on.
    """
    loaders = trainer.val_dataloaders
    loader = loaders[0] if isinstance(loaders, list | tuple) else loaders
    batches: list[Sequence[Tensor]] = []
    # A loader of torch's draws a seed even if it does not shuffle: training is not to notice.
    with torch.random.fork_rng(devices=[]):
        for batch in () if loader is None else loader:
            batches.append((batch,) if isinstance(batch, Tensor) else batch)
            if sum(len(batch[0]) for batch in batches) >= n:
                break
    if not batches:
        raise ValueError("there are no validation examples to look at: see trainer.limit_val_batches")
    labelled = len(batches[0]) > 1 and isinstance(batches[0][1], Tensor)
    x = torch.cat([batch[0] for batch in batches])[:n]
    return to_float(x), torch.cat([batch[1] for batch in batches])[:n] if labelled else None


def has_code(model: LightningModule) -> bool:
    """Whether it has an encoder, as all but a head on the inputs."""
    return not (isinstance(model, Classifier) and model.on_inputs)


def has_decoder(model: LightningModule) -> bool:
    """Whether it has a decoder, as all but a classifier."""
    return not isinstance(model, Classifier)


@contextmanager
def looking_at(model: LightningModule, callback: Callback, epoch: int) -> Iterator[None]:
    """The model in evaluation mode, without gradients, and afterwards as it was.

    No picture is worth a run: an error becomes a warning, say of examples that are all alike.
    """
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    except (ValueError, TypeError, LookupError, RuntimeError, OSError) as error:
        log.warning("%s not drawn in epoch %d: %s", type(callback).__name__, epoch, error)
    finally:
        model.train(training)


@dataclass(frozen=True)
class Page:
    """Where the drawings of one run at one epoch go: pictures to its directory, and all to its loggers."""

    loggers: Sequence[Logger]
    directory: Path
    epoch: int
    step: int

    def title(self, what: str) -> str:
        """What is shown, of which run, at which epoch."""
        return f"{what} · run {'/'.join(self.directory.absolute().parts[-2:])} · epoch {self.epoch}"

    def picture(self, tag: str, picture: Tensor) -> None:
        """Show a picture ``(channels, height, width)`` in [0, 1], of one or three channels."""
        self._show(tag, (picture.movedim(0, 2) * 255).round().byte().cpu().numpy())

    def figure(self, tag: str, figure: Figure) -> None:
        """Show a matplotlib figure."""
        self._show(tag, figure_pixels(figure))

    def scalar(self, tag: str, value: float) -> None:
        """Add a point to a curve."""
        for logger in self.loggers:
            logger.log_metrics({tag: value}, self.step)

    def histogram(self, tag: str, values: Tensor) -> None:
        """Show how ``values`` are distributed, in TensorBoard."""
        for writer in tensorboard_writers(self.loggers):
            writer.add_histogram(f"view/{tag}", values, self.step)

    def _show(self, tag: str, pixels: np.ndarray) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        file = io.BytesIO()
        Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels).save(
            file, "PNG", compress_level=1
        )
        png = file.getvalue()
        height, width, channels = pixels.shape
        shown = Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=png)
        for writer in tensorboard_writers(self.loggers):
            # As it is: add_image would make a PNG of it once more.
            summary = Summary(value=[Summary.Value(tag=f"view/{tag}", image=shown)])
            writer.file_writer.add_summary(summary, self.step)  # type: ignore[attr-defined]
        write_atomically(self.directory / "pictures" / f"{tag}.png", png)


class Drawing(Callback, ABC):
    """Draws the same validation examples every so many epochs, and in the last one.

    The last picture of each tag lies in the run's ``pictures/<tag>.png``, whatever loggers there are. Logged
    beside it is its cost: ``wall/<name>_seconds`` each time, and ``wall/<name>_percent`` of the time since
    training began. Where it draws pictures and the data are none, it does nothing and says nothing.

    All that draw share ``most_percent`` of the time since training began. The last epoch is always drawn; an
    earlier one only if there is room for it and for the last one. A line at the end tells what was left out.

    Args:
        every_n_epochs: how often.
        examples: how many examples of the validation split ``draw`` gets.
        most_percent: of the time of training that drawing may take; 100 for any.
    """

    draws_pictures = False
    #: What of it needs a decoder, in words: a classifier's was not trained along.
    decoded = ""

    def __init__(self, every_n_epochs: int, examples: int, most_percent: float = MOST_PERCENT) -> None:
        check_integer("every_n_epochs", every_n_epochs, low=1)
        check_integer("examples", examples, low=2)
        check_number("most_percent", most_percent, low=0, high=100)
        self.every_n_epochs = every_n_epochs
        self.examples = examples
        self.most_percent = most_percent
        self.drawn = self.left_out = 0

    @abstractmethod
    def draw(self, model: ContractiveAutoencoder, x: Tensor, page: Page) -> None:
        """Draw what ``model``, in evaluation mode, makes of the examples ``x``."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock; say what is not drawn of a classifier."""
        everyone = _drawing(trainer)
        lacking = [] if has_decoder(pl_module) else [each.decoded for each in everyone if each.decoded]
        if everyone[0] is self and not has_code(pl_module):
            log.info("Nothing is drawn: a head on the inputs has no encoder")
        elif everyone[0] is self and lacking:
            log.info("Not drawn of a classifier, which has no decoder: %s", ", ".join(lacking))
        self._started = time.monotonic()
        self._spent = 0.0
        self._cost = FIRST_COST  # what one drawing takes, in seconds

    def on_train_epoch_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Draw, if it is time and there is time; on the first process only."""
        epoch = trainer.current_epoch + 1
        last = epoch == trainer.max_epochs or trainer.should_stop
        if not trainer.is_global_zero or not (last or epoch % self.every_n_epochs == 0):
            return
        if not has_code(pl_module):
            return
        began = time.monotonic()
        if not last and not self._has_time(began - self._started, len(_drawing(trainer))):
            self.left_out += 1
            return
        page = Page(trainer.loggers, Path(trainer.default_root_dir), epoch, trainer.global_step)
        with looking_at(pl_module, self, epoch):
            x = validation_examples(trainer, self.examples)[0].to(pl_module.device)
            if self.draws_pictures and not are_pictures(x):
                return
            self.draw(pl_module, x, page)
        now = time.monotonic()
        self.drawn += 1
        self._cost = now - began
        self._spent += self._cost
        cost = f"wall/{type(self).__name__.lower()}"
        page.scalar(f"{cost}_seconds", self._cost)
        page.scalar(f"{cost}_percent", 100 * self._spent / (now - self._started))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say once, for all that draw, what was left out."""
        drawing = _drawing(trainer)
        told = [
            f"{type(each).__name__.lower()} {each.left_out} of {each.left_out + each.drawn} times"
            for each in drawing
            if each.left_out
        ]
        if self is drawing[-1] and told:
            why = f"to keep drawing under {self.most_percent:g} % of training"
            log.info("Not drawn, %s: %s; +callbacks.NAME.most_percent=100 draws all", why, ", ".join(told))

    def _has_time(self, elapsed: float, sharing: int) -> bool:
        # One part more is the projector's, which draws when training is over.
        part = self.most_percent / 100 * elapsed / (sharing + 1)
        return self.most_percent == 100 or self._spent + 2 * self._cost <= part


def _drawing(trainer: Trainer) -> list[Drawing]:
    return [callback for callback in trainer.callbacks if isinstance(callback, Drawing)]  # type: ignore[attr-defined]
