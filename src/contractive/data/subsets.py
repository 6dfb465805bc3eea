"""A few examples that stand for all of them, chosen by their labels."""

import numpy as np

# Which examples have a label where few do, see :func:`labelled`, and how often they are drawn.
BALANCED, FIRST = "balanced", "first"
DRAWS = 3


def representative(y: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Indices of at most ``n`` examples, sorted: the first ones where no class is missing, else a draw.

    The first do not depend on ``seed``, and files whose examples are in the order of their classes, whose
    first would be of one class alone, are not mistaken for others. Of continuous labels it is always a draw.

    >>> representative(np.array([1, 0, 1, 0]), 2, seed=0), len(representative(np.array([0, 0, 1]), 2, seed=0))
    (array([0, 1]), 2)
    """
    if n >= len(y):
        return np.arange(len(y))
    if y.dtype.kind != "f" and np.isin(y, y[:n]).all():
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).permutation(len(y))[:n])


def evenly(y: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Indices of ``n`` examples, sorted, as many of each class as can be: one with fewer gives all it has.

    >>> y = np.array([0, 1, 1, 1, 2, 2, 2])
    >>> np.bincount(y[evenly(y, 5, seed=0)])
    array([1, 2, 2])
    """
    random = np.random.default_rng(seed)
    turn = np.empty(len(y))
    for label in np.unique(y):
        members = np.flatnonzero(y == label)
        turn[members] = random.permutation(len(members))
    return np.sort(np.lexsort((random.random(len(y)), turn))[:n])


def balanced(y: np.ndarray, n: int, seed: int) -> np.ndarray | None:
    """The same where no class has fewer than its share; ``None`` where one has, or there is none of one.

    >>> y = np.array([0, 0, 1, 1, 1, 1])
    >>> y[balanced(y, 4, seed=0)], balanced(y, 6, seed=0)
    (array([0, 0, 1, 1]), None)
    """
    chosen = evenly(y, n, seed)
    counts = (y[chosen] == np.unique(y)[:, None]).sum(1)
    return chosen if len(chosen) == n and 0 < counts.min() >= counts.max() - 1 else None


def labelled(y: np.ndarray, n: int, draw: str, seed: int) -> list[np.ndarray]:
    """Indices of ``n`` examples that have a label where few do, once for each time that they are drawn.

    With ``draw=balanced`` they are as many of each class, :data:`DRAWS` times; with ``first`` the first,
    once.
    There are none where there are not so many, or where all of them are of one class.

    >>> y = np.array([0, 0, 0, 1, 1, 1])
    >>> labelled(y, 4, FIRST, seed=0), len(labelled(y, 4, BALANCED, seed=0)), labelled(y, 3, FIRST, seed=0)
    ([array([0, 1, 2, 3])], 3, [])
    """
    if draw == FIRST:
        return [np.arange(n)] if n <= len(y) and len(np.unique(y[:n])) > 1 else []
    draws = (balanced(y, n, seed * DRAWS + number) for number in range(DRAWS))
    return [some for some in draws if some is not None]
