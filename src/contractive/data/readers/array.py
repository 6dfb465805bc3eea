"""A user's own arrays: ``.npy``, ``.npz`` and ``.pt``."""

import warnings
import zipfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from contractive.data.examples import Examples
from contractive.data.files import Setting, as_path, check_file, looks_like, one_line, read_splits
from contractive.data.finite import check_finite
from contractive.data.labels import as_labels, to_ids
from contractive.data.npy import read_npy

SUFFIXES = (".npy", ".npz", ".pt")
X_KEYS = ("x", "X", "data", "images", "features")
Y_KEYS = ("y", "Y", "labels", "targets")

StoredAs = Callable[[np.dtype], np.dtype]
Load = Callable[[StoredAs], np.ndarray]


def read_array(
    path: Setting,
    *,
    val_path: Setting = None,
    test_path: Setting = None,
    labels: Setting = None,
    x_key: str | None = None,
    y_key: str | None = None,
) -> dict[str, Examples]:
    """Examples, and labels where there are any, from one file for each split.

    Bytes stay bytes; all other numbers become float32. Bytes ``(n, height, width)`` are grey pictures, and
    ``(n, height, width, 1 or 3)`` pictures with their channels last: both become ``(n, channels, height,
    width)``. Every other shape is kept. Nothing is ever unpickled.

    Args:
        path: the training examples: a ``.npy`` array; a ``.npz`` archive, or a ``.pt`` dictionary, with the
            examples under ``x``, ``X``, ``data``, ``images`` or ``features`` (or as its only array) and
            labels under ``y``, ``Y``, ``labels`` or ``targets``; or a ``.pt`` tensor or pair ``(x, y)``.
        val_path, test_path: the same for the other splits, where they are not to be cut from ``path``.
        labels: a file with the labels of ``path``, instead of those that lie in it: a ``.npy`` array, or an
            archive or dictionary with labels under the names above, or as its only array.
        x_key, y_key: the names of examples and labels, where they are others.

    Returns:
        ``train``, and ``val`` and ``test`` where they are named; labels as :func:`as_labels` and
        :func:`to_ids` make them.

    Raises:
        ValueError: in one line with file, place and remedy, for anything in a file that cannot be used.
        OSError: if a file is not there or may not be read.
    """

    def read(where: Path, split: str) -> tuple[Tensor, np.ndarray | None]:
        stored = _open(where)
        name = _choose(stored, x_key, X_KEYS, lone=True)
        if name is None:
            raise ValueError(f"{where}: set data.x_key to the array with the examples, of {_list(stored)}")
        x = _load(stored.pop(name), _feature_type, where)
        if x.ndim < 2 or 0 in x.shape[1:]:
            raise ValueError(f"{where}: must be (n, features) or (n, ...); got shape {x.shape}: reshape it")
        examples = channels_first(torch.from_numpy(x))
        check_finite(examples, where)

        if split == "train" and labels is not None:
            return examples, _read_labels(as_path(labels), len(x), y_key)
        name = _choose(stored, y_key, Y_KEYS, lone=False)
        if name is None and y_key is not None:
            raise ValueError(f"{where}: set data.y_key to the array with the labels, of {_list(stored)}")
        y = None if name is None else as_labels(_load(stored[name], _same_type, where), len(x), where)
        return examples, y

    return read_splits(read, path, val_path, test_path, "a .npy, .npz or .pt file")


def read_labels(path: str | Path, n: int, y_key: str | None = None) -> Tensor:
    """The labels of ``n`` examples from a file of their own, as :func:`to_ids` makes them, ``(n,)``.

    Raises:
        ValueError: in one line with file, place and remedy, for anything in the file that cannot be used.
        OSError: if it is not there or may not be read.
    """
    where = as_path(path)
    ids = to_ids({"train": _read_labels(where, n, y_key)}, {"train": where})["train"]
    assert ids is not None
    return ids


def _read_labels(where: Path, n: int, y_key: str | None) -> np.ndarray:
    stored = _open(where)
    name = _choose(stored, y_key, Y_KEYS, lone=True)
    if name is None:
        raise ValueError(f"{where}: set data.y_key to the array with the labels, of {_list(stored)}")
    return as_labels(_load(stored[name], _same_type, where), n, where)


def _open(path: Path) -> dict[str, Load]:
    """What loads each array of a file, by name; a lone one is called ``x``."""
    suffix = check_file(path, SUFFIXES)
    if suffix == ".npy":
        return {"x": partial(_load_npy, path)}
    try:
        if suffix == ".npz":
            with zipfile.ZipFile(path) as archive:
                names = [name for name in archive.namelist() if name.endswith(".npy")]
            return {name.removesuffix(".npy"): partial(_load_member, path, name) for name in names}
        # An archive of torch's old kind warns of itself.
        with warnings.catch_warnings(action="ignore"):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # broken files end in errors of any type, deep inside zip, pickle or torch
        if suffix == ".npz":
            raise ValueError(
                f"{path}: is no .npz archive, or broken{looks_like(path)}: write it again with numpy.savez"
            ) from error
        raise ValueError(
            f"{path}: cannot be read as tensors{looks_like(path)} (pickled objects are refused, as they"
            " may run code): save a tensor, a dictionary of tensors or a pair (x, y) with torch.save"
        ) from error
    if isinstance(content, Tensor):
        content = {"x": content}
    elif isinstance(content, list | tuple) and len(content) in (1, 2):
        content = dict(zip("xy", content))
    tensors = content if isinstance(content, Mapping) else {}
    found = {name: partial(_from_tensor, x) for name, x in tensors.items() if isinstance(x, Tensor)}
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


def _from_tensor(x: Tensor, stored_as: StoredAs) -> np.ndarray:
    if x.layout != torch.strided or x.is_quantized or x.is_meta:
        raise ValueError("holds a sparse, quantized or empty tensor: save a dense one")
    x = x.detach().resolve_conj().resolve_neg()
    if x.numel() * x.element_size() > x.untyped_storage().nbytes():
        raise ValueError(f"holds fewer values than its shape {tuple(x.shape)}: save x.contiguous()")
    if x.is_floating_point() and x.dtype not in (torch.float16, torch.float32, torch.float64):
        x = x.float()  # numpy has no bfloat16
    array: np.ndarray = x.contiguous().numpy()
    with np.errstate(over="ignore"):
        return array.astype(stored_as(array.dtype), copy=False)


def _feature_type(dtype: np.dtype) -> np.dtype:
    if dtype.kind not in "biuf":
        raise ValueError(f"holds {dtype}, not real numbers: convert it, to float32 for example")
    return dtype if dtype == np.uint8 else np.dtype(np.float32)


def _same_type(dtype: np.dtype) -> np.dtype:
    return dtype


def channels_first(x: Tensor) -> Tensor:
    """Bytes that are pictures as ``(n, channels, height, width)``; anything else as it is."""
    if x.dtype != torch.uint8 or (x.ndim == 4 and x.shape[1] in (1, 3)):
        return x
    if x.ndim == 3:
        return x.unsqueeze(1)
    return x.permute(0, 3, 1, 2).contiguous() if x.ndim == 4 and x.shape[3] in (1, 3) else x
