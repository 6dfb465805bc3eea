"""Reads ``.npy`` arrays from any stream, trusting nothing that their header says."""

import math
from collections.abc import Callable
from typing import IO

import numpy as np
from numpy.lib import format as npy_format

from contractive.data.files import one_line

BLOCK_BYTES = 1 << 24

# Which type values of a type get; it may refuse one with ValueError.
StoredAs = Callable[[np.dtype], np.dtype]


def read_header(file: IO[bytes], length: int) -> tuple[np.dtype, tuple[int, ...], bool]:
    """Type, shape and whether the first index runs fastest, of the array that starts here.

    Args:
        file: a stream at the array's first byte; it is left at the first value.
        length: how many bytes header and values have together.

    Raises:
        ValueError: if this is no array, if it holds Python objects or structures, or if its values do not
            fill the ``length``; the message says what is wrong and what to do, but not in which file.
    """
    start = file.tell()
    try:
        # Version 3 is 2 with names of fields in UTF-8, and fields are refused below.
        first, second = npy_format.read_array_header_1_0, npy_format.read_array_header_2_0
        versions = {(1, 0): first, (2, 0): second, (3, 0): second}
        shape, fortran, dtype = versions[npy_format.read_magic(file)](file)
    except Exception as error:  # numpy parses the header as Python; broken ones end in errors of any type
        raise ValueError(
            f"is no .npy array, or its header is broken ({one_line(error)}): write it again"
        ) from error
    if dtype.hasobject:
        raise ValueError("holds pickled objects, which are refused, as they may run code: save numbers")
    if dtype.kind not in "biufcUS" or dtype.itemsize == 0:
        raise ValueError(f"holds {dtype}, not numbers or strings: convert it")
    if any(size < 0 for size in shape):
        raise ValueError(f"has shape {shape} in its header, which is broken: write it again")
    expected, there = math.prod(shape) * dtype.itemsize, length - (file.tell() - start)
    if there < expected:
        raise ValueError(f"is truncated: {there} of {expected} bytes are there: write it again")
    if there > expected:
        raise ValueError(f"has {there - expected} bytes after the array's last value: write it again")
    return dtype, shape, fortran


def read_npy(file: IO[bytes], length: int, stored_as: StoredAs | None = None) -> np.ndarray:
    """Read one array, converted while it is read, so that it lies in memory once; see :func:`read_header`."""
    dtype, shape, fortran = read_header(file, length)
    out = np.empty(math.prod(shape), stored_as(dtype) if stored_as else dtype)
    step = BLOCK_BYTES // dtype.itemsize + 1
    for first in range(0, len(out), step):
        part = out[first : first + step]
        values = file.read(len(part) * dtype.itemsize)
        if len(values) < len(part) * dtype.itemsize:
            raise ValueError("is truncated: write it again")
        # Values too large for float32 become infinite, and are told as such with their row.
        with np.errstate(over="ignore"):
            part[:] = np.frombuffer(values, dtype)
    return np.ascontiguousarray(out.reshape(shape[::-1]).T) if fortran else out.reshape(shape)
