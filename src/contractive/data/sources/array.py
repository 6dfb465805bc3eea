"""Your own arrays: .npy, .npz or .pt. Nothing here imports torch before it is needed."""

import warnings
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from contractive.data.arrays import as_features, feature_type, from_tensor, same_type
from contractive.data.examples import Examples
from contractive.data.files import check_file, looks_like, one_line, read_splits
from contractive.data.labels import as_labels
from contractive.data.npy import read_npy
from contractive.data.settings import FileSource, as_path
from contractive.settings import setting

if TYPE_CHECKING:
    from contractive.data.parts import Part

SUFFIXES = (".npy", ".npz", ".pt")
X_KEYS = ("x", "X", "data", "images", "features")
Y_KEYS = ("y", "Y", "labels", "targets")

StoredAs = Callable[[np.dtype], np.dtype]
Load = Callable[[StoredAs], np.ndarray]


@dataclass
class Array(FileSource):
    """Your own arrays: .npy, .npz or .pt.

    A file is a ``.npy`` array; a ``.npz`` archive, or a ``.pt`` dictionary, with the examples under ``x``,
    ``X``, ``data``, ``images`` or ``features`` (or as its only array) and labels under ``y``, ``Y``,
    ``labels`` or ``targets``; or a ``.pt`` tensor or pair ``(x, y)``. Labels in a file of their own go before
    those; there they may also be the only array. Nothing is ever unpickled.

    Bytes stay bytes; all other numbers become float32. Bytes ``(n, height, width)`` are grey pictures, and
    ``(n, height, width, 1 or 3)`` pictures with their channels last: both become ``(n, channels, height,
    width)``. Every other shape is kept.
    """

    labels: str | None = setting(None, "a file with the labels of path, if they do not lie in it")
    x_key: str | None = setting(None, "name of the examples in an archive; null: x or the like")
    y_key: str | None = setting(None, "name of the labels in an archive; null: y or the like")
    in_memory_mib: float = setting(256.0, "a larger .npy stays on disk and is shuffled by blocks", low=0)

    def read(self) -> dict[str, Examples]:
        """The arrays, in memory.

        Raises:
            ValueError: in one line with file, place and remedy, for anything in a file that cannot be used.
            OSError: if a file is not there or may not be read.
        """
        return read_splits(self._read, self.paths)

    def parts(self, seed: int) -> "Mapping[str, Part]":
        """The splits; those of a large ``.npy`` file stay in it."""
        path = self.paths["train"]
        if path.suffix.lower() != ".npy" or path.stat().st_size <= self.in_memory_mib * 2**20:
            return super().parts(seed)
        from contractive.data.parts import file_parts

        return file_parts(self.paths, self._own_labels, self.fractions, seed)

    def _read(self, where: Path, split: str) -> tuple[np.ndarray, np.ndarray | None]:
        stored = _open(where)
        name = _choose(stored, self.x_key, X_KEYS, lone=True)
        if name is None:
            raise ValueError(f"{where}: set data.x_key to the array with the examples, of {_list(stored)}")
        x = as_features(_load(stored.pop(name), feature_type, where), where)
        if split == "train" and self.labels is not None:
            return x, self._own_labels(len(x))
        name = _choose(stored, self.y_key, Y_KEYS, lone=False)
        if name is None and self.y_key is not None:
            raise ValueError(f"{where}: set data.y_key to the array with the labels, of {_list(stored)}")
        return x, None if name is None else as_labels(_load(stored[name], same_type, where), len(x), where)

    def _own_labels(self, n: int) -> np.ndarray | None:
        """The labels of the ``n`` training examples from a file of their own, if one is named."""
        if self.labels is None:
            return None
        where = as_path(self.labels)
        stored = _open(where)
        name = _choose(stored, self.y_key, Y_KEYS, lone=True)
        if name is None:
            raise ValueError(f"{where}: set data.y_key to the array with the labels, of {_list(stored)}")
        return as_labels(_load(stored[name], same_type, where), n, where)


def _open(path: Path) -> dict[str, Load]:
    """What loads each array of a file, by name; a lone one is called ``x``."""
    suffix = check_file(path, SUFFIXES)
    if suffix == ".npy":
        return {"x": partial(_load_npy, path)}
    if suffix == ".npz":
        try:
            with zipfile.ZipFile(path) as archive:
                names = [name for name in archive.namelist() if name.endswith(".npy")]
        except Exception as error:  # broken files end in errors of any type, deep inside zip, pickle or torch
            raise ValueError(
                f"{path}: is no .npz archive, or broken{looks_like(path)}: write it again with numpy.savez"
            ) from error
        return {name.removesuffix(".npy"): partial(_load_member, path, name) for name in names}
    import torch

    try:
        # An archive of torch's old kind warns of itself.
        with warnings.catch_warnings(action="ignore"):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # as above
        raise ValueError(
            f"{path}: cannot be read as tensors{looks_like(path)} (pickled objects are refused, as they"
            " may run code): save a tensor, a dictionary of tensors or a pair (x, y) with torch.save"
        ) from error
    if isinstance(content, torch.Tensor):
        content = {"x": content}
    elif isinstance(content, list | tuple) and len(content) in (1, 2):
        content = dict(zip("xy", content))
    tensors = content if isinstance(content, Mapping) else {}
    found = {name: partial(_load_tensor, x) for name, x in tensors.items() if isinstance(x, torch.Tensor)}
    if not found:
        raise ValueError(f"{path}: holds no tensor: save one, a dictionary of tensors or a pair (x, y)")
    return {str(name): load for name, load in found.items()}


def _choose(names: Mapping[str, Any], key: str | None, known: tuple[str, ...], lone: bool) -> str | None:
    """The name ``key``, or the first known one, or the only one if it may be ``lone``; else nothing."""
    if key is not None:
        return str(key) if str(key) in names else None
    first = next((name for name in known if name in names), None)
    return next(iter(names)) if first is None and lone and len(names) == 1 else first


def _list(names: Mapping[str, Any]) -> str:
    return " ".join(", ".join(names).split()) or "(it holds no other array)"


def _load(load: Load, stored_as: StoredAs, path: Path) -> np.ndarray:
    try:
        return load(stored_as)
    except ValueError as error:
        raise ValueError(f"{path}: {one_line(error)}{looks_like(path)}") from error
    except Exception as error:  # as above
        raise ValueError(f"{path}: is broken ({one_line(error)}): write it again") from error


def _load_npy(path: Path, stored_as: StoredAs) -> np.ndarray:
    with path.open("rb") as file:
        return read_npy(file, path.stat().st_size, stored_as)


def _load_member(path: Path, name: str, stored_as: StoredAs) -> np.ndarray:
    with zipfile.ZipFile(path) as archive, archive.open(name) as file:
        array = read_npy(file, archive.getinfo(name).file_size, stored_as)
        file.read(1)  # at its end the archive compares the checksum
        return array


def _load_tensor(x: Any, stored_as: StoredAs) -> np.ndarray:
    array = from_tensor(x)
    with np.errstate(over="ignore"):
        return array.astype(stored_as(array.dtype), copy=False)
