"""What the directory of a run says, whatever state the run is in."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from contractive.runs.events import Events, read_events

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
    status: str = FINISHED  # or "failed: why", or "not finished"
    overrides: dict[str, str] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)  # flat: "model.lam" -> 0.1
    metrics: dict[str, float] = field(default_factory=dict)
    events: Events = field(default_factory=Events)
    geometry: Geometry | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def lam(self) -> float | None:
        """The weight of the penalty."""
        return _number(self.config.get("model.lam"))

    def setting(self, key: str) -> Any:
        """The value of a setting that some run overrode."""
        return self.config.get(key, self.overrides.get(key))

    def curve(self, tag: str) -> tuple[list[float], list[float]]:
        """Epochs, counted from one, and values."""
        # After training, the best epoch is evaluated once more.
        finals = self.events.curves.get("test/loss", {})
        points = {s: v for s, v in self.events.curves.get(tag, {}).items() if s not in finals}
        epochs = self.events.curves.get("epoch", {})
        return [epochs.get(s, i) + 1 for i, s in enumerate(points)], list(points.values())

    def result(self, name: str) -> float | None:
        """The figure on the test split; of a run that has not finished, the last on the validation split."""
        if self.metrics:
            return _number(self.metrics.get(f"test/{name}"))
        values = self.curve(f"val/{name}")[1]
        return values[-1] if values else None


def find_runs(directory: Path) -> list[Path]:
    """The directories of runs in ``directory``, or itself if it is one, in the order of their job numbers."""
    return sorted(_walk(directory), key=lambda path: [_natural(part) for part in path.parts])


def read_run(directory: Path, name: str) -> Run:
    """Read one run; what is missing or cannot be read is told in its warnings."""
    run = Run(name)
    overrides = _read(run, directory / ".hydra" / "overrides.yaml", yaml.safe_load, list)
    run.overrides = dict(_split(str(override)) for override in overrides)
    run.config = _flat(_read(run, directory / ".hydra" / "config.yaml", yaml.safe_load, dict))
    run.events = read_events(directory)
    run.warnings += run.events.warnings
    error = directory / "error.txt"
    if error.is_file():
        run.status = f"failed: {' '.join(error.read_text(errors='replace').split())}"
    elif not (directory / "metrics.json").is_file():
        run.status = "not finished"
        run.warnings.append("there is no metrics.json: the run has not finished, or was killed")
    else:
        metrics = _read(run, directory / "metrics.json", json.loads, dict)
        run.metrics = {key: value for key, value in metrics.items() if _number(value) is not None}
        missing = [key for key in ("test/reconstruction", "test/penalty") if key not in run.metrics]
        if missing:
            run.warnings.append(f"metrics.json has no number {' and no '.join(missing)}: {OTHER_VERSION}")
    if (directory / "geometry.json").is_file():
        run.geometry = _geometry(run, _read(run, directory / "geometry.json", json.loads, dict))
    return run


def _geometry(run: Run, content: dict[str, Any]) -> Geometry | None:
    try:
        ratios = {kind: _numbers(ratio) for kind, ratio in content["ratios"].items()}
        numbers = {key: value for key, value in content.items() if isinstance(value, float)}
        return Geometry(_numbers(content["spectrum"]), _numbers(content["radii"]), ratios, numbers)
    except (KeyError, TypeError, ValueError, AttributeError):
        run.warnings.append(f"geometry.json does not hold spectrum, radii and ratios: {OTHER_VERSION}")
        return None


def _numbers(values: list[Any]) -> list[float]:
    return [float(value) for value in values]


def _walk(directory: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(directory):
        marks = {"metrics.json", "error.txt"} & set(files)
        if marks or ".hydra" in folders or any(file.startswith("events.out.tfevents.") for file in files):
            folders.clear()  # runs do not lie in runs
            yield Path(folder)


def _natural(part: str) -> tuple[int, str]:
    return (int(part), "") if part.isdigit() else (-1, part)


def _split(override: str) -> tuple[str, str]:
    key, _, value = override.lstrip("+~").partition("=")
    return key, value


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


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
