"""Values too large or too small for 32-bit floats, told before anything is trained on them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from contractive.data.parts import Part
    from contractive.nn.scaling import Scaler

LARGEST = 1e15  # sums of squares of larger values leave the range of float32, 3e38
SMALLEST = float(np.finfo(np.float32).tiny)  # below it precision is lost bit by bit
PRECISION = 2.0**24  # a value vanishes beside one so many times as large


def check_outliers(x: np.ndarray, start: int, where: object, columns: Sequence[str] | None) -> None:
    """Check that no huge value stands alone: a scaling fitted to it would make all others of its feature one.

    Args:
        x: ``(n, ...)``, finite.
        start: the number of the first row.
        where: the file they come from, for the message.
        columns: the names of the features, of examples ``(n, features)``.

    Raises:
        ValueError: with the row, where a value is larger than ``LARGEST`` and most others of its feature
            vanish beside it.
    """
    x = x.reshape(len(x), -1)
    size = np.abs(x)
    largest = size.max(0)
    huge = np.flatnonzero(largest > LARGEST)
    half = len(x) // 2
    alone = huge[largest[huge] / PRECISION > np.partition(size[:, huge], half, axis=0)[half]]
    if len(alone):
        feature = int(alone[largest[alone].argmax()])
        row = int(size[:, feature].argmax())
        name = feature if columns is None else columns[feature]
        drop = "" if columns is None else f", or leave the column out: data.drop=[{name}]"
        raise ValueError(
            f"{where}: row {start + row}, column {name!r} holds {x[row, feature]:g}, beside which the"
            f" others vanish: mend or remove it{drop}"
        )


def check_magnitude(
    parts: "Mapping[str, Part]", scaler: "Scaler | None", scaling: str, columns: Sequence[str] | None
) -> None:
    """Check that the model can compute with what it is going to see.

    Args:
        parts: the splits.
        scaler: fitted to the training split, or ``None``.
        scaling: how; for the message.
        columns: the names of the features, if they have any.

    Raises:
        ValueError: naming the split, the values and what to do.
    """
    if scaler is not None and not scaler.scale.isfinite().all():
        feature = int((~scaler.scale.isfinite()).flatten().nonzero()[0])
        name = feature if columns is None else columns[feature]
        raise ValueError(
            f"data.scaling={scaling}: values of column {name!r} differ by less than 32-bit floats can tell,"
            f" {SMALLEST:.0e}: multiply them, by 1e30 for example"
        )
    for split, part in parts.items():
        if part.is_bytes:
            continue
        low, high = part.statistics.low, part.statistics.high
        largest = max(low.abs().max().item(), high.abs().max().item())
        if 0 < largest < SMALLEST:
            raise ValueError(
                f"the {split} split has no value above {largest:.0e}, and 32-bit floats lose their"
                f" precision below {SMALLEST:.0e}: multiply the data, by 1e30 for example"
            )
        if scaler is None and largest > LARGEST:
            raise ValueError(
                f"data.scaling={scaling}: the {split} split has values up to {largest:g}, whose"
                " squares 32-bit floats cannot hold: use data.scaling=standard or unit"
            )
        if scaler is not None:
            scaled = max(scaler(low[None]).abs().max().item(), scaler(high[None]).abs().max().item())
            if not scaled <= LARGEST:
                raise ValueError(
                    f"the {split} split has values up to {largest:g}, which data.scaling={scaling}, fitted"
                    f" to the training split, takes to {scaled:g}: mend or remove them"
                )
