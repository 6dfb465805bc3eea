"""Pictures in rows, without names, as one picture and as a file."""

import io

import torch
from PIL import Image
from torch import Tensor

COLUMNS = 8
MIN_SIDE = 28  # smaller pictures are enlarged, so that a pixel can be seen


def are_pictures(x: Tensor) -> bool:
    """Whether examples are pictures, ``(batch, 1 or 3, height, width)``."""
    return x.ndim == 4 and x.shape[1] in (1, 3)


def image_grid(images: Tensor, columns: int) -> Tensor:
    """Images ``(n, channels, height, width)`` in rows of ``columns``, as one ``(3, H, W)``."""
    # Here, not above: what draws no grid need not wait for it.
    from torchvision.utils import make_grid

    enlarge = max(1, -(-MIN_SIDE // min(images.shape[2:])))
    images = images.repeat_interleave(enlarge, 2).repeat_interleave(enlarge, 3)
    grid: Tensor = make_grid(images, nrow=columns, padding=1, pad_value=1.0)
    return grid


def reconstruction_grid(x: Tensor, reconstruction: Tensor, columns: int = COLUMNS) -> Tensor:
    """Rows of originals, each with the row of their reconstructions below, in [0, 1]."""
    pairs = [torch.cat(pair) for pair in zip(x.split(columns), reconstruction.split(columns), strict=True)]
    return image_grid(torch.cat(pairs).clamp(0, 1), min(columns, len(x)))


def png(picture: Tensor) -> bytes:
    """A picture ``(1 or 3, height, width)`` in [0, 1] as the content of a ``.png`` file."""
    pixels = (picture.clamp(0, 1).movedim(0, 2) * 255).round().byte().cpu().numpy()
    file = io.BytesIO()
    Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels).save(file, "PNG")
    return file.getvalue()
