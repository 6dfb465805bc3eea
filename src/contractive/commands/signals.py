"""Ctrl-C, SIGTERM and SIGHUP outside of training: the exit code that a shell expects, and no traceback.

Imports nothing that takes its time, so as to be in place before all that does.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from contractive.training.signals import heard

#: What is still to be said, once, if a signal ends the program.
last_words: list[Callable[[], None]] = []
_received: list[int] = []


@contextmanager
def leaving_quietly() -> Iterator[None]:
    """Leave with 128 + the number of a signal that is :func:`contractive.training.signals.heard`."""
    before = heard()
    _received.clear()
    for number in before:
        signal.signal(number, _leave)
    try:
        yield
    except BaseException:
        if _received:
            # Whatever others have made of it on its way.
            raise SystemExit(128 + _received[0]) from None
        raise
    finally:
        say_last_words()
        for number, handler in before.items():
            signal.signal(number, handler)


def say_last_words() -> None:
    """Say what is still to be said, where somebody hears it: a terminal may be gone, a disk full."""
    while last_words:
        with suppress(OSError):
            last_words.pop()()


def _leave(number: int, frame: FrameType | None) -> None:
    _received.append(number)
    if not _importing(frame):
        raise SystemExit(128 + number)
    # An exception in the middle of an import may be swallowed, or come out as another one.
    say_last_words()
    with suppress(OSError):
        sys.stdout.flush()
    os._exit(128 + number)


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
