"""The one program: ``contractive COMMAND …``."""

import sys
from importlib.metadata import version
from io import TextIOWrapper
from pkgutil import resolve_name

from contractive.commands.signals import leaving_quietly
from contractive.settings import nearest

#: Each command: where it lies below this package, and what it does.
COMMANDS = {
    "train": ("train:main_or_one_line", "one run, or with -m a sweep of them"),
    "finetune": ("finetune:main", "the same of a classifier on the encoder of a run"),
    "report": ("report:main", "the runs of a directory side by side, in one page"),
    "evaluate": ("evaluate:main", "figures of a run on its own splits, or on other data"),
    "encode": ("encode:main", "codes of examples, beside ids, labels, other columns"),
    "classify": ("classify:main", "classes of examples, by a run with a head"),
    "reconstruct": ("reconstruct:main", "what the autoencoder makes of examples"),
    "outliers": ("outliers:main", "examples by how unlike the training data they are"),
    "sample": ("sample:main", "samples from the manifold that was learnt"),
    "export": ("export:main", "the model as ONNX, or for torch.export.load"),
}
TEMPLATE = """Contractive autoencoders: train one, and use what it has learnt.

{commands}

contractive COMMAND --help says more of each; contractive --version the version.
HYDRA_FULL_ERROR=1 shows the whole traceback of an error."""


def main(command: str | None = None) -> None:
    """Run a command, the one that the first argument names if none is given.

    An error becomes one line on stderr and exit code 1; ``HYDRA_FULL_ERROR=1`` shows the traceback instead.
    """
    name = command or (sys.argv[1] if len(sys.argv) > 1 else "--help")
    if name in ("-h", "--help"):
        lines = (f"  contractive {name:<12} {does}" for name, (_, does) in COMMANDS.items())
        print(TEMPLATE.format(commands="\n".join(lines)))
        return
    if name == "--version":
        print(f"contractive {version('contractive')}")
        return
    # Settings without a command train: the further processes of a run are started with its settings alone.
    if "=" in name or name.startswith("-"):
        name = "train"
    elif command is None:
        del sys.argv[1]
    if name not in COMMANDS:
        hint = nearest(name, COMMANDS) or f"; there are {', '.join(COMMANDS)}"
        sys.exit(f"error: there is no command {name!r}{hint}")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # what its encoding lacks is no reason to fail
    try:
        # From the imports on: they take their time.
        with leaving_quietly():
            resolve_name(f"contractive.commands.{COMMANDS[name][0]}")()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        from contractive.commands.errors import FULL_ERROR, one_line

        if FULL_ERROR:
            raise
        sys.exit(one_line(error))
