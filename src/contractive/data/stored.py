"""An array that stays in its file, for data larger than memory."""

import math
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from contractive.data.readers.array import channels_first
from contractive.nn.scaling import to_float

BLOCK_BYTES = 4 * 2**20
# A small file has blocks smaller than BLOCK_BYTES, so that a share of 1 % is still some of them.
MIN_BLOCKS = 256


class StoredArray:
    """An array in a ``.npy`` file, read by rows; nothing of it is kept in memory.

    Only the header is read here, and it is checked against the size of the file. Rows are read, not mapped:
    pages of a mapped file would count as the process's memory for as long as the mapping lives.

    Attributes:
        shape: ``(n, *shape)``; bytes that are pictures have their channels first.
        dtype: the stored type.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not a complete ``.npy`` file of numbers, row by row (C order), with at least one
            value in at least one row.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._file_shape, self.dtype, self._offset = _read_header(self.path)
        held = self.path.stat().st_size
        needed = self._offset + math.prod(self._file_shape) * self.dtype.itemsize
        if held < needed:
            raise ValueError(
                f"{self.path} is truncated: it has {held} bytes and its header needs {needed};"
                " copy or write it again"
            )
        self.shape = tuple(
            channels_first(torch.empty(self._file_shape, dtype=self.read_dtype, device="meta")).shape
        )

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def read_dtype(self) -> torch.dtype:
        """The type of what is read: bytes stay bytes, other numbers become 32-bit floats."""
        return torch.uint8 if self.dtype == np.uint8 else torch.float32

    @property
    def row_bytes(self) -> int:
        """Bytes of one row, as read."""
        return math.prod(self.shape[1:]) * self.read_dtype.itemsize

    def read(self, start: int, stop: int) -> Tensor:
        """Rows ``start`` to ``stop``, ``(stop - start, *shape)``, bytes or 32-bit floats.

        Raises:
            ValueError: if the file has shrunk since it was opened.
        """
        size = math.prod(self.shape[1:])
        count = (stop - start) * size
        offset = self._offset + start * size * self.dtype.itemsize
        values = np.fromfile(self.path, self.dtype, count, offset=offset)
        if len(values) < count:
            raise ValueError(
                f"{self.path} ends before row {stop}: it was shortened while it was read; write it again"
            )
        if self.dtype != np.uint8:
            with np.errstate(over="ignore"):  # too large for 32 bits becomes infinite; statistics report it
                values = values.astype(np.float32, copy=False)
        return channels_first(torch.from_numpy(values.reshape(stop - start, *self._file_shape[1:])))


def _read_header(path: Path) -> tuple[tuple[int, ...], np.dtype, int]:
    """Shape, type and offset of the data of a ``.npy`` file."""
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist: name the .npy file that holds the examples")
    if not path.is_file():
        raise ValueError(f"{path} is not a file: name the .npy file that holds the examples")
    if os.path.getsize(path) == 0:
        raise ValueError(f"{path} is empty: write it again with numpy.save")
    with path.open("rb") as file:
        try:
            # Version 3 is 2 with names of fields in UTF-8, and fields are refused below.
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0
            if version != (1, 0):
                read = np.lib.format.read_array_header_2_0
            shape, fortran_order, dtype = read(file)
        except Exception as error:  # damaged headers end in errors of many types, SyntaxError among them
            raise ValueError(f"{path} has no readable .npy header: write it again with numpy.save") from error
        offset = file.tell()
    if dtype.hasobject:
        raise ValueError(
            f"{path} holds pickled objects, which are not loaded since that could run code:"
            " save an array of numbers"
        )
    if dtype.kind not in "buif":
        raise ValueError(f"{path} holds values of type {dtype}: save an array of numbers")
    if len(shape) < 2 or min(shape) < 1:
        raise ValueError(
            f"{path} has shape {shape}: (n, ...) is needed, at least one example of at least one value each"
        )
    if fortran_order:
        raise ValueError(
            f"{path} is stored column by column (Fortran order), so that no row can be read alone:"
            " save numpy.ascontiguousarray(x)"
        )
    return shape, dtype, offset


def blocks_of(stored: StoredArray, rows_per_block: int | None = None) -> tuple[int, int]:
    """How the rows are grouped in blocks, each read at once: ``(rows_per_block, n_blocks)``.

    Block ``b`` is the rows from ``b * rows_per_block`` on; the last may be smaller. By default a block has
    about 4 MiB, fewer where there would be less than 256 blocks, and at least one row.
    """
    if rows_per_block is None:
        rows_per_block = max(1, min(BLOCK_BYTES // stored.row_bytes, len(stored) // MIN_BLOCKS))
    return rows_per_block, -(-len(stored) // rows_per_block)


def split_blocks(n_blocks: int, fractions: Mapping[str, float], seed: int) -> dict[str, Tensor]:
    """Share the blocks out among the splits: a file larger than memory is split by whole blocks.

    So that a split is read in long runs too, and no list of all rows is needed. Where neighbouring rows are
    alike (frames of a film), this also keeps them in the same split.

    Args:
        n_blocks: how many blocks there are.
        fractions: the shares of ``val``, ``test``, …; what is left is ``train``. A share above 0 is at least
            one block.
        seed: what the choice depends on.

    Returns:
        The blocks of ``train`` and of every split in ``fractions`` above 0, each sorted, ``(blocks,)``.

    Raises:
        ValueError: if no block is left for ``train``.

    >>> {name: len(blocks) for name, blocks in split_blocks(20, {"val": 0.1, "test": 0.01}, 0).items()}
    {'train': 17, 'val': 2, 'test': 1}
    """
    counts = {name: max(1, round(share * n_blocks)) for name, share in fractions.items() if share > 0}
    left = n_blocks - sum(counts.values())
    if left < 1:
        asked = " and ".join(f"{name}_fraction={fractions[name]:g}" for name in counts)
        raise ValueError(f"{asked} of {n_blocks} blocks of rows leave none to train on: make them smaller")
    order = torch.randperm(n_blocks, generator=torch.Generator().manual_seed(seed))
    parts = order.split([left, *counts.values()])
    return {name: part.sort().values for name, part in zip(["train", *counts], parts)}


def column_statistics(
    stored: StoredArray, blocks: Tensor, rows_per_block: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Smallest, largest, mean and standard deviation of every column over the rows of ``blocks``.

    One pass; means and sums of squared deviations of the blocks are merged in 64-bit floats by Chan, Golub
    and LeVeque, Updating formulae and a pairwise algorithm for computing sample variances (1979), eq. 2.1,
    which does not cancel as ``E[x²] - E[x]²`` does.

    Args:
        stored: the array.
        blocks: ``(blocks,)``, which blocks count: those of the training split.
        rows_per_block: rows in a block.

    Returns:
        ``minimum``, ``maximum``, ``mean``, ``std`` (divided by the number of rows), each ``(*shape)`` in
        32-bit floats and in the units of a batch (bytes scaled to [0, 1]).

    Raises:
        ValueError: if values are NaN or infinite, with how many and the first row.
    """
    shape = stored.shape[1:]
    minimum, maximum = torch.full(shape, math.inf), torch.full(shape, -math.inf)
    mean, squares = torch.zeros(shape, dtype=torch.float64), torch.zeros(shape, dtype=torch.float64)
    rows, bad, first_bad = 0, 0, -1
    for block in blocks.sort().values.tolist():
        start = block * rows_per_block
        x = to_float(stored.read(start, min(start + rows_per_block, len(stored))))
        # numpy's minimum over rows is several times as fast as torch's.
        low, high = torch.from_numpy(x.numpy().min(0)), torch.from_numpy(x.numpy().max(0))
        if not (torch.isfinite(low).all() and torch.isfinite(high).all()):
            wrong = ~torch.isfinite(x).flatten(1)
            if bad == 0:
                first_bad = start + int(wrong.any(1).nonzero()[0])
            bad += int(wrong.sum())
        minimum, maximum = torch.minimum(minimum, low), torch.maximum(maximum, high)
        block_mean = x.mean(0, dtype=torch.float64)
        shift = block_mean - mean
        # Subtracting 64-bit from 32-bit floats is fifty times as slow; what rounding the mean adds is known.
        rounded = block_mean.float()
        squares += x.sub_(rounded).square_().sum(0, dtype=torch.float64)
        squares -= (block_mean - rounded).square() * len(x)
        squares += shift.square() * (rows * len(x) / (rows + len(x)))
        mean += shift * (len(x) / (rows + len(x)))
        rows += len(x)
    if bad:
        raise ValueError(
            f"{stored.path} has {bad} values that are NaN or infinite, the first in row {first_bad}"
            " (counted from 0): replace them or drop their rows"
        )
    return minimum, maximum, mean.float(), (squares.clamp_min(0) / rows).sqrt().float()
