"""Pictures in a table with named rows and columns, as one picture.

It is put together from pixels: drawing the same as a figure takes ten times as long. Background and text are
opaque, so that they read on a dark page as on a light one.
"""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

CELL = 56  # pixels that the longer side of a picture is enlarged to, as far as whole numbers go
LARGEST = 112  # and that it is shrunk to
GAP = 2  # between pictures
LEFT, ABOVE = 124, 44  # for the names of the rows, and for the title and the names of the columns
MARGIN = 6


def picture_table(pictures: Tensor, rows: Sequence[str], columns: Sequence[str], title: str) -> Tensor:
    """Return pictures ``(rows, columns, 1 or 3, height, width)`` in [0, 1] as one, ``(3, H, W)``.

    Its first picture lies ``ABOVE`` and ``LEFT`` pixels from the corner.

    >>> picture_table(torch.rand(2, 3, 1, 28, 28), ["a", "b"], ["x", "y", "z"], "Of chance").shape
    torch.Size([3, 160, 298])
    """
    cells = _resized(pictures.detach().clamp(0, 1).cpu())
    cells = F.pad(cells, (0, GAP, 0, GAP), value=1.0).expand(-1, -1, 3, -1, -1)
    height, width = cells.shape[3:]
    sheet = cells.permute(0, 3, 1, 4, 2).reshape(len(rows) * height, len(columns) * width, 3)
    whole = (max(LEFT + sheet.shape[1], 2 * MARGIN + int(_font(13).getlength(title))), ABOVE + sheet.shape[0])
    canvas = Image.new("RGB", whole, "white")
    canvas.paste(Image.fromarray((sheet * 255).round().byte().numpy()), (LEFT, ABOVE))
    draw = ImageDraw.Draw(canvas)
    draw.text((MARGIN, MARGIN), title, "black", _font(13))
    for number, name in enumerate(columns):
        draw.text((LEFT + (number + 0.5) * width, ABOVE - 4), name, "black", _font(11), anchor="mb")
    for number, name in enumerate(rows):
        draw.text((LEFT - MARGIN, ABOVE + (number + 0.5) * height), name, "black", _font(11), anchor="rm")
    return torch.from_numpy(np.array(canvas)).movedim(2, 0) / 255


def signed_pictures(values: Tensor) -> Tensor:
    """Values ``(..., channels, height, width)`` in [0, 1]: 0 is grey, the largest of each black or white."""
    largest = values.abs().amax((-3, -2, -1), keepdim=True).clamp_min(torch.finfo(values.dtype).tiny)
    return 0.5 + 0.5 * values / largest


def _resized(pictures: Tensor) -> Tensor:
    """Pictures ``(rows, columns, channels, height, width)`` of a size to look at, by a whole number."""
    side = max(pictures.shape[3:])
    if side > LARGEST:
        shrunk = F.avg_pool2d(pictures.flatten(0, 1), -(-side // LARGEST), ceil_mode=True)
        return shrunk.unflatten(0, pictures.shape[:2])
    enlarge = max(1, CELL // side)
    return pictures.repeat_interleave(enlarge, 3).repeat_interleave(enlarge, 4)


@cache
def _font(size: int) -> "FreeTypeFont":
    # Matplotlib's own: it has Greek letters and indices.
    import matplotlib

    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", size)
