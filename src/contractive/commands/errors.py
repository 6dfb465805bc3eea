"""Whatever goes wrong, in one line."""

import importlib.metadata
import os
import re
import traceback
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from contractive.commands.explain import explain
from contractive.data.files import shown
from contractive.runs.reading import flat

FULL_ERROR = os.environ.get("HYDRA_FULL_ERROR", "0") not in ("", "0")

# How torch on a CPU, torch on a GPU and numpy say that there is not enough memory, and for how much.
MEMORY = re.compile(
    r"can't allocate memory|out of memory|Unable to allocate|not enough memory", re.IGNORECASE
)
AMOUNT = re.compile(r"allocate ([\d.]+) ?(bytes|[KMGTPE]iB)", re.IGNORECASE)
UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
# What memory grows with, each with what is usual.
USUAL = {
    "model.hidden": 256,
    "model.channels": 32,
    "data.batch_size": 64,
    "data.size": 64,
    "model.penalty.probes": 1,
    "model.penalty.chunk_size": 64,
    "model.hessian.samples": 4,
    "model.hessian.probes": 1,
}


def one_line(error: BaseException, config: DictConfig | None = None) -> str:
    """What went wrong, in one line.

    Args:
        error: what was raised.
        config: of the run, where one was under way.
    """
    text = shown(" ".join(str(error).split()))
    if isinstance(error, MemoryError) or MEMORY.search(text):
        return f"error: {_out_of_memory(text, config)}"
    if plugin := _broken_plugin(error):
        said = f"the Hydra plugin {plugin} breaks Hydra ({type(error).__name__}: {text[:80]})"
        return f"error: {said}: uninstall it: pip uninstall {plugin}"
    is_theirs = type(error).__module__.startswith(("hydra.", "omegaconf."))
    if is_theirs or text.startswith("Config group override"):
        return f"error: {explain(error)}"
    if isinstance(error, OSError) and error.strerror:
        return f"error: {error.strerror}: {str(error.filename)!r}"
    if isinstance(error, ValueError | OSError | ArithmeticError):
        return f"error: {text}"
    return f"error: {type(error).__name__}: {text} (HYDRA_FULL_ERROR=1 shows the traceback)"


def _out_of_memory(text: str, config: DictConfig | None) -> str:
    asked = AMOUNT.search(text)
    amount = f" ({_readable(float(asked[1]), asked[2])} more were asked for)" if asked else ""
    named: dict[str, Any] = {} if config is None else flat(OmegaConf.to_container(config))  # type: ignore[arg-type]
    sizes = {key: _largest(named[key]) / usual for key, usual in USUAL.items() if _largest(named.get(key))}
    if not sizes:
        return f"there is not enough memory{amount}"
    key = max(sizes, key=lambda key: sizes[key])
    return f"there is not enough memory{amount}: lower {key}={str(named[key]).replace(' ', '')}"


def _largest(value: Any) -> float:
    numbers = value if isinstance(value, list) else [value]
    return max((number for number in numbers if isinstance(number, int)), default=0)


def _readable(amount: float, unit: str) -> str:
    power = [name.lower() for name in UNITS].index(unit.lower())
    while amount >= 1024 and power + 1 < len(UNITS):
        amount, power = amount / 1024, power + 1
    return f"{amount:.3g} {UNITS[power]}"


def _broken_plugin(error: BaseException) -> str | None:
    """The package of the Hydra plugin in whose import an error was raised, if it was in one."""
    for frame in traceback.extract_tb(error.__traceback__):
        parts = Path(frame.filename).parts
        if "hydra_plugins" in parts[:-1] and frame.name == "<module>":
            folder = parts[parts.index("hydra_plugins") + 1].removesuffix(".py")
            for package in importlib.metadata.packages_distributions().get("hydra_plugins", []):
                files = importlib.metadata.files(package) or []
                if any(
                    file.parts[:2] in (("hydra_plugins", folder), ("hydra_plugins", f"{folder}.py"))
                    for file in files
                ):
                    return package
            return folder.replace("_", "-")
    return None
