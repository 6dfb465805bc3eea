"""The pictures of runs: those of one kind side by side."""

import io
import math
import warnings
from base64 import b64encode
from collections.abc import Sequence
from html import escape
from pathlib import Path

from PIL import Image

from contractive.report.folding import folded
from contractive.report.groups import Group
from contractive.runs.reading import Run
from contractive.runs.untrusted import printable

BUDGET = 5_000_000  # bytes for all pictures together, before their base64 adds a third
LEAST = 2_000  # bytes of a picture that can still be made out
WIDEST = 640  # pixels
MOST_PIXELS = 20_000_000  # of a picture; those of a run have less than one million

Pictures = dict[tuple[int, str], str]  # a ``data:`` address for each number of a run and tag


def shrunk_pictures(runs: Sequence[Run]) -> Pictures:
    """The pictures of all runs within ``BUDGET``; what is damaged or left out is told in a run's warnings."""
    wanted = [(number, tag) for number, run in enumerate(runs) for tag in run.pictures]
    room = BUDGET // LEAST
    for number in sorted({number for number, _ in wanted[room:]}):
        runs[number].warnings.append(f"some of its pictures are not on the page, which has room for {room}")
    addresses: Pictures = {}
    for number, tag in wanted[:room]:
        path = runs[number].pictures[tag]
        try:
            webp = _shrunk(_opened(path), BUDGET / min(room, len(wanted)))
            addresses[number, tag] = f"data:image/webp;base64,{b64encode(webp).decode()}"
        # Whatever a decoder raises over what a file holds: a struct.error, an OverflowError, …
        except Exception as error:
            reason = printable(str(error).replace(str(path), path.name), most=200)
            runs[number].warnings.append(f"the picture {tag} is damaged ({reason})")
    return addresses


def gallery(group: Group, pictures: Pictures) -> str:
    """The pictures of a group, a fold for each kind, the first one open."""
    folds: list[str] = []
    for tag in dict.fromkeys(tag for run in group.runs for tag in run.pictures):
        shown = f'<img loading="lazy" alt="{escape(tag)} of'
        cards = [
            f'<figure data-run="{number}"><figcaption>{escape(label)}</figcaption>'
            f'{shown} {escape(run.name)}" src="{pictures[number, tag]}"></figure>'
            for number, label, run in zip(group.numbers, group.labels, group.runs)
            if (number, tag) in pictures
        ]
        if cards:
            title = escape(tag.replace("_", " "))
            is_open = "" if folds else " open"
            content = folded(cards, "cards")
            folds.append(f"<details{is_open}><summary>{title}</summary>{content}</details>")
    return "".join(folds)


def _opened(path: Path) -> Image.Image:
    """The picture in a PNG file. Other formats are not read: some are handed to other programs."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(path, formats=["PNG"]) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise ValueError(f"it has {picture.width} × {picture.height} pixels")
            return picture.convert("RGB")


def _shrunk(picture: Image.Image, allowed: float) -> bytes:
    """A picture as WebP, as large as its bytes allow."""
    picture.thumbnail((WIDEST, WIDEST))
    while True:
        file = io.BytesIO()
        picture.save(file, "WEBP", quality=80, method=2)
        if file.tell() <= allowed or picture.width < 64:
            return file.getvalue()
        side = 0.9 * math.sqrt(allowed / file.tell())
        picture.thumbnail((picture.width * side, picture.height * side))
