"""What the directory of a sweep's run is called: its number and what it overrides, in short."""

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

SWEEP = "multirun.yaml"  # what Hydra calls the record of a sweep
LONGEST, LONGEST_VALUE, DIGITS = 80, 24, 5


def job_name(number: int, overrides: Sequence[str], same: Collection[str] = ()) -> str:
    """The number, which makes the name the only one of its sweep, and the values of this run.

    It holds nothing that a file system, a shell or a URL takes for something else, in 80 characters at most.

    Args:
        number: of the run in its sweep.
        overrides: of the run.
        same: keys of those that are the same in all runs of the sweep.

    >>> job_name(2, ["model.lam=0.01", "model.hidden=[512,64]", "seed=1"], same=["seed"])
    '2_lam=0.01_hidden=512-64'
    """
    own = [(key, value) for key, value in map(_split, overrides) if key not in same]
    last = [re.split(r"[./]", key)[-1] for key, _ in own]
    name = str(number)
    for (key, value), short in zip(own, last):
        # Of two settings that end alike the whole key tells which.
        piece = f"_{_safe(short if last.count(short) == 1 else key)}={short_value(value)}"
        if len(name) + len(piece) > LONGEST:
            break
        name += piece
    return name


def name_in_sweep(number: int, overrides: Sequence[str], directory: str) -> str:
    """The same for a sweep that recorded itself in ``directory``: a resolver of the configuration."""
    try:
        record = OmegaConf.load(Path(directory) / SWEEP)
        typed = [str(override) for override in OmegaConf.select(record, "hydra.overrides.task") or ()]
    except (OSError, ValueError, YAMLError, OmegaConfBaseException):
        typed = []
    same = [_split(override)[0] for override in typed if not _sweeps(override)]
    return job_name(number, [str(override) for override in overrides], same)


def short_value(value: str) -> str:
    """A value as a name holds it, of a long one the beginning, of a long path the last parts.

    >>> short_value("0.015676677195506072"), short_value("1e-3"), short_value("[512,64]")
    ('0.015677', '1e-3', '512-64')
    >>> short_value("outputs/multirun/2026-11-24/18-00-00/2_lam=0.01")
    '18-00-00-2_lam-0.01'
    """
    if len(value) > DIGITS + 2 and re.fullmatch(r"-?\d*\.\d+(e-?\d+)?", value):
        return f"{float(value):.{DIGITS}g}"
    *above, name = (_safe(part) for part in value.strip("'\"/").split("/"))
    for part in reversed(above):
        if len(part) + 1 + len(name) > LONGEST_VALUE:
            break
        name = f"{part}-{name}"
    return name[:LONGEST_VALUE]


def _sweeps(override: str) -> bool:
    try:
        return OverridesParser.create().parse_override(override).is_sweep_override()
    except HydraException:
        return False


def _split(override: str) -> tuple[str, str]:
    key, _, value = override.lstrip("+~").partition("=")
    return key, value.strip()


def _safe(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.+_-]+", " ", text).strip().replace(" ", "-") or "x"
