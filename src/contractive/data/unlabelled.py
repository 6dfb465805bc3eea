"""Training examples of which few keep their label; that of the others is ``UNKNOWN``."""

import numpy as np

from contractive.data.labels import UNKNOWN
from contractive.data.subsets import evenly


def few_labels(y: np.ndarray | None, train: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Labels of all examples, of which ``n`` of the training split are left, as many of each class.

    Args:
        y: ``(examples,)``, of all splits.
        train: ``(training examples,)``, indices of those that train.
        n: how many of these keep their label; the others get :data:`contractive.data.labels.UNKNOWN`.
        seed: what the choice depends on.

    Raises:
        ValueError: if the labels are no classes, or there are not ``n`` of them or more classes.

    >>> few_labels(np.array([0, 0, 1, 1, 1]), np.array([0, 1, 2, 3]), 2, seed=0) == UNKNOWN
    array([False,  True, False,  True, False])
    """
    if y is None or y.dtype.kind == "f":
        has = "no labels" if y is None else "measurements for labels, not classes"
        raise ValueError(f"data.labels={n}: the data have {has}: leave it out")
    classes = len(np.unique(y[train]))
    if not classes <= n <= len(train):
        raise ValueError(
            f"data.labels={n}: must be between {classes}, one of each class, and {len(train)}, all that train"
        )
    left = y.copy()
    left[train] = UNKNOWN
    kept = train[evenly(y[train], n, seed)]
    left[kept] = y[kept]
    return left
