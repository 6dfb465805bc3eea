"""Where messages go while something moves in the terminal."""

import logging
import os
import sys

from rich.console import Console

WIDTH_OF_A_FILE = 160


class ToStdout(logging.StreamHandler):
    """Writes to what the standard output is at the time: a bar that is shown stands in front of it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one message."""
        self.stream = sys.stdout
        super().emit(record)


def console() -> Console:
    """The standard output; a file has room for a wide table."""
    found = Console()
    if not found.is_terminal and "COLUMNS" not in os.environ:
        found.width = WIDTH_OF_A_FILE
    return found
