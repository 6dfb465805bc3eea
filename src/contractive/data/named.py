"""The data sets that torchvision knows by name."""

import contextlib
import io
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import torch

from contractive.data.examples import Examples

CLASSES = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "kmnist": "KMNIST", "cifar10": "CIFAR10"}
IDX_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
CIFAR_FOLDER = "cifar-10-batches-py"
CIFAR_FILES = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")


def fetch(name: str, root: str | Path, download: bool = True) -> None:
    """See to it that the files of a data set are there and whole, downloading them if that is allowed.

    A file that an interrupted download left half-written is downloaded again.

    Raises:
        FileNotFoundError: if a file is missing or broken and could not be downloaded; the message names the
            files and where they were looked for.
    """
    folder, files = _folder(name, Path(root)), _files(name)
    wrong = [file for file in files if not _is_whole(folder / file)]
    if not wrong:
        return
    said = f"{name}: {', '.join(wrong)} missing or broken in {str(folder)!r}"
    if not download:
        raise FileNotFoundError(f"{said}: set data.root or data.download=true")
    for file in wrong:
        (folder / file).unlink(missing_ok=True)
    try:
        with _quiet_and_patient():
            _dataset(name)(root, download=True)
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise FileNotFoundError(
            f"{said}, and they could not be downloaded ({reason}): set data.root to their folder"
        ) from error


def read_named(name: str, root: str | Path, download: bool = True, grey: bool = False) -> dict[str, Examples]:
    """Training and test examples as bytes ``(n, channels, height, width)``, with labels.

    Args:
        name: ``mnist``, ``fashion_mnist``, ``kmnist`` or ``cifar10``.
        root: the folder in which torchvision keeps its data sets, such as the one that holds ``MNIST/raw``.
        download: whether missing files may be downloaded.
        grey: whether colours are averaged by luminance (ITU-R 601-2), as in the paper's CIFAR-bw.

    Raises:
        FileNotFoundError: see :func:`fetch`.
    """
    fetch(name, root, download)
    splits = {}
    for split in ("train", "test"):
        # CIFAR's files are pickles: torchvision opens none whose MD5 sum is not the official one.
        dataset = _dataset(name)(root, train=split == "train", download=False)
        x = torch.as_tensor(dataset.data)
        x = x.unsqueeze(1) if x.ndim == 3 else x.permute(0, 3, 1, 2).contiguous()
        if grey and x.shape[1] == 3:
            weights = torch.tensor([0.299, 0.587, 0.114])
            # In pieces: all of it as floats would take four times the memory.
            pieces = [torch.einsum("nchw,c->nhw", piece.float(), weights) for piece in x.split(1000)]
            x = torch.cat([piece.round_().to(torch.uint8) for piece in pieces]).unsqueeze(1)
        splits[split] = Examples(x, torch.as_tensor(dataset.targets))
    return splits


def _dataset(name: str) -> type:
    # Here, not above: digits and arrays train where torchvision does not load.
    import torchvision.datasets

    dataset: type = getattr(torchvision.datasets, CLASSES[name])
    return dataset


def _folder(name: str, root: Path) -> Path:
    return root / CIFAR_FOLDER if name == "cifar10" else root / CLASSES[name] / "raw"


def _files(name: str) -> tuple[str, ...]:
    return CIFAR_FILES if name == "cifar10" else IDX_FILES


def _is_whole(path: Path) -> bool:
    """Whether the file is there and, for the idx format, as long as its header says.

    An idx file starts with 0, 0, the type (8: bytes), the number of dimensions, and a big-endian 32-bit
    size for each.
    """
    if not path.is_file():
        return False
    if "idx" not in path.name:
        return True
    with path.open("rb") as file:
        head = file.read(4)
        if len(head) < 4 or head[:3] != b"\0\0\x08":
            return False
        sizes = file.read(4 * head[3])
    if len(sizes) < 4 * head[3]:
        return False
    content = 1
    for size in struct.unpack(f">{head[3]}I", sizes):
        content *= size
    return path.stat().st_size == 4 + len(sizes) + content


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
