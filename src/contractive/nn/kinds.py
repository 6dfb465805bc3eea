"""What is given, of any kind, as a tensor; and the answer in the same kind."""

import logging
from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

log = logging.getLogger(__name__)


def is_frame(given: Any) -> bool:
    """Whether it is a pandas ``DataFrame``; pandas is not imported for that."""
    return any(c.__name__ == "DataFrame" and c.__module__.startswith("pandas") for c in type(given).__mro__)


def as_tensor(name: str, given: Any, shape: tuple[int, ...], columns: Sequence[str] | None = None) -> Tensor:
    """A batch of examples of a shape as a tensor, in the type in which they are given.

    Args:
        name: what it is called in messages.
        given: a tensor, an array, what numpy makes one of, or a ``DataFrame`` with a column for each value.
        shape: that of one example.
        columns: the names of the values, by which those of a ``DataFrame`` are matched; ``None`` if they have
            none: then its columns are taken in their order.

    Raises:
        ValueError: if the examples have another shape or are no real numbers, or a column is missing.
    """
    array: Any = given
    if not isinstance(given, Tensor | np.ndarray):
        array = _values(name, given, columns) if is_frame(given) else np.asarray(given)
        if is_frame(given) and array.shape[1] == prod(shape):
            array = array.reshape(-1, *shape)
    if tuple(array.shape[1:]) != shape or not array.ndim:
        wanted = ", ".join(map(str, ("batch", *shape)))
        raise ValueError(f"{name} has the shape {tuple(array.shape)}; this model was built for ({wanted})")
    real = not array.is_complex() if isinstance(array, Tensor) else array.dtype.kind in "biuf"
    if not real or array.dtype.itemsize > 8:
        raise ValueError(
            f"{name} holds values of the type {str(array.dtype).removeprefix('torch.')}:"
            " give floats of at most 64 bits, integers, booleans, or bytes"
        )
    if isinstance(array, Tensor):
        return array
    # In torch an array has the machine's byte order and no negative strides.
    return torch.tensor(np.ascontiguousarray(array, array.dtype.newbyteorder("=")))


def in_kind(compute: Callable[[Tensor], Tensor], x: Tensor, given: Any, columns: Sequence[str] | None) -> Any:
    """``compute(x)``, ``(batch, *shape)``, in the kind of ``given``.

    For a tensor it is one, with a graph; for a ``DataFrame`` one with the same index and ``columns``, or
    ``x0``, ``x1``, …; for anything else an array.
    """
    if isinstance(given, Tensor):
        return compute(x)
    with torch.no_grad():
        result = compute(x).cpu()
    # numpy has no bfloat16.
    array = (result.float() if result.dtype == torch.bfloat16 else result).numpy()
    if not is_frame(given):
        return array
    flat = array.reshape(len(array), prod(array.shape[1:]))
    names = [f"x{i}" for i in range(flat.shape[1])] if columns is None else list(columns)
    return type(given)(flat, index=given.index, columns=names)


def _values(name: str, frame: Any, columns: Sequence[str] | None) -> np.ndarray:
    if columns is not None:
        if missing := [column for column in columns if column not in frame.columns]:
            raise ValueError(
                f"{name} lacks {_listed(missing)} of the {len(columns)} columns that this model takes"
            )
        if surplus := [column for column in frame.columns if column not in set(columns)]:
            log.warning("%s: %s not among what this model takes: left out", name, _listed(surplus))
        frame = frame[list(columns)]
    if wrong := [column for column, dtype in frame.dtypes.items() if dtype.kind not in "biuf"]:
        raise ValueError(f"{name} holds no numbers in {_listed(wrong)}: convert or drop them")
    is_bytes = bool((frame.dtypes == np.uint8).all())
    values: np.ndarray = frame.to_numpy() if is_bytes else frame.to_numpy(np.float64, na_value=np.nan)
    return values


def _listed(names: Sequence[Any], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(repr(name) for name in names[:most]) + more
