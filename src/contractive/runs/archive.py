"""Reading files of ``torch.save``: whole, plain, and without running code from them.

``torch.load`` compares no checksums: where a bit has flipped it gives other numbers, without a word. So the
bytes are checked before it, and what it makes of them afterwards.
"""

import pickle
import zipfile
from collections import Counter, OrderedDict
from pathlib import Path
from textwrap import shorten
from typing import Any, BinaryIO

import torch
from torch import Tensor

FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
TYPES = (*FLOATS, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)
DEEPEST, MOST = 30, 1_000_000  # containers in each other, and values in all of them
END = b"PK\x05\x06"  # begins the last 22 bytes of an archive that has no comment


def read_archive(path: Path) -> Any:
    """What ``torch.save`` wrote: tensors, numbers, texts, and dictionaries and lists of them, on the CPU.

    Raises:
        OSError: if there is no such file, or it may not be read.
        ValueError: starting with the path: if the file is damaged or holds anything else.
    """
    with path.open("rb") as file:
        _check_bytes(file, path)
        file.seek(0)
        try:
            content = torch.load(file, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            raise ValueError(
                f"{str(path)!r} would run code when loaded: only plain tensors, numbers and texts are read"
            ) from error
        # On a file that was made to break it torch's unpickler raises whatever Python does.
        except Exception as error:
            raise ValueError(f"{str(path)!r} cannot be read: {in_short(error)}") from error
    return _Plain(path).copy(content)


def in_short(error: Exception) -> str:
    """What an error says, in a part of a line."""
    return shorten(str(error), 200, placeholder=" …") or type(error).__name__


def _check_bytes(file: BinaryIO, path: Path) -> None:
    """Compare the checksum of every entry; nothing may stand before or after them."""
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            broken = archive.testzip()
            begins = min(entry.header_offset for entry in entries) == 0
            # What is not compressed cannot grow beyond the file.
            stored = all(
                e.compress_type == zipfile.ZIP_STORED and e.file_size == e.compress_size for e in entries
            )
            unique = len({entry.filename.lower() for entry in entries}) == len(entries)
        file.seek(-22, 2)
        ends = file.read(4) == END and not archive.comment
    # On a file that was made to break it the library raises whatever Python does.
    except Exception as error:
        raise ValueError(
            f"{str(path)!r} is truncated, damaged or not a checkpoint ({in_short(error)})"
        ) from error
    if broken is not None:
        raise ValueError(f"{str(path)!r} is damaged: the checksum of its part {broken!r} is wrong")
    if not (begins and ends and stored and unique):
        raise ValueError(f"{str(path)!r} is damaged, or was not written by torch.save")


class _Plain:
    """Copies containers and refuses what is none, so that nothing but what is looked at goes on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.left = MOST

    def copy(self, value: Any, place: str = "", depth: int = 0) -> Any:
        self.left -= 1
        if depth > DEEPEST or self.left < 0:
            raise ValueError(f"{str(self.path)!r} holds more than {DEEPEST} levels or {MOST} values")
        if type(value) in (str, int, float, bool, type(None)):
            return value
        if type(value) in (list, tuple):
            return type(value)(self.copy(v, f"{place}[{i}]", depth + 1) for i, v in enumerate(value))
        if type(value) in (dict, OrderedDict, Counter):
            pairs = {
                self._key(k, place): self.copy(v, f"{place}[{k!r:.50}]", depth + 1) for k, v in value.items()
            }
            return Counter(pairs) if type(value) is Counter else pairs
        if type(value) in (Tensor, torch.nn.Parameter):
            return self._tensor(value.detach(), place)
        raise ValueError(
            f"{str(self.path)!r}: {place} is a {type(value).__name__}:"
            " only plain tensors, numbers and texts are read"
        )

    def _key(self, key: Any, place: str) -> Any:
        if type(key) not in (str, int, float):
            raise ValueError(f"{str(self.path)!r}: {place} has a key that is no text or number")
        return key

    def _tensor(self, tensor: Tensor, place: str) -> Tensor:
        if tensor.layout != torch.strided or tensor.dtype not in TYPES or tensor.device.type != "cpu":
            raise ValueError(
                f"{str(self.path)!r}: {place} is a {tensor.dtype} {tensor.layout} tensor, as no run saves"
            )
        # Where several elements lie in one place in memory, writing to one of them writes to all.
        if not tensor.is_contiguous() or tensor.is_neg():
            strides, shape = tensor.stride(), tuple(tensor.shape)
            raise ValueError(
                f"{str(self.path)!r}: the strides {strides} of {place} do not fit its shape {shape}"
            )
        return tensor
