"""How many runs of a sweep there are at once, and how many threads each may have."""

import os
from collections.abc import Mapping
from typing import Any


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def runs_at_once(launcher: Mapping[str, Any], available: int) -> int | None:
    """How many runs a launcher has under way at once; ``None`` if it starts all, or a queue decides.

    >>> runs_at_once({"_target_": "x.JoblibLauncher", "n_jobs": -2}, 8)
    7
    """
    name = str(launcher.get("_target_", "")).rpartition(".")[2]
    if name == "JoblibLauncher":
        wanted = int(launcher["n_jobs"])
        # As joblib counts: -1 is a run on every core, -2 on all but one.
        return wanted if wanted > 0 else max(1, available + 1 + wanted)
    return 1 if name == "BasicLauncher" else None


def rounds_after(number: int, jobs: int, at_once: int | None) -> int:
    """How many times as long as one run it takes until all are done, once the run of this number is.

    >>> [rounds_after(number, 5, 2) for number in range(5)]
    [2, 2, 1, 1, 0]
    """
    return 0 if at_once is None else max(0, -(-jobs // at_once) - 1 - number // at_once)


def threads_of_a_run(launcher: Mapping[str, Any], available: int) -> int | None:
    """How many threads each run of a sweep may have, so that together they have no more than there are cores.

    Args:
        launcher: Hydra's settings of it.
        available: cores.

    Returns:
        ``None`` for a launcher that runs one after the other, or whose scheduler hands out the cores.

    >>> threads_of_a_run({"_target_": "x.JoblibLauncher", "n_jobs": 3}, 8)
    2
    >>> threads_of_a_run({"_target_": "x.JoblibLauncher", "n_jobs": -1}, 8)
    1
    """
    name = str(launcher.get("_target_", "")).rpartition(".")[2]
    if name == "JoblibLauncher":
        return max(1, available // (runs_at_once(launcher, available) or 1))
    if name == "LocalLauncher":
        return int(launcher.get("cpus_per_task") or 1)  # submitit starts all of them at once
    return None
