"""Labels in whatever form a file holds them: classes as integers, measurements as floats."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

# The number of a label that is not known: training had no class for it, or the example is an unlabelled one.
UNKNOWN = int(np.iinfo(np.int64).min)


def has_label(y: Any) -> Any:
    """Which of some classes, ``(n,)`` of a tensor or an array, a head can learn: a negative one is none."""
    return y >= 0


def as_labels(y: np.ndarray, n: int, where: object) -> np.ndarray:
    """Labels of ``n`` examples, ``(n,)`` of int64, of strings, or of float64 where they are measurements.

    Args:
        y: ``(n,)`` or ``(n, 1)``: integers, booleans, whole numbers stored as floats, strings; or floats of
            which some are not whole.
        n: the number of examples.
        where: the file they come from, for messages.

    Raises:
        ValueError: if they are anything else.

    >>> as_labels(np.array([[3.0], [1.0]]), 2, "y.npy")
    array([3, 1])
    """
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1 or y.dtype.kind not in "biufUS":
        raise ValueError(
            f"{where}: labels must be numbers or strings, one for each example; got {y.dtype} of shape"
            f" {y.shape}: convert them, or leave them out"
        )
    if len(y) != n:
        raise ValueError(f"{where}: there are {n} examples and {len(y)} labels: one label for each is needed")
    if y.dtype.kind == "U":
        return y
    if y.dtype.kind == "S":
        return np.char.decode(y, "utf-8", "replace")
    wrong = np.flatnonzero(~np.isfinite(y))
    if len(wrong):
        raise ValueError(
            f"{where}: labels must be finite numbers or strings; {len(wrong)} are not, the first,"
            f" {y[wrong[0]]}, in row {wrong[0]}: mend them, or leave the labels out"
        )
    with np.errstate(invalid="ignore"):
        whole = y.astype(np.int64)
    return whole if (whole == y).all() else y.astype(np.float64)


def to_ids(
    labels: Mapping[str, np.ndarray | None], where: Mapping[str, object]
) -> tuple[dict[str, np.ndarray | None], list[str] | None]:
    """Labels of all splits as numbers, and the names of their classes where they are strings.

    Numbers keep their values; where some of any split are not whole, all are floats. Of strings, each gets
    its place in the sorted list of those that occur in any split, so that a class has one number everywhere.

    Args:
        labels: for each split what :func:`as_labels` gives, or ``None``, which stays.
        where: for each split the file they come from, for messages.

    Raises:
        ValueError: if they are strings in one split and integers in another.

    >>> to_ids({"train": np.array(["cat", "ant"]), "val": np.array(["bee"])}, {"train": "a", "val": "b"})
    ({'train': array([2, 0]), 'val': array([1])}, ['ant', 'bee', 'cat'])
    """
    given = {split: y for split, y in labels.items() if y is not None}
    texts = [split for split, y in given.items() if y.dtype.kind == "U"]
    numbers = [split for split in given if split not in texts]
    if texts and numbers:
        raise ValueError(
            f"{where[texts[0]]}: labels are strings, those of {where[numbers[0]]} are numbers: use one kind"
        )
    classes = None
    if texts:
        names = np.unique(np.concatenate(list(given.values())))
        given = {split: np.searchsorted(names, y) for split, y in given.items()}
        classes = names.tolist()
    elif any(y.dtype.kind == "f" for y in given.values()):
        given = {split: y.astype(np.float64) for split, y in given.items()}
    return {split: given.get(split) for split in labels}, classes


def known_ids(labels: Sequence[Any], classes: Sequence[str] | None) -> np.ndarray:
    """The numbers that training gave to such labels; ``UNKNOWN`` for those that it did not have.

    >>> known_ids(["cat", "dog", None], ["ant", "bee", "cat"]) == [2, UNKNOWN, UNKNOWN]
    array([ True,  True,  True])
    >>> known_ids([3, 1.0, "7"], None)
    array([3, 1, 7])
    """
    if classes is not None:
        ids = {name: number for number, name in enumerate(classes)}
        return np.array([ids.get(str(label), UNKNOWN) for label in labels], np.int64)
    return np.array([_whole(label) for label in labels], np.int64)


def _whole(label: Any) -> int:
    try:
        number = int(label)
        return number if isinstance(label, str) or number == label else UNKNOWN
    except (TypeError, ValueError, OverflowError):
        return UNKNOWN
