"""An array that stays in its file, for data larger than memory."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from contractive.data.arrays import channels_first, check_shape, feature_type
from contractive.data.files import check_file, looks_like
from contractive.data.npy import read_header

BLOCK_BYTES = 4 * 2**20
# A small file has blocks smaller than BLOCK_BYTES, so that a share of 1 % is still some of them.
MIN_BLOCKS = 256


class StoredArray:
    """An array in a ``.npy`` file, read by rows; nothing of it is kept in memory.

    Only the header is read here, and it is checked against the size of the file. Rows are read, not mapped:
    pages of a mapped file would count as the process's memory for as long as the mapping lives.

    Attributes:
        shape: ``(n, *shape)``; bytes that are pictures have their channels first.
        dtype: the type of what is read: bytes stay bytes, other numbers become 32-bit floats.
        row_bytes: bytes of one row, as read.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not a complete ``.npy`` file of numbers, row by row (C order), of a shape
            ``(n, ...)``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        check_file(path, (".npy",))
        try:
            with path.open("rb") as file:
                self._stored, self._file_shape, fortran = read_header(file, path.stat().st_size)
                self._offset = file.tell()
            self.dtype = feature_type(self._stored)
        except ValueError as error:
            raise ValueError(f"{path}: {error}{looks_like(path)}") from error
        check_shape(self._file_shape, path)
        if fortran:
            raise ValueError(
                f"{path}: is stored column by column (Fortran order), so that no row can be read alone: save"
                " numpy.ascontiguousarray(x), or raise data.in_memory_mib above its size"
            )
        row = channels_first(np.empty((1, *self._file_shape[1:]), self.dtype))
        self.shape, self.row_bytes = (self._file_shape[0], *row.shape[1:]), row.nbytes

    def __len__(self) -> int:
        return self.shape[0]

    def read(self, start: int, stop: int) -> Tensor:
        """Rows ``start`` to ``stop``, ``(stop - start, *shape)``, bytes or 32-bit floats.

        Raises:
            ValueError: if the file has shrunk since it was opened.
        """
        size = math.prod(self.shape[1:])
        count = (stop - start) * size
        offset = self._offset + start * size * self._stored.itemsize
        values = np.fromfile(self.path, self._stored, count, offset=offset)
        if len(values) < count:
            raise ValueError(
                f"{self.path}: ends before row {stop}: it was shortened while it was read; write it again"
            )
        with np.errstate(over="ignore"):  # too large for 32 bits becomes infinite, and is told as such
            values = values.astype(self.dtype, copy=False)
        return torch.from_numpy(channels_first(values.reshape(stop - start, *self._file_shape[1:])))


def blocks_of(stored: StoredArray) -> tuple[int, int]:
    """How the rows are grouped in blocks, each read at once: ``(rows_per_block, n_blocks)``.

    Block ``b`` is the rows from ``b * rows_per_block`` on; the last may be smaller. A block has about 4 MiB,
    fewer where there would be less than 256 blocks, and at least one row.
    """
    rows_per_block = max(1, min(BLOCK_BYTES // stored.row_bytes, len(stored) // MIN_BLOCKS))
    return rows_per_block, -(-len(stored) // rows_per_block)


def split_blocks(n_blocks: int, fractions: Mapping[str, float], seed: int) -> dict[str, Tensor]:
    """Share the blocks out among the splits, so that each is read in long runs, without a list of all rows.

    Where neighbouring rows are alike (frames of a film), this also keeps them in the same split.

    Returns:
        The blocks, sorted, of every split in ``fractions`` (at least one if above 0), and ``train`` the rest.

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
