"""NaN and infinity have no place among examples: a single one spoils every weight."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np


def finite(
    pieces: Iterable[tuple[int, np.ndarray]], where: object, columns: Sequence[str] | None = None
) -> Iterator[np.ndarray]:
    """Pass pieces of the examples on; after the last one, check that all values were finite.

    Args:
        pieces: the number of its first row, counted from 0, and each piece ``(n, ...)``.
        where: the file they come from, for the message.
        columns: the names of the features, of examples ``(n, features)``.

    Raises:
        ValueError: with how many values are not finite and the first row that holds one.

    >>> list(finite([(0, np.ones((4, 2))), (4, np.array([[0.0, 1.0], [np.nan, np.inf]]))], "x.npy"))
    Traceback (most recent call last):
    ValueError: x.npy: 2 values are NaN, infinite or beyond float32, the first in row 5: mend or remove them
    """
    count, first, column = 0, 0, ""
    for start, x in pieces:
        # A sum shows whether there is any, without a mask as large as the data; it may also overflow itself.
        with np.errstate(over="ignore", invalid="ignore"):
            suspicious = x.dtype.kind == "f" and not np.isfinite(x.sum())
        bad = np.array([np.count_nonzero(~np.isfinite(row)) for row in x] if suspicious else [])
        if bad.any():
            if not count:
                row = int(bad.nonzero()[0][0])
                first = start + row
                column = columns[(~np.isfinite(x[row])).argmax()] if columns is not None else ""
            count += int(bad.sum())
        yield x
    if count:
        kind, are = "NaN, infinite or beyond float32", "value is" if count == 1 else "values are"
        place, remedy = f"row {first}", "mend or remove " + ("it" if count == 1 else "them")
        if columns is not None:
            kind, place = f"missing, {kind}", f"{place}, column {column!r}"
            remedy += f", or leave the column out: data.drop=[{column}]"
        raise ValueError(f"{where}: {count} {are} {kind}, the first in {place}: {remedy}")
