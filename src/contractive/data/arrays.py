"""What arrays of any type become as examples, checked. Nothing here imports torch before it is needed."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from contractive.data.magnitude import LARGEST, check_outliers
from contractive.data.npy import StoredAs


def feature_type(dtype: np.dtype) -> np.dtype:
    """The type that features are kept in: bytes stay bytes, all other real numbers become float32."""
    if dtype.kind not in "biuf":
        raise ValueError(f"holds {dtype}, not real numbers: convert it, to float32 for example")
    return dtype if dtype == np.uint8 else np.dtype(np.float32)


def from_tensor(x: Any, stored_as: StoredAs | None = None) -> np.ndarray:
    """The values of a tensor, of any device, converted as :func:`contractive.data.npy.read_npy` does.

    Raises:
        ValueError: if it is not a dense one, or promises more values than it holds.
    """
    import torch

    if x.layout != torch.strided or x.is_quantized or x.is_meta:
        raise ValueError("holds a sparse, quantized or empty tensor: save a dense one")
    x = x.detach().cpu().resolve_conj().resolve_neg()
    if x.numel() * x.element_size() > x.untyped_storage().nbytes():
        raise ValueError(f"holds fewer values than its shape {tuple(x.shape)}: save x.contiguous()")
    if x.is_floating_point() and x.dtype not in (torch.float16, torch.float32, torch.float64):
        x = x.float()  # numpy has no bfloat16
    array: np.ndarray = x.contiguous().numpy()
    with np.errstate(over="ignore"):
        return array if stored_as is None else array.astype(stored_as(array.dtype), copy=False)


def as_features(x: np.ndarray, where: object) -> np.ndarray:
    """Examples as they are trained on: of a type that :func:`feature_type` allows, channels first.

    Raises:
        ValueError: in one line that starts with ``where``, if they are not finite real numbers of a shape
            ``(n, ...)``.
    """
    check_shape(x.shape, where)
    x = channels_first(x)
    for _ in finite([(0, x)], where):
        pass
    return x


def check_shape(shape: tuple[int, ...], where: object) -> None:
    """Raise ``ValueError`` unless each example has at least one value and one dimension."""
    if len(shape) < 2 or 0 in shape[1:]:
        raise ValueError(f"{where}: must be (n, features) or (n, ...); got shape {shape}: reshape it")


def channels_first(x: np.ndarray) -> np.ndarray:
    """Bytes that are pictures as ``(n, channels, height, width)``; anything else as it is."""
    if x.dtype != np.uint8 or (x.ndim == 4 and x.shape[1] in (1, 3)):
        return x
    if x.ndim == 3:
        return x[:, None]
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2)) if x.ndim == 4 and x.shape[3] in (1, 3) else x


def finite(
    pieces: Iterable[tuple[int, np.ndarray]], where: object, columns: Sequence[str] | None = None
) -> Iterator[np.ndarray]:
    """Pass pieces of the examples on; after the last one, check that all values were finite.

    A single NaN among the examples would spoil every weight.

    Args:
        pieces: the number of its first row, counted from 0, and each piece ``(n, ...)``.
        where: the file they come from, for the message.
        columns: the names of the features, of examples ``(n, features)``.

    Raises:
        ValueError: with how many values are not finite and the first row that holds one, or as
            :func:`contractive.data.magnitude.check_outliers`.

    >>> list(finite([(0, np.ones((4, 2))), (4, np.array([[0.0, 1.0], [np.nan, np.inf]]))], "x.npy"))
    Traceback (most recent call last):
    ValueError: x.npy: 2 values are NaN, infinite or beyond float32, the first in row 5: mend or remove them
    """
    count, first, column = 0, 0, ""
    for start, x in pieces:
        # The extremes show whether there is any, without a mask as large as the data.
        low, high = (x.min(initial=0), x.max(initial=0)) if x.dtype.kind == "f" else (0, 0)
        suspicious = not (np.isfinite(low) and np.isfinite(high))
        if not suspicious and max(-low, high) > LARGEST:
            check_outliers(x, start, where, columns)
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
            place += f", column {column!r}"
            remedy += f", or leave the column out: data.drop=[{column}]"
        raise ValueError(f"{where}: {count} {are} {kind}, the first in {place}: {remedy}")
