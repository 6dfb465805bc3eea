"""What the commands after training share: how they are told which run, which data, and where to write."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Never


class Parser(argparse.ArgumentParser):
    """A parser for ``contractive COMMAND`` that says what is wrong in one line.

    Args:
        command: its name.
        description: what it does; the first line of the module's documentation.
    """

    def __init__(self, command: str, description: str | None) -> None:
        super().__init__(prog=f"contractive {command}", description=description, allow_abbrev=False)

    def error(self, message: str) -> Never:
        """Leave with one line and exit code 1."""
        sys.exit(f"error: {message} ({self.prog} --help says how)")

    def takes_run(self) -> None:
        """``RUN``."""
        self.add_argument("run", metavar="RUN", type=Path, help="a run's directory, or a checkpoint")

    def takes_data(self, default: str = "the run's own test split") -> None:
        """``DATA``, which is ``default`` if left out, where it lies, and on which device it is looked at."""
        self.add_argument(
            "data",
            metavar="DATA",
            nargs="?",
            help="a file (.npy .npz .pt .csv .parquet), a picture or a folder of them, or a data set's name"
            f" (digits, mnist, …); left out, {default}",
        )
        self.add_argument("--root", metavar="DIR", help="where a data set with a name lies")
        self.add_argument("--device", default="auto", help="auto, cpu, cuda, …: what computes (auto)")

    def takes_output(self, suffixes: Sequence[str], help: str, *, required: bool = True) -> None:
        """``-o FILE`` and ``--force``."""
        self.add_argument("-o", "--output", metavar="FILE", type=Path, required=required, help=help)
        self.add_argument("--force", action="store_true", help="write over a file that is there already")
        self.set_defaults(suffixes=tuple(suffixes))  # the empty one is that of a folder

    def parse(self) -> argparse.Namespace:
        """The arguments of the command line, with an output that can be written to.

        Raises:
            ValueError: if the output's suffix is none of those it may have.
            FileExistsError: if the output is there already and is not to be written over.
        """
        arguments = self.parse_args()
        output: Path | None = getattr(arguments, "output", None)
        if output is None:
            return arguments
        if output.suffix.lower() not in arguments.suffixes:
            allowed = " or ".join(suffix or "no suffix" for suffix in arguments.suffixes)
            raise ValueError(f"-o {output}: must end in {allowed}, which says what is written")
        if output.exists() and not arguments.force:
            raise FileExistsError(f"-o {output}: is there already: name another, or add --force")
        return arguments
