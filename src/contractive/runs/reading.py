"""What the directory of a run says, whatever state the run is in."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import NoneType
from typing import Any

from contractive.runs.curves import FILE, Row, read_curves
from contractive.runs.files import UNFINISHED
from contractive.runs.untrusted import parse_yaml, printable, read_text

FINISHED = "finished"
NOT_FINISHED = "not finished"
# More than any run has: what a page is to hold of one run has an end.
MOST_FIGURES = 100
MOST_ROWS = 2000
MOST_PICTURES = 40
LONGEST_TEXT = 500
OTHER_VERSION = "was it written by another version?"


# On these no figure of a run depends: where things lie, who watches, how it came about.
NO_MATTER = (
    *("callbacks", "logger", "hydra", "ckpt_path", "resume", "experiment", "optimized_metric"),
    *("save_every_seconds", "data.root", "data.in_memory_mib", "trainer.accelerator", "trainer.devices"),
)
# Of the objective of an autoencoder: a head has its own.
UNUSED_BY_HEADS = tuple(
    f"model.{name}"
    for name in ("lam", "lam_warmup_epochs", "lam_hessian", "hessian", "penalty", "corruption")
)


@dataclass
class Geometry:
    """The curves of a run's encoder at the last epoch that was drawn, averaged over examples."""

    spectrum: list[float]
    radii: list[float]
    ratios: dict[str, list[float]]  # for each kind of direction one for each radius
    numbers: dict[str, float]  # effective rank, saturation and the like


@dataclass
class Run:
    """One run. Whatever its directory lacks is empty."""

    name: str
    finished: bool = False
    error: str = ""  # why it failed
    overrides: dict[str, str] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)  # flat: "model.lam" -> 0.1
    metrics: dict[str, float] = field(default_factory=dict)
    curves: Sequence[Row] = ()
    pictures: dict[str, Path] = field(default_factory=dict)  # tag -> file, as they were drawn
    geometry: Geometry | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def status(self) -> str:
        """``finished``, ``not finished`` or ``failed: why``."""
        return f"failed: {self.error}" if self.error else FINISHED if self.finished else NOT_FINISHED

    @property
    def lam(self) -> float | None:
        """The weight of the penalty; of a head, of the contraction of its outputs if that is asked for."""
        if not self.config.get("head.enabled"):
            return _number(self.config.get("model.lam"))
        contracts = self.config.get("head.contraction", "none") != "none"
        return _number(self.config.get("head.lam")) if contracts else None

    def setting(self, key: str) -> Any:
        """The value of a setting that some run overrode."""
        return self.config.get(key, self.overrides.get(key))

    def curve(self, tag: str) -> tuple[list[float], list[float]]:
        """Epochs, counted from one, and values."""
        rows = [row for row in self.curves if tag in row]
        return [row["epoch"] for row in rows], [row[tag] for row in rows]

    def result(self, name: str) -> float | None:
        """The figure on the test split; of a run that has not finished, the last on the validation split."""
        if self.metrics:
            return self.metrics.get(f"test/{name}")
        values = self.curve(f"val/{name}")[1]
        return values[-1] if values else None


def read_run(directory: Path, name: str) -> Run:
    """Read one run; what is missing or cannot be read is told in its warnings.

    The directory may hold anything: no file makes this fail, run code, or take much memory or time.
    """
    run = Run(printable(name))
    overrides = _read(run, directory / ".hydra" / "overrides.yaml", parse_yaml, list)
    pairs = (_text(override).lstrip("+~").partition("=") for override in overrides)
    run.overrides = {key: value for key, _, value in pairs}
    run.config = _read(
        run, directory / ".hydra" / "config.yaml", lambda text: _settings(parse_yaml(text)), dict
    )
    run.config = {name: value for name, value in run.config.items() if is_used(name, run.config)}
    error = directory / "error.txt"
    if error.exists():
        words = _read(run, error, str.split, list)
        run.error = _text(" ".join(words)) or "error.txt does not say why"
    elif not (directory / "metrics.json").exists():
        run.warnings.append("there is no metrics.json: the run has not finished, or was killed")
    else:
        run.finished = True
        run.metrics = _figures(run, "metrics.json", _read(run, directory / "metrics.json", json.loads, dict))
        wanted = () if "test/error" in run.metrics else ("test/reconstruction", "test/penalty")
        missing = [key for key in wanted if key not in run.metrics]
        if missing:
            run.warnings.append(f"metrics.json has no number {' and no '.join(missing)}: {OTHER_VERSION}")
    if (directory / FILE).is_file():
        run.curves = _curves(run, directory)
    elif not run.error:
        run.warnings.append(f"there is no {FILE}, so no curves: {OTHER_VERSION}")
    run.pictures = _pictures(run, directory / "pictures")
    if (directory / "geometry.json").exists():
        run.geometry = _geometry(run, _read(run, directory / "geometry.json", json.loads, dict))
    return run


def matters(setting: str) -> bool:
    """Whether the figures of a run may depend on a setting.

    >>> matters("trainer.max_epochs"), matters("callbacks.pictures.filters")
    (True, False)
    """
    return not any(setting == name or setting.startswith(f"{name}.") for name in NO_MATTER)


def is_used(setting: str, config: Mapping[str, Any]) -> bool:
    """Whether a run with these settings, by their dotted names, uses one of them at all.

    >>> is_used("model.penalty.method", {"head.enabled": True}), is_used("model.lam", {})
    (False, True)
    """
    unused = any(setting == name or setting.startswith(f"{name}.") for name in UNUSED_BY_HEADS)
    return not (config.get("head.enabled") and unused)


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by their dotted names.

    >>> flat({"model": {"lam": 0.1, "hidden": [5]}, "seed": 0})
    {'model.lam': 0.1, 'model.hidden': [5], 'seed': 0}
    """
    named: dict[str, Any] = {}
    for key, value in settings.items():
        named |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return named


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What differs between two groups of settings, nested or flat, one line for each.

    >>> changes({"model": {"lam": 0.1}, "seed": 0}, {"model": {"lam": 0.2}, "seed": 0, "probe": 1})
    ['model.lam: 0.1 → 0.2', 'probe: none → 1']
    """
    before, after = flat(old), flat(new)
    return [
        f"{name}: {before.get(name, 'none')} → {after.get(name, 'none')}"
        for name in dict.fromkeys((*before, *after))
        if before.get(name, ...) != after.get(name, ...)
    ]


def _read(run: Run, path: Path, parse: Callable[[str], Any], kind: type) -> Any:
    """The content of a file; empty, with a warning, where there is none of that kind."""
    try:
        content = parse(read_text(path))
        if not isinstance(content, kind):
            raise ValueError(f"it holds no {kind.__name__}")
    # Whatever a parser raises over what a file holds: a RecursionError, an IndexError, a KeyError, ...
    except Exception as error:
        reason = error.strerror if isinstance(error, OSError) else str(error) or type(error).__name__
        run.warnings.append(f"{path.name} cannot be read ({_text(' '.join(str(reason).split()))})")
        return kind()
    return content


def _settings(content: Any) -> Any:
    """The settings of a document that holds some, by their dotted names, as text where they are no number."""
    if not isinstance(content, dict):
        return content
    plain = (bool, int, float, NoneType)
    return {_text(k): v if isinstance(v, plain) else _text(v) for k, v in flat(content).items()}


def _figures(run: Run, file: str, content: Mapping[str, Any]) -> dict[str, float]:
    figures = {_text(key): value for key, value in content.items() if _number(value) is not None}
    if len(figures) > MOST_FIGURES:
        run.warnings.append(f"{file} holds {len(figures)} numbers: the first {MOST_FIGURES} are read")
    return dict(islice(figures.items(), MOST_FIGURES))


def _curves(run: Run, directory: Path) -> Sequence[Row]:
    try:
        rows, problem = read_curves(directory)
    except OSError as error:
        rows, problem = [], str(error.strerror)
    if problem:
        run.warnings.append(f"{FILE} cannot be read ({problem})")
    # A curve with more points looks no different.
    return [*rows[: -1 : -(-len(rows) // MOST_ROWS)], rows[-1]] if len(rows) > MOST_ROWS else rows


def _pictures(run: Run, folder: Path) -> dict[str, Path]:
    """The pictures by their tags, in the order in which they were drawn."""
    try:
        paths = (path for path in folder.rglob("*.png") if not UNFINISHED.fullmatch(path.name))
        found = [path for path in paths if path.is_file()]
        found.sort(key=lambda path: (path.stat().st_mtime_ns, path))
    except (OSError, RecursionError) as error:
        run.warnings.append(f"pictures cannot be read ({_text(error)})")
        return {}
    if len(found) > MOST_PICTURES:
        run.warnings.append(f"pictures holds {len(found)} of them: the first {MOST_PICTURES} are read")
    return {
        printable(path.relative_to(folder).with_suffix("").as_posix()): path for path in found[:MOST_PICTURES]
    }


def _geometry(run: Run, content: dict[str, Any]) -> Geometry | None:
    try:
        spectrum, radii = (list(map(float, content[name])) for name in ("spectrum", "radii"))
        ratios = {_text(kind): list(map(float, ratio)) for kind, ratio in content["ratios"].items()}
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        run.warnings.append(f"geometry.json does not hold spectrum, radii and ratios: {OTHER_VERSION}")
        return None
    floats = {key: value for key, value in content.items() if isinstance(value, float)}
    return Geometry(spectrum, radii, ratios, _figures(run, "geometry.json", floats))


def _number(value: Any) -> float | None:
    """A number as such; None for anything else, and for an integer that no float can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return None if isinstance(value, int) and abs(value) >= 2**1023 else float(value)


def _text(value: Any) -> str:
    return printable(str(value), most=LONGEST_TEXT)
