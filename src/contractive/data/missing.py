"""What becomes of missing values in a table: refused, their rows left out, or replaced by means."""

from collections.abc import Sequence

import numpy as np

from contractive.data.files import listed

MISSING = ("drop", "mean")


def missing_values(x: np.ndarray) -> np.ndarray | None:
    """Where values of ``(n, features)`` are missing, a mask of its shape; ``None`` if none is."""
    return np.isnan(x) if np.isnan(x.max(initial=0)) else None


def missing_told(gone: np.ndarray, columns: Sequence[str], start: int = 0) -> str:
    """How many values are missing, and in which columns; ``start`` is the number of the first row.

    >>> missing_told(np.array([[False, True], [False, True]]), ["a", "b"])
    "2 values are missing or NaN, in column 'b', the first in row 0"
    """
    count, (row, _) = int(gone.sum()), np.argwhere(gone)[0]
    names = [repr(columns[i]) for i in np.flatnonzero(gone.any(0)).tolist()]
    what = "value is" if count == 1 else "values are"
    where = "column" if len(names) == 1 else "columns"
    return f"{count} {what} missing or NaN, in {where} {listed(names)}, the first in row {start + row}"


def refuse_missing(gone: np.ndarray, columns: Sequence[str], where: object) -> None:
    """Raise ``ValueError`` for values that are missing, and say what can be done."""
    names = [columns[i] for i in np.flatnonzero(gone.any(0)).tolist()]
    drop = ",".join(names[:5]) + (",…" if len(names) > 5 else "")
    raise ValueError(
        f"{where}: {missing_told(gone, columns)}: set data.missing=drop (rows) or data.missing=mean,"
        f" mend them, or leave the columns out: data.drop=[{drop}]"
    )


def column_means(x: np.ndarray, columns: Sequence[str], where: object) -> np.ndarray:
    """The mean ``(features,)`` of the values of each column that are there.

    Raises:
        ValueError: naming the columns that have none.
    """
    empty = [columns[i] for i in np.flatnonzero(np.isnan(x).all(0)).tolist()]
    if empty:
        raise ValueError(
            f"{where}: no training example has a value in {listed(empty)}: leave it out, with"
            f" data.drop=[{','.join(empty[:5])}]"
        )
    return np.asarray(np.nanmean(x, 0, dtype=np.float64), np.float32)


def fill_missing(x: np.ndarray, values: np.ndarray) -> int:
    """Put ``values`` ``(features,)`` where ``x`` ``(n, features)`` lacks its own, and count."""
    gone = missing_values(x)
    if gone is None:
        return 0
    np.copyto(x, values, where=gone)
    return int(gone.sum())
