import warnings
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from contractive.data.arrays import as_features, feature_type, from_tensor
from contractive.data.files import check_file, looks_like, one_line, safely_told
from contractive.data.labels import as_labels, to_ids
from contractive.data.npy import StoredAs, read_npy
from contractive.data.settings import FileSource, as_path
from contractive.settings import setting

SUFFIXES = (".npy", ".npz", ".pt")
KEYS = {"x": ("x", "X", "data", "images", "features"), "y": ("y", "Y", "labels", "targets")}

Load = Callable[[StoredAs | None], np.ndarray]


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

    labels_path: str | None = setting(None, "a file with the labels of path, if they do not lie in it")
    x_key: str | None = setting(None, "name of the examples in an archive; null: x or the like")
    y_key: str | None = setting(None, "name of the labels in an archive; null: y or the like")
    in_memory_mib: float = setting(256.0, "a larger .npy stays on disk and is shuffled by blocks", low=0)

    def __post_init__(self) -> None:
        if isinstance(self.labels, str):
            raise ValueError(
                f"labels must be a number; got {self.labels!r}: a file with labels is labels_path"
            )
        super().__post_init__()

    @safely_told()
    def parts(self, seed: int) -> Mapping[str, Any]:
        """The splits; those of a large ``.npy`` file stay in it."""
        path = self.paths["train"]
        if path.suffix.lower() != ".npy" or path.stat().st_size <= self.in_memory_mib * 2**20:
            return super().parts(seed)
        from contractive.data.parts import file_parts

        return file_parts(self.paths, self._own_ids, self.fractions, seed, self.labels)

    def read_split(self, where: Path, split: str) -> tuple[np.ndarray, np.ndarray | None]:
        """The arrays of one file, or the labels of the training examples from their own."""
        stored = _open(where)
        x = as_features(_array(stored, self.x_key, "x", where), where)
        if split == "train" and self.labels_path is not None:
            return x, self._own_labels(len(x))
        if self.y_key is None and stored.keys().isdisjoint(KEYS["y"]):
            return x, None
        return x, as_labels(_array(stored, self.y_key, "y", where), len(x), where)

    def _own_labels(self, n: int) -> np.ndarray | None:
        """The labels of the ``n`` training examples from a file of their own, if one is named."""
        if self.labels_path is None:
            return None
        where = as_path(self.labels_path)
        return as_labels(_array(_open(where), self.y_key, "y", where), n, where)

    def _own_ids(self, n: int) -> np.ndarray | None:
        ids, self._classes = to_ids({"train": self._own_labels(n)}, self.paths)
        return ids["train"]


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
    found = {name: partial(from_tensor, x) for name, x in tensors.items() if isinstance(x, torch.Tensor)}
    if not found:
        raise ValueError(f"{path}: holds no tensor: save one, a dictionary of tensors or a pair (x, y)")
    return {str(name): load for name, load in found.items()}


def _array(stored: dict[str, Load], key: str | None, what: str, path: Path) -> np.ndarray:
    """Take an array out of ``stored``: that of the name ``key``, or the first known one, or a lone one."""
    lone = tuple(stored) if len(stored) == 1 else ()
    wanted = (*KEYS[what], *lone) if key is None else (str(key),)
    name = next((name for name in wanted if name in stored), None)
    if name is None:
        names = " ".join(", ".join(stored).split()) or "(it holds no other array)"
        kind = "examples" if what == "x" else "labels"
        raise ValueError(f"{path}: set data.{what}_key to the array with the {kind}, of {names}")
    try:
        return stored.pop(name)(feature_type if what == "x" else None)
    except ValueError as error:
        raise ValueError(f"{path}: {one_line(error)}{looks_like(path)}") from error
    except Exception as error:  # as above
        raise ValueError(f"{path}: is broken ({one_line(error)}): write it again") from error


def _load_npy(path: Path, stored_as: StoredAs | None) -> np.ndarray:
    with path.open("rb") as file:
        return read_npy(file, path.stat().st_size, stored_as)


def _load_member(path: Path, name: str, stored_as: StoredAs | None) -> np.ndarray:
    with zipfile.ZipFile(path) as archive, archive.open(name) as file:
        array = read_npy(file, archive.getinfo(name).file_size, stored_as)
        file.read(1)  # at its end the archive compares the checksum
        return array
