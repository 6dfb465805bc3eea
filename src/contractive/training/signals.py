"""Ctrl-C, SIGTERM and SIGHUP end a run, and its exit code says so."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

# Windows knows no SIGHUP.
SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


def heard() -> dict[signal.Signals, Any]:
    """The signals that end a run, and what each does now.

    A SIGHUP that is ignored, as under ``nohup``, stays ignored. Not so the others: a shell lets what runs in
    the background ignore SIGINT, and yet whoever sends it means it.
    """
    now = {number: signal.getsignal(number) for number in SIGNALS}
    nohup = now.get(getattr(signal, "SIGHUP", None)) == signal.SIG_IGN
    return {n: what for n, what in now.items() if what is not None and not (nohup and n == signal.SIGHUP)}


class Interrupted(SystemExit):
    """A signal ends the run, with the exit code that shells give to what it ends: 128 + its number."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(128 + number)
        self.number = number


class Signals:
    """What signals do while a run is under way.

    A signal ends the run at once, wherever it is. Not so while it trains (``patient``): the first is only
    noted, for the run to leave where its state is whole, and the second ends it at once. Nor while it saves:
    what is half written would be lost. Which are heard, :func:`heard` says.

    Entered in another thread than the main one, which alone may handle signals, it does nothing.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self.patient = False
        #: Told of a signal that ends the run at once, once: others may have to end with it.
        self.pass_on: Callable[[signal.Signals], None] | None = None
        self._saving = False
        self._ended: Interrupted | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = heard()
        self.listen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        interrupted = self.interruption(error)
        if interrupted is not None and interrupted.number == signal.SIGINT:
            # What Python itself makes of Ctrl-C, and what a notebook expects.
            raise KeyboardInterrupt from None
        if interrupted is not None and interrupted is not error:
            raise interrupted from None

    def listen(self) -> None:
        """Take the signals, also back from whoever has taken them since."""
        for number in self._before:
            signal.signal(number, self._receive)

    def interruption(self, error: BaseException | None) -> Interrupted | None:
        """The interruption that an error is, or that it came of on the way out.

        Whoever tidies up half-way may fail, and what they raise then takes its place: Lightning does where a
        signal comes while a loop sets up its loaders. Modules in C that are being imported raise what does
        not tell of it, once it has been raised here.
        """
        context = error
        while context is not None and not isinstance(context, Interrupted):
            context = context.__context__
        return context or (self._ended if error is not None else None)

    def leave_if_asked(self) -> None:
        """Raise ``Interrupted`` if a signal has come."""
        if self.received is not None:
            raise Interrupted(self.received)

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Let signals wait until something is written."""
        self._saving = True
        try:
            yield
        finally:
            self._saving = False

    def _receive(self, number: int, frame: FrameType | None) -> None:
        again, self.received = self.received is not None, signal.Signals(number)
        if not self._saving and (again or not self.patient):
            tell, self.pass_on = self.pass_on, None
            if tell is not None:
                tell(self.received)
            self._ended = Interrupted(self.received)
            raise self._ended
