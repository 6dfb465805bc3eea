"""Pictures in files: finding them in a folder, and decoding one within bounds."""

import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from contractive.data.files import one_line, shown

log = logging.getLogger(__name__)

BESIDE = "lies beside the sub-folders of classes"

# What Pillow may take a file for, whatever its name: other formats have readers that start other programs, or
# are little looked after. Beside them the suffixes of torchvision.datasets.ImageFolder, which here only tell
# pictures from notes.
FORMATS = {
    "JPEG": (".jpg", ".jpeg"),
    "PNG": (".png",),
    "PPM": (".ppm", ".pgm"),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
    "GIF": (".gif",),
}
SUFFIXES = tuple(suffix for suffixes in FORMATS.values() for suffix in suffixes)


class PictureError(ValueError):
    """A picture is whole, but not taken; other errors mean that a file is none, or broken."""


def decode(file: Path, grey: bool, most_mib: float) -> Image.Image:
    """One picture, in colours or grey levels.

    Args:
        file: where it lies.
        grey: whether colours become grey levels, the luminance (ITU-R 601-2).
        most_mib: memory that it may take. Its header says how much it will, before anything is decoded.

    Raises:
        PictureError: in one line that names the file, if it takes more, or has more than 8 bits for a pixel.
        Exception: of any type, if it is broken.
    """
    mode = "L" if grey else "RGB"
    # Pillow warns of oddities that it copes with.
    with warnings.catch_warnings(action="ignore"), file.open("rb") as stream:
        try:
            image = Image.open(stream, formats=list(FORMATS))
        except Image.DecompressionBombError as error:
            raise PictureError(f"{file}: {one_line(error)}: make it smaller, or remove it") from error
        with image:
            if image.mode[0] in "IF":
                raise PictureError(
                    f"{file}: has more than 8 bits for a pixel, which would be clipped: convert it to 8 bits"
                )
            # Pillow keeps 4 bytes for a pixel of several channels, before and after a conversion.
            mib = image.width * image.height * (4 if image.mode == mode else 8) / 2**20
            if mib > most_mib:
                raise PictureError(
                    f"{file}: its {image.height}×{image.width} pixels take {mib:,.1f} MiB, more than"
                    f" data.in_memory_mib={most_mib:g}: make it smaller, remove it, or raise the bound"
                )
            return image.convert(mode)


def readable(
    files: Sequence[Path], grey: bool, most_mib: float, reasons: dict[Path, str]
) -> Iterator[tuple[int, Image.Image]]:
    """Those files that can be decoded, each with its place; why others cannot goes to ``reasons``.

    Raises:
        PictureError: as :func:`decode`.
    """
    for place, file in enumerate(files):
        try:
            picture = decode(file, grey, most_mib)
        except PictureError:
            raise
        except Exception as error:  # broken pictures end in errors of any type, deep inside Pillow
            reasons[file] = f"is no readable picture ({one_line(error)})"
        else:
            yield place, picture


def pixels(picture: Image.Image, size: Sequence[int] | None) -> np.ndarray:
    """Bytes ``(channels, height, width)``, resized bilinearly to ``(height, width)`` if there is a size."""
    if size is not None:
        picture = picture.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    values = np.array(picture)
    return values[None] if values.ndim == 2 else values.transpose(2, 0, 1)


def tell_left_out(folder: Path, reasons: Mapping[Path, str]) -> None:
    """Warn of files that are left out, if any are."""
    if reasons:
        first, reason = next(iter(reasons.items()))
        log.warning(
            "%s: %d files are left out; the first, %s, %s",
            shown(folder),
            len(reasons),
            shown(first.name),
            reason,
        )


def find_pictures(folder: Path) -> tuple[list[Path], list[str] | None, list[Path]]:
    """Files that may be pictures, in order; the class of each, if there are classes; and what lies beside.

    Sub-folders are classes, at whatever depth a picture lies in one. Hidden files are passed over.

    Raises:
        OSError: if it is no folder, or may not be read.
        ValueError: if pictures lie beside the folders of classes.
    """
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
    misplaced = [file.name for file in beside if file.suffix.lower() in SUFFIXES]
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
