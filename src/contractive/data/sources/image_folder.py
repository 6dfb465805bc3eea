import logging
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from contractive.data.files import check_count, one_line
from contractive.data.settings import FileSource
from contractive.settings import check_integer, setting

log = logging.getLogger(__name__)

# What torchvision.datasets.ImageFolder takes for pictures; here only to tell pictures from notes.
PICTURES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp", ".gif")


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

    def read_split(self, where: Path, split: str) -> tuple[np.ndarray, np.ndarray | None]:
        """Bytes ``(n, channels, height, width)``, labelled by the sub-folders they lie in."""
        files, classes, others = _find(where)
        reasons = dict.fromkeys(others, "lies beside the sub-folders of classes")
        kept: list[int] = []
        x = np.empty((0, 0, 0, 0), np.uint8)
        for i, file in enumerate(files):
            picture = self._decode(file)
            if isinstance(picture, str):
                reasons[file] = f"is no readable picture ({picture})"
                continue
            if not kept:
                x = np.empty((len(files), *picture.shape), np.uint8)
            elif picture.shape != x.shape[1:]:
                own, other = (f"{height}×{width}" for _, height, width in (picture.shape, x.shape[1:]))
                raise ValueError(
                    f"{file}: has {own} pixels, {files[kept[0]]} has {other}: set data.size=[height,width]"
                )
            x[len(kept)] = picture
            kept.append(i)
        if reasons:
            first, reason = next(iter(reasons.items()))
            if self.strict:
                raise ValueError(f"{first}: {reason}: remove it, or set data.strict=false")
            log.warning(
                "%s: %d files are left out; the first, %s, %s", where, len(reasons), first.name, reason
            )
        check_count(len(kept), split, where)
        return x[: len(kept)], None if classes is None else np.array(classes)[kept]

    def _decode(self, file: Path) -> np.ndarray | str:
        """One picture as bytes ``(channels, height, width)``, or why it cannot be read."""
        try:
            # Pillow warns of oddities that it copes with; a picture of more pixels than it trusts it refuses.
            with warnings.catch_warnings(action="ignore"), file.open("rb") as f, Image.open(f) as image:
                wide = image.mode[0] in "IF"
                pixels = image.convert("L" if self.grey else "RGB")
        except Exception as error:  # broken pictures end in errors of any type, deep inside Pillow
            return one_line(error)
        if wide:
            raise ValueError(
                f"{file}: has more than 8 bits for a pixel, which would be clipped: convert it to 8 bits"
            )
        if self.size is not None:
            pixels = pixels.resize((self.size[1], self.size[0]), Image.Resampling.BILINEAR)
        values = np.array(pixels)
        return values[None] if self.grey else values.transpose(2, 0, 1)


def _find(folder: Path) -> tuple[list[Path], list[str] | None, list[Path]]:
    """Files that may be pictures, in order; the class of each, if there are classes; and what lies beside."""
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder}: is a file: name the folder that holds the pictures")
    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
        classes = {entry.name: _walk(entry) for entry in entries if entry.is_dir()}
    except PermissionError as error:
        raise PermissionError(
            f"{folder}: may not be read ({one_line(error)}): change its permissions"
        ) from error
    beside = [entry for entry in entries if entry.is_file()]
    if not any(classes.values()):
        return beside, None, []
    misplaced = [file.name for file in beside if file.suffix.lower() in PICTURES]
    if misplaced:
        raise ValueError(
            f"{folder}: {len(misplaced)} pictures, the first {misplaced[0]}, lie beside such sub-folders:"
            " move them into the sub-folder of their class, or remove the sub-folders"
        )
    labels = [name for name, files in classes.items() for _ in files]
    return [file for files in classes.values() for file in files], labels, beside


def _walk(folder: Path) -> list[Path]:
    def fail(error: OSError) -> None:
        raise error

    found = []
    for root, folders, names in os.walk(folder, onerror=fail):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(root, name) for name in sorted(names) if not name.startswith(".")]
    return [file for file in found if file.is_file()]
