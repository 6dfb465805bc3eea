"""What a code is good for, or any other features: the figures of simple classifiers on them, in per cent.

Throughout, ``seen`` holds the examples of ``train``, ``val`` and ``test``, and of ``noisy``, those of the
test with noise on their inputs, each as a pair of features ``(n, features)``, float32, and labels ``(n,)``.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from contractive.data.subsets import BALANCED, labelled, representative
from contractive.diagnostics.classifiers import Examples, error, linear_probe, neighbours_probe, ridge_probe

Seen = Mapping[str, Examples]

# What bounds the time of both, 23 seconds of one core with codes of 1,000 units and 10 classes: most
# examples, and most products in one pass of the linear probe and in all distances between neighbours.
LINEAR_MOST, LINEAR_WORK = {"train": 60_000, "val": 10_000, "test": 10_000}, 6e8
NEAR_MOST, NEAR_WORK = {"train": 10_000, "val": 2_000, "test": 2_000}, 2e10


def linear_counts(width: int, classes: int) -> dict[str, int]:
    """How many examples of each split the linear probe takes at most, of so many features and classes.

    >>> linear_counts(1000, 10), linear_counts(3072, 10)["train"]
    ({'train': 60000, 'val': 10000, 'test': 10000}, 19531)
    """
    return LINEAR_MOST | {"train": min(LINEAR_MOST["train"], int(LINEAR_WORK / width / classes))}


def near_counts(width: int) -> dict[str, int]:
    """The same of the neighbours' probe.

    >>> near_counts(1000), near_counts(3072)["train"]
    ({'train': 10000, 'val': 2000, 'test': 2000}, 3255)
    """
    return NEAR_MOST | {"train": min(NEAR_MOST["train"], int(NEAR_WORK / width / NEAR_MOST["test"]))}


def classification(
    seen: Seen,
    near: Mapping[str, int],
    *,
    neighbours: int = 5,
    few: Sequence[int] = (),
    draw: str = BALANCED,
    seed: int = 0,
) -> dict[str, float]:
    """The errors, in per cent, of a linear probe and of the nearest neighbours.

    Args:
        seen: the examples, see above.
        near: how many examples of each split the neighbours' probe takes at most, see :func:`near_counts`.
        neighbours: how many have a vote.
        few: numbers of labels from which the linear probe learns as well. There is no error for numbers of
            which there are not so many.
        draw: which these are, see :func:`contractive.data.subsets.labelled`.
        seed: what all draws depend on.

    Returns:
        ``probe_error`` and ``knn_error`` under ``val/`` and ``test/``, ``test/probe_error_noisy``, and
        ``test/probe_error_N`` for the numbers ``N`` in ``few``.

    Raises:
        ValueError: if all training examples have the same label.
    """
    linear = linear_probe(seen["train"], seen["val"], seed)
    figures = {f"{stage}/probe_error": error(linear, seen[stage]) for stage in ("val", "test")}
    figures["test/probe_error_noisy"] = error(linear, seen["noisy"])
    x, y = seen["train"]
    for n in few:
        probes = [linear_probe((x[some], y[some]), seen["val"]) for some in labelled(y, n, draw, seed)]
        if probes:
            figures[f"test/probe_error_{n}"] = float(np.mean([error(one, seen["test"]) for one in probes]))
    nearest = {}
    for split, most in near.items():
        x, y = seen[split]
        some = representative(y, most, seed)
        nearest[split] = x[some], y[some]
    if len(nearest["train"][0]) >= neighbours:
        voting = neighbours_probe(nearest["train"], neighbours)
        figures |= {f"{stage}/knn_error": error(voting, nearest[stage]) for stage in ("val", "test")}
    return figures


def regression(seen: Seen) -> dict[str, float]:
    """R² of a ridge regression of continuous labels: ``val/probe_r2``, ``test/probe_r2`` and
    ``test/probe_r2_noisy``."""
    ridge = ridge_probe(seen["train"], seen["val"])
    places = {"val/probe_r2": "val", "test/probe_r2": "test", "test/probe_r2_noisy": "noisy"}
    return {name: float(ridge.score(*seen[split])) for name, split in places.items()}
