"""NaN and infinity have no place among examples: a single one spoils every weight."""

from collections.abc import Sequence

import torch
from torch import Tensor


def check_finite(x: Tensor, where: object, columns: Sequence[str] | None = None) -> None:
    """Check that all values are finite.

    Args:
        x: ``(n, ...)``.
        where: the file they come from, for the message.
        columns: the names of the features, of examples ``(n, features)``.

    Raises:
        ValueError: with how many values are not finite and the first row, counted from 0, that holds one.

    >>> check_finite(torch.tensor([[0.0, 1.0], [torch.nan, torch.inf]]), "x.npy")
    Traceback (most recent call last):
    ValueError: x.npy: 2 values are NaN, infinite or beyond float32, the first in row 1: mend or remove them
    """
    # A sum shows whether there is any, without a mask as large as the data; it may also overflow by itself.
    if not x.is_floating_point() or torch.isfinite(x.sum()):
        return
    bad = torch.stack([(~torch.isfinite(row)).sum() for row in x])
    if not bad.any():
        return
    count, first = int(bad.sum()), int(bad.nonzero()[0])
    kind = "NaN, infinite or beyond float32"
    place, remedy = f"row {first}", "mend or remove " + ("it" if count == 1 else "them")
    if columns is not None:
        column = columns[int((~torch.isfinite(x[first])).nonzero()[0])]
        kind = "missing, " + kind
        place, remedy = (
            f"{place}, column {column!r}",
            f"{remedy}, or leave the column out: data.drop=[{column}]",
        )
    are = "value is" if count == 1 else "values are"
    raise ValueError(f"{where}: {count} {are} {kind}, the first in {place}: {remedy}")
