"""How far a run has come: one line in a terminal, a line now and then elsewhere."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from rich.console import Console
from rich.live import Live
from rich.text import Text

from contractive.settings import check_number
from contractive.training.lines import progress_line, surroundings

log = logging.getLogger(__name__)


class Progress(ProgressBar):
    """Epoch, time left, and loss, reconstruction and penalty as they were last read off the device.

    Drawn by the thread that trains, so that nothing is to be waited for at the end.

    Args:
        every_seconds: how often it is drawn again in a terminal.
        every_seconds_in_a_file: how often there is a line where the output is no terminal, or several runs
            write to it.
    """

    def __init__(self, every_seconds: float = 0.2, every_seconds_in_a_file: float = 30.0) -> None:
        super().__init__()
        check_number("every_seconds", every_seconds, above=0)
        check_number("every_seconds_in_a_file", every_seconds_in_a_file, above=0)
        self.every_seconds = every_seconds
        self.every_seconds_in_a_file = every_seconds_in_a_file
        self._enabled = True
        self._live: Live | None = None

    def disable(self) -> None:
        """Show nothing."""
        self._enabled = False

    def enable(self) -> None:
        """Show how far it has come."""
        self._enabled = True

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._console = Console()
        # Where other processes write to the same terminal, lines as in a file.
        self._moves = self._console.is_terminal and surroundings.alone
        self._started = self._shown = time.monotonic()
        self._done_before = _done(trainer)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Say how far it is, if it is time."""
        if self._is_time():
            with self._if_anybody_sees():
                self._say(trainer, pl_module)

    def on_train_end(self, *args: Any) -> None:
        """Leave nothing of it behind."""
        if self._live is not None:
            live, self._live = self._live, None
            with self._if_anybody_sees():
                live.stop()

    def on_exception(self, *args: Any) -> None:
        """The same."""
        self.on_train_end()

    @contextmanager
    def _if_anybody_sees(self) -> Iterator[None]:
        """A terminal that was closed, or a pipe that nobody reads, is no reason to stop training."""
        try:
            yield
        except OSError as error:
            if self._enabled:
                log.warning("Nothing more is shown of how far it is: %s", error.strerror or error)
            self._enabled = False

    def _is_time(self) -> bool:
        if not self._enabled:
            return False
        every = self.every_seconds if self._moves else self.every_seconds_in_a_file
        return time.monotonic() - self._shown >= every

    def _say(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._shown = now = time.monotonic()
        epochs, done = trainer.max_epochs or 0, _done(trainer)
        where = f"{surroundings.name}epoch {min(trainer.current_epoch + 1, epochs)}/{epochs}"
        new = done - self._done_before
        left = None
        if new > 0:
            own = (now - self._started) * (1 - done) / new
            whole = (now - self._started) / new
            left = own + (surroundings.later or surroundings.runs * whole)
        terms = getattr(pl_module, "latest", {})
        if not self._moves:
            print(progress_line(where, done, left, terms, None), flush=True)
            return
        bar = {} if self._console.encoding.startswith("utf") else {"filled": "#", "empty": "-"}
        line = progress_line(where, done, left, terms, self._console.width - 1, **bar)
        if self._live is None:
            # Without a thread of its own; what is logged or printed meanwhile comes above it.
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(Text(line, no_wrap=True, overflow="crop"), refresh=True)


def _done(trainer: Trainer) -> float:
    """How much of the training is behind, in [0, 1]."""
    batches = trainer.num_training_batches
    if not trainer.max_epochs or not 0 < batches < float("inf"):
        return 0.0
    of_epoch = trainer.fit_loop.epoch_loop.batch_progress.current.ready / batches
    return min(1.0, (trainer.current_epoch + of_epoch) / trainer.max_epochs)
