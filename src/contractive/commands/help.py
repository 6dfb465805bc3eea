"""What ``--help`` shows: the choices, and each setting with its value and what it does."""

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from textwrap import fill
from typing import Any

from hydra import compose, initialize_config_dir

from contractive.commands.arguments import with_quotes
from contractive.commands.check import plain
from contractive.commands.explain import groups
from contractive.commands.schemas import CONFIG_DIR, schema_of

WIDTH = 79
TEMPLATE = """Train a contractive autoencoder.

  python train.py                             one run on the bundled digits
  python train.py model.lam=1e-3 trainer.max_epochs=5
  python train.py -m model.lam=0,0.1,1        a sweep, one run for each value
  python train.py data=mnist data.root=DIR    another data set
  python train.py resume=RUN trainer.max_epochs=200
  python train.py data=table --help           the settings of what is chosen
  tensorboard --logdir outputs

Choices, GROUP=NAME:

{choices}

Settings, KEY=VALUE:

{settings}

Further arguments of other libraries' classes are added with a +:
+trainer.NAME=VALUE, +optimizer.NAME=VALUE, +scheduler.NAME=VALUE,
+callbacks.NAME.ARGUMENT=VALUE, such as +callbacks.pictures.every_n_epochs=5.

Every run writes one directory under outputs/; hydra.run.dir=DIR and
hydra.sweep.dir=DIR move it. HYDRA_FULL_ERROR=1 shows the whole traceback of an
error. --hydra-help explains Hydra's own flags."""


def print_help(arguments: list[str]) -> None:
    """Print the help for the configuration that the other arguments compose.

    Hydra's own shows neither what a setting does nor less than its plumbing.
    """
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--config-path", "-cp", default=CONFIG_DIR, type=Path)
    parser.add_argument("--config-name", "-cn", default="config")
    flags, others = parser.parse_known_args(arguments)
    overrides = [with_quotes(each, sweeps=False) for each in others if not each.startswith("-")]
    with initialize_config_dir(str(flags.config_path.absolute()), version_base="1.3"):
        config = compose(flags.config_name, overrides=overrides, return_hydra_config=True)
    chosen = config.hydra.runtime.choices
    rows = (
        _row(f"{name}={_written(chosen.get(name))}", " ".join(known), 30) for name, known in groups().items()
    )
    print(TEMPLATE.format(choices="\n".join(rows), settings="\n".join(_section("", plain(config)))))


def _section(key: str, node: Mapping[str, Any]) -> Iterator[str]:
    cls = schema_of(key, node)
    specs = {spec.name: spec.metadata for spec in fields(cls)} if cls else {}
    inner: list[str] = []
    for name, value in node.items():
        full = f"{key}.{name}".lstrip(".")
        if isinstance(value, dict):
            inner += [*([] if key else [""]), *_section(full, value)]
        elif name in specs:
            line, choices = specs[name]["help"], specs[name].get("choices", ())
            listed = "" if all(choice in line for choice in choices) else f" ({', '.join(choices)})"
            yield _row(f"{full}={_written(value)}", line + listed, 36)
        elif cls and cls.open:
            yield _row(f"{full}={_written(value)}", f"argument of {node.get('name', 'Trainer')}", 36)
    yield from inner


def _written(value: Any) -> str:
    """A value as it is typed on the command line."""
    if isinstance(value, list):
        return f"[{','.join(_written(entry) for entry in value)}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{name}:{_written(entry)}' for name, entry in value.items())}}}"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _row(left: str, right: str, column: int) -> str:
    """Two columns; what is long on the left has a line of its own."""
    first, indent = f"  {left}", " " * column
    if len(first) + 2 > column:
        return f"{first}\n{fill(right, WIDTH, initial_indent=indent, subsequent_indent=indent)}"
    return fill(right, WIDTH, initial_indent=first.ljust(column), subsequent_indent=indent)
