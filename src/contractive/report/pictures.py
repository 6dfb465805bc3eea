"""The pictures of the runs, small enough that those of hundreds fit into one file."""

import base64
import io
from collections.abc import Sequence

from PIL import Image

from contractive.runs.reading import Run

BUDGET = 5_000_000  # bytes for all pictures together, before their base64 adds a third
WIDEST = 480  # pixels


def thumbnails(runs: Sequence[Run]) -> dict[tuple[str, str], str]:
    """A ``data:`` address for each run's name and picture's tag.

    A picture that cannot be decoded is left out and named in the run's warnings.
    """
    allowed = BUDGET / max(1, sum(len(run.pictures) for run in runs))
    addresses = {}
    for run in runs:
        for tag, path in run.pictures.items():
            try:
                addresses[run.name, tag] = _address(_shrunk(Image.open(path).convert("RGB"), allowed))
            except (OSError, SyntaxError) as error:
                run.warnings.append(f"the picture {tag} is damaged ({error})")
    return addresses


def _shrunk(picture: Image.Image, allowed: float) -> bytes:
    picture.thumbnail((WIDEST, WIDEST))
    while True:
        file = io.BytesIO()
        picture.save(file, "WEBP", quality=80)
        if file.tell() <= allowed or picture.width < 64:
            return file.getvalue()
        picture.thumbnail((picture.width * 3 // 4, picture.height * 3 // 4))


def _address(webp: bytes) -> str:
    return f"data:image/webp;base64,{base64.b64encode(webp).decode()}"
