"""The data sets that torchvision knows by name."""

import contextlib
import io
import math
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from contractive.data.examples import Examples

CLASSES = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "kmnist": "KMNIST", "cifar10": "CIFAR10"}
IDX_FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


def fetch(name: str, root: str | Path = "data", download: bool = True) -> None:
    """See to it that the files of a data set are there and whole, downloading them if that is allowed.

    A file that an interrupted download left half-written is downloaded again.

    Raises:
        FileNotFoundError: if a file is missing or broken and could not be downloaded; the message names the
            files and where they were looked for.
    """
    folder, wrong = _missing_or_broken(name, Path(root))
    if not wrong:
        return
    said = f"{name}: {', '.join(wrong)} missing or broken in {str(folder)!r}"
    if not download:
        raise FileNotFoundError(f"{said}: set data.root or data.download=true")
    absent = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        with _quiet_and_patient():
            dataset = _dataset(name)
            if name == "cifar10":
                from torchvision.datasets.utils import download_and_extract_archive

                download_and_extract_archive(
                    dataset.url, root, filename=dataset.filename, md5=dataset.tgz_md5
                )
            else:
                for file in wrong:  # what is there, torchvision takes for whole
                    (folder / file).unlink(missing_ok=True)
                dataset(root, download=True)
    except Exception as error:  # networks, archives and torchvision itself fail in many types
        for path in absent:  # of a failed download no empty folders stay behind
            with contextlib.suppress(OSError):
                path.rmdir()
        reason = " ".join(str(error).split())
        raise FileNotFoundError(
            f"{said}, and they could not be downloaded ({reason}): set data.root to their folder"
        ) from error


def read_named(
    name: str, root: str | Path = "data", download: bool = True, grey: bool = False
) -> dict[str, Examples]:
    """Training and test examples as bytes ``(n, channels, height, width)``, with labels.

    Args:
        name: ``mnist``, ``fashion_mnist``, ``kmnist`` or ``cifar10``.
        root: the folder in which torchvision keeps its data sets, such as the one that holds ``MNIST/raw``.
        download: whether missing files may be downloaded.
        grey: whether colours are averaged by luminance (ITU-R 601-2), as in the paper's CIFAR-bw.

    Raises:
        FileNotFoundError: see :func:`fetch`.
        ValueError: if there are not as many labels as examples.
    """
    fetch(name, root, download)
    if name != "cifar10":
        # Not by torchvision: it takes seconds to import, and has the file in memory twice while it reads.
        folder = _folder(name, Path(root))
        return {
            split: Examples(_read_idx(folder / x).unsqueeze(1), _read_idx(folder / y).long())
            for split, (x, y) in IDX_FILES.items()
        }
    splits = {}
    for split in ("train", "test"):
        # CIFAR's files are pickles: torchvision opens none whose MD5 sum is not the official one.
        dataset = _dataset(name)(root, train=split == "train", download=False)
        x = torch.as_tensor(dataset.data).permute(0, 3, 1, 2).contiguous()
        splits[split] = Examples(_luminance(x) if grey else x, torch.as_tensor(dataset.targets))
    return splits


def _luminance(x: Tensor) -> Tensor:
    """Grey bytes ``(n, 1, height, width)`` of coloured ones ``(n, 3, height, width)``."""
    weights = torch.tensor([0.299, 0.587, 0.114])
    # In pieces: all of it as floats would take four times the memory.
    pieces = [torch.einsum("nchw,c->nhw", piece.float(), weights) for piece in x.split(1000)]
    return torch.cat([piece.round_().to(torch.uint8) for piece in pieces]).unsqueeze(1)


def _dataset(name: str) -> Any:
    # Here, not above: digits and arrays train where torchvision does not load.
    import torchvision.datasets

    return getattr(torchvision.datasets, CLASSES[name])


def _folder(name: str, root: Path) -> Path:
    return root / "cifar-10-batches-py" if name == "cifar10" else root / CLASSES[name] / "raw"


def _missing_or_broken(name: str, root: Path) -> tuple[Path, list[str]]:
    """The folder of a data set and those of its files that are not there or not whole."""
    folder = _folder(name, root)
    if name != "cifar10":
        files = [file for pair in IDX_FILES.values() for file in pair]
        return folder, [file for file in files if not _is_whole_idx(folder / file)]
    from torchvision.datasets.utils import check_integrity

    dataset = _dataset(name)
    sums = [*dataset.train_list, *dataset.test_list, (dataset.meta["filename"], dataset.meta["md5"])]
    return folder, [file for file, md5 in sums if not check_integrity(folder / file, md5)]


def _is_whole_idx(path: Path) -> bool:
    """Whether the file is there and has the dimensions that its name says and the length its header says."""
    if not path.is_file():
        return False
    shape = _idx_shape(path)
    dimensions = 3 if "idx3" in path.name else 1
    return (
        shape is not None
        and len(shape) == dimensions
        and 0 not in shape
        and path.stat().st_size == _header_bytes(shape) + math.prod(shape)
    )


def _idx_shape(path: Path) -> tuple[int, ...] | None:
    """The shape of an array of bytes in the idx format, ``None`` if this is none.

    An idx file starts with 0, 0, the type (8: bytes), the number of dimensions, and a big-endian 32-bit
    size for each (LeCun, Cortes and Burges, *The MNIST database of handwritten digits*).
    """
    with path.open("rb") as file:
        head = file.read(4)
        if len(head) < 4 or head[:3] != b"\0\0\x08":
            return None
        sizes = file.read(4 * head[3])
    return struct.unpack(f">{head[3]}I", sizes) if len(sizes) == 4 * head[3] else None


def _header_bytes(shape: tuple[int, ...]) -> int:
    return 4 + 4 * len(shape)


def _read_idx(path: Path) -> Tensor:
    """The bytes of a whole idx file."""
    shape = _idx_shape(path)
    assert shape is not None
    return torch.from_numpy(np.fromfile(path, np.uint8, offset=_header_bytes(shape)).reshape(shape))


@contextlib.contextmanager
def _quiet_and_patient() -> Iterator[None]:
    """torchvision prints each mirror it tries, and waits for ever for one that never answers."""
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(30)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        socket.setdefaulttimeout(timeout)
