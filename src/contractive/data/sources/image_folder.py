from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from contractive.data.files import check_count
from contractive.data.pictures import BESIDE, find_pictures, pixels, readable, tell_left_out
from contractive.data.settings import FileSource
from contractive.settings import check_integer, setting


@dataclass
class ImageFolder(FileSource):
    """Your own pictures: a folder of them, or one with a sub-folder for each class.

    Sub-folders are classes, numbered in the order of their names, at whatever depth a picture lies in one;
    without any, there are no labels. Hidden files are passed over. Pixels and order are those of
    ``torchvision.datasets.ImageFolder``, whose reader is Pillow too, but which gives one object for each
    picture. Grey levels are the luminance (ITU-R 601-2); resizing is bilinear.
    """

    size: Any = setting(None, "what pictures are resized to: a number, or [height,width]; null: kept")
    grey: bool = setting(False, "whether colours become grey levels")
    strict: bool = setting(False, "whether a file that is no picture is refused, not left out")
    in_memory_mib: float = setting(1024.0, "memory that a folder, or one picture of it, may take", above=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size is None:
            return
        several = isinstance(self.size, Sequence) and not isinstance(self.size, str)
        sides = list(self.size) if several else [self.size, self.size]
        if len(sides) != 2:
            raise ValueError(f"size must be one number or [height,width]; got {self.size!r}")
        for side in sides:
            check_integer("size", side, low=1)
        self.size = sides
        self._check_memory("size", 1, (1 if self.grey else 3, *sides))

    def read_split(self, where: Path, split: str) -> tuple[np.ndarray, np.ndarray | None]:
        """Bytes ``(n, channels, height, width)``, labelled by the sub-folders they lie in."""
        files, classes, others = find_pictures(where)
        reasons = dict.fromkeys(others, BESIDE)
        kept: list[int] = []
        x = np.empty((0, 0, 0, 0), np.uint8)
        for i, image in readable(files, self.grey, self.in_memory_mib, reasons):
            picture = pixels(image, self.size)
            if not kept:
                self._check_memory(where, len(files), picture.shape)
                x = np.empty((len(files), *picture.shape), np.uint8)
            elif picture.shape != x.shape[1:]:
                own, other = (f"{height}×{width}" for _, height, width in (picture.shape, x.shape[1:]))
                raise ValueError(
                    f"{files[i]}: has {own} pixels, {files[kept[0]]} has {other}:"
                    " set data.size=[height,width]"
                )
            x[len(kept)] = picture
            kept.append(i)
        if reasons and self.strict:
            first, reason = next(iter(reasons.items()))
            raise ValueError(f"{first}: {reason}: remove it, or set data.strict=false")
        tell_left_out(where, reasons)
        check_count(len(kept), split, where)
        return x[: len(kept)], None if classes is None else np.array(classes)[kept]

    def _check_memory(self, where: object, count: int, shape: Sequence[int]) -> None:
        mib = count * int(np.prod(shape, dtype=object)) / 2**20
        if mib > self.in_memory_mib:
            pixels = "×".join(map(str, shape[1:]))
            what = (
                f"{count} pictures of {pixels} pixels take"
                if count > 1
                else f"a picture of {pixels} pixels takes"
            )
            raise ValueError(
                f"{where}: {what} {mib:,.1f} MiB, more than data.in_memory_mib={self.in_memory_mib:g}: set a"
                " smaller data.size, or raise the bound"
            )
