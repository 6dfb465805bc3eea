"""Which runs compare, and what sets each of them apart."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from plotly.colors import sample_colorscale

from contractive.palette import COLOURS
from contractive.runs.reading import Run, matters
from contractive.runs.untrusted import printable

LAMS, SEED = ("model.lam", "head.lam"), "seed"
# Where these differ, errors and penalties are in other units.
UNITS = ("data.source", "data.path", "data.scaling", "data.grey", "data.size", "model.reconstruction")
# Ends of names that say nothing alone.
GENERIC = ("name", "enabled", "method")
# What is chosen by these has settings of its own, beside them.
CHOOSING = ("name", "method", "kind")
CHECKPOINT = re.compile(r"(?:[^'\"]*/)?([^/'\"]+)/checkpoints/[^/'\"]+\.ckpt")  # of a run
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
        groups.append(Group(title, own, numbers, labels(own, settings), lines(own, settings), settings))
    return groups


def series(runs: Sequence[Run], settings: Sequence[str]) -> list[list[int]]:
    """Indices of the runs by whatever differs beside ``lam`` and the seed."""
    other = [key for key in settings if key not in (*LAMS, SEED)]
    found: dict[tuple[str, ...], list[int]] = {}
    for index, run in enumerate(runs):
        found.setdefault(tuple(str(run.config.get(key)) for key in other), []).append(index)
    return list(found.values())


def differing(runs: Sequence[Run]) -> list[str]:
    """The settings that are not the same in all runs, ``lam`` first and the seed last."""
    keys = dict.fromkeys(
        key for run in runs for key, value in run.config.items() if not str(value).startswith("${")
    )
    recorded = [run for run in runs if run.config]
    found = [key for key in keys if matters(key) and len({str(run.config.get(key)) for run in recorded}) > 1]
    return sorted(found, key=lambda key: (key not in LAMS, key == SEED))


def labels(runs: Sequence[Run], settings: Sequence[str]) -> list[str]:
    """What sets each run apart from the others: settings that most of them do not share, or its name.

    ``lam`` is always said where it differs; what a run lacks is not, nor what came with a choice of a name.
    """
    settings = [key for key in settings if not _came_along(key, runs, settings)]
    usual = {}
    for key in settings:
        value, count = Counter(str(run.config.get(key)) for run in runs).most_common(1)[0]
        usual[key] = value if count > len(runs) / 2 and key not in LAMS else None
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


def _came_along(key: str, runs: Sequence[Run], settings: Sequence[str]) -> bool:
    """Whether only what some runs chose by name has this setting, all of them alike, and nobody typed it."""
    group, _, last = key.rpartition(".")
    having = [run for run in runs if run.config.get(key) is not None]
    chosen = last not in CHOOSING and any(f"{group}.{word}" in settings for word in CHOOSING)
    alike = len({str(run.config[key]) for run in having}) == 1
    return chosen and alike and not any(key in run.overrides for run in having)


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
    """A setting's value in as few characters as tell it.

    >>> told(0.10), told(None), told("/home/me/outputs/night/2_lam=1/checkpoints/best.ckpt")
    ('0.1', '', '2_lam=1')
    """
    if isinstance(value, str):
        return CHECKPOINT.sub(r"\1", value)
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def lines(runs: Sequence[Run], settings: Sequence[str]) -> list[dict[str, str]]:
    """A line for each run: its colour tells ``lam``, its dash the other settings, or those of one ``lam``.

    Where no two runs differ in ``lam`` alone, colour and dash tell the runs apart.
    """
    alike = series(runs, settings)
    if all(len({runs[i].lam for i in members}) == 1 for members in alike):
        few = len(COLOURS)
        return [{"color": COLOURS[i % few], "dash": DASHES[i // few % len(DASHES)]} for i in range(len(runs))]
    lams = sorted({run.lam for run in runs if run.lam is not None})
    # Where there are many the colours are in the order of lam. Plasma reads the same with any colour vision;
    # its ends would vanish on a light or a dark page.
    many = len(lams) > len(COLOURS)
    palette = sample_colorscale("Plasma", list(np.linspace(0.05, 0.78, len(lams)))) if many else COLOURS
    colours: dict[Any, str] = {None: "#888888", **dict(zip(lams, palette))}
    if len(alike) > 1:
        kinds = {i: kind for kind, members in enumerate(alike) for i in members}
    else:
        kinds = {i: sum(run.lam == runs[i].lam for run in runs[:i]) for i in range(len(runs))}
    return [{"color": colours[run.lam], "dash": DASHES[kinds[i] % len(DASHES)]} for i, run in enumerate(runs)]
