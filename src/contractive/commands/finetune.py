"""Train a head on the encoder of a run: ``train`` with ``head=default``."""

import sys

from contractive.commands.train import main_or_one_line


def main() -> None:
    """Train, with a head unless the run that goes on says what it has."""
    typed = sys.argv[1:]
    if not any(argument.startswith(("head=", "resume=", "+resume=")) for argument in typed):
        sys.argv[1:] = ["head=default", *typed]
    main_or_one_line()
