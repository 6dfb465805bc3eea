"""Which runs compare, and what sets each of them apart."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from plotly.colors import sample_colorscale

from contractive.palette import COLOURS
from contractive.runs.reading import Run, matters
from contractive.runs.untrusted import printable

LAM, SEED = "model.lam", "seed"
# Where these differ, errors and penalties are in other units.
UNITS = ("data.source", "data.path", "data.scaling", "data.grey", "data.size", "model.reconstruction")
# Ends of names that say nothing alone.
GENERIC = ("name", "enabled", "method")
LONGEST = 80  # characters of a label
DASHES = ("solid", "dash", "dot", "dashdot")


@dataclass(frozen=True)
class Group:
    """Runs on the same data, in whose figures the units are the same; each list has an entry for each run."""

    title: str
    runs: list[Run]
    numbers: list[int]  # among all runs of the page
    labels: list[str]
    lines: list[dict[str, str]]  # colour and dash
    settings: list[str]  # that differ

    def series(self) -> list[list[int]]:
        """Indices of the runs by whatever differs beside ``lam`` and the seed."""
        other = [key for key in self.settings if key not in (LAM, SEED)]
        found: dict[tuple[str, ...], list[int]] = {}
        for index, run in enumerate(self.runs):
            found.setdefault(tuple(str(run.config.get(key)) for key in other), []).append(index)
        return list(found.values())


def grouped(runs: Sequence[Run]) -> list[Group]:
    """The runs, those that compare together, in the order in which they came."""
    members: dict[tuple[str, ...], list[int]] = {}
    for number, run in enumerate(runs):
        members.setdefault(tuple(told(run.config.get(unit)) for unit in UNITS), []).append(number)
    groups = []
    for key, numbers in members.items():
        own = [runs[number] for number in numbers]
        settings = differing(own)
        alike = [other for other in members if other[0] == key[0]]
        apart = [word for word, others in zip(key[1:], [*zip(*alike)][1:]) if word and len(set(others)) > 1]
        title = ", ".join([key[0] or "Runs that do not tell their data", *apart])
        groups.append(Group(title, own, numbers, labels(own, settings), lines(own), settings))
    return groups


def differing(runs: Sequence[Run]) -> list[str]:
    """The settings that are not the same in all runs, ``lam`` first and the seed last."""
    keys = dict.fromkeys(
        key for run in runs for key, value in run.config.items() if not str(value).startswith("${")
    )
    recorded = [run for run in runs if run.config]
    found = [key for key in keys if matters(key) and len({str(run.config.get(key)) for run in recorded}) > 1]
    return sorted(found, key=lambda key: (key != LAM, key == SEED))


def labels(runs: Sequence[Run], settings: Sequence[str]) -> list[str]:
    """What sets each run apart from the others: settings that most of them do not share, or its name.

    ``lam`` is always said where it differs; what a run lacks is not.
    """
    usual = {}
    for key in settings:
        value, count = Counter(str(run.config.get(key)) for run in runs).most_common(1)[0]
        usual[key] = value if count > len(runs) / 2 and key != LAM else None
    names = short_names(settings)
    found = [
        ", ".join(
            f"{names[key]}={told(run.config.get(key))}"
            for key in settings
            if run.config.get(key) is not None and str(run.config[key]) != usual[key]
        )
        for run in runs
    ]
    shared = Counter(found)
    own = [
        run.name if not text else text if shared[text] == 1 else f"{text} ({run.name})"
        for text, run in zip(found, runs)
    ]
    return [printable(text, LONGEST) for text in own]


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """Settings by as few of the last parts of their names as tell them apart, and what they are.

    >>> short_names(["model.lam", "model.penalty.method", "probe.enabled"])
    {'model.lam': 'lam', 'model.penalty.method': 'penalty.method', 'probe.enabled': 'probe.enabled'}
    """
    names = {}
    for key in keys:
        parts = key.split(".")
        ends = [".".join(parts[-n:]) for n in range(1, len(parts) + 1)]
        names[key] = next((end for end in ends if end not in GENERIC and _ends(keys, end) == 1), key)
    return names


def _ends(keys: Sequence[str], end: str) -> int:
    return sum(key == end or key.endswith(f".{end}") for key in keys)


def told(value: Any) -> str:
    """A setting's value in as few characters as tell it."""
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def lines(runs: Sequence[Run]) -> list[dict[str, str]]:
    """A line for each run: its colour tells ``lam``, where that differs, its dash those of one ``lam``."""
    lams = sorted({run.lam for run in runs if run.lam is not None})
    keys: list[Any] = [run.lam for run in runs] if len(lams) > 1 else list(range(len(runs)))
    different = sorted({key for key in keys if key is not None})
    # Where there are many the colours are in the order of lam. Plasma reads the same with any colour vision;
    # its ends would vanish on a light or a dark page.
    many = len(different) > len(COLOURS)
    palette = sample_colorscale("Plasma", list(np.linspace(0.05, 0.78, len(different)))) if many else COLOURS
    colours: dict[Any, str] = {None: "#888888", **dict(zip(different, palette))}
    seen: Counter[Any] = Counter()
    found = []
    for key in keys:
        found.append({"color": colours[key], "dash": DASHES[seen[key] % len(DASHES)]})
        seen[key] += 1
    return found
