"""What the directory of a run says, whatever state the run is in."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from contractive.runs.curves import FILE, Row, read_curves

FINISHED = "finished"
OTHER_VERSION = "was it written by another version?"


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
        return f"failed: {self.error}" if self.error else FINISHED if self.finished else "not finished"

    @property
    def lam(self) -> float | None:
        """The weight of the penalty."""
        return _number(self.config.get("model.lam"))

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
    """Read one run; what is missing or cannot be read is told in its warnings."""
    run = Run(name)
    overrides = _read(run, directory / ".hydra" / "overrides.yaml", yaml.safe_load, list)
    pairs = (str(override).lstrip("+~").partition("=") for override in overrides)
    run.overrides = {key: value for key, _, value in pairs}
    run.config = flat(_read(run, directory / ".hydra" / "config.yaml", yaml.safe_load, dict))
    error = directory / "error.txt"
    if error.is_file():
        run.error = " ".join(error.read_text(errors="replace").split())
    elif not (directory / "metrics.json").is_file():
        run.warnings.append("there is no metrics.json: the run has not finished, or was killed")
    else:
        run.finished = True
        metrics = _read(run, directory / "metrics.json", json.loads, dict)
        run.metrics = {key: value for key, value in metrics.items() if _number(value) is not None}
        missing = [key for key in ("test/reconstruction", "test/penalty") if key not in run.metrics]
        if missing:
            run.warnings.append(f"metrics.json has no number {' and no '.join(missing)}: {OTHER_VERSION}")
    if (directory / FILE).is_file():
        run.curves, problem = read_curves(directory)
        run.warnings += [f"{FILE} cannot be read ({problem})"] if problem else []
    elif not run.error:
        run.warnings.append(f"there is no {FILE}, so no curves: {OTHER_VERSION}")
    pictures = directory / "pictures"
    for path in sorted(pictures.rglob("*.png"), key=lambda path: (path.stat().st_mtime_ns, path)):
        run.pictures[path.relative_to(pictures).with_suffix("").as_posix()] = path
    if (directory / "geometry.json").is_file():
        run.geometry = _geometry(run, _read(run, directory / "geometry.json", json.loads, dict))
    return run


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by their dotted names.

    >>> flat({"model": {"lam": 0.1, "hidden": [5]}, "seed": 0})
    {'model.lam': 0.1, 'model.hidden': [5], 'seed': 0}
    """
    named: dict[str, Any] = {}
    for key, value in settings.items():
        named |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return named


def _geometry(run: Run, content: dict[str, Any]) -> Geometry | None:
    try:
        spectrum, radii = (list(map(float, content[name])) for name in ("spectrum", "radii"))
        ratios = {kind: list(map(float, ratio)) for kind, ratio in content["ratios"].items()}
        numbers = {key: value for key, value in content.items() if isinstance(value, float)}
        return Geometry(spectrum, radii, ratios, numbers)
    except (KeyError, TypeError, ValueError, AttributeError):
        run.warnings.append(f"geometry.json does not hold spectrum, radii and ratios: {OTHER_VERSION}")
        return None


def _read(run: Run, path: Path, parse: Any, kind: type) -> Any:
    """The content of a file; empty, with a warning, where there is none of that kind."""
    try:
        content = parse(path.read_text())
        if not isinstance(content, kind):
            raise ValueError(f"it holds no {kind.__name__}")
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = error.strerror if isinstance(error, OSError) else " ".join(str(error).split())
        run.warnings.append(f"{path.name} cannot be read ({reason})")
        return kind()
    return content


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
