"""The page itself: one file that needs nothing else and nothing from the network."""

import io
import warnings
from base64 import b64encode
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pyarrow
from itables import to_html_datatable
from itables.javascript import generate_init_offline_itables_html
from itables.utils import find_package_file
from PIL import Image
from plotly.offline import get_plotlyjs

from contractive.report.plots import curves, geometries, label, trade_off, varied
from contractive.runs.reading import Run
from contractive.runs.untrusted import printable

BUDGET = 5_000_000  # bytes for all pictures together, before their base64 adds a third
WIDEST = 480  # pixels
MOST_PIXELS = 20_000_000  # of a picture; those of a run have less than one million

# A dark page is the light one inverted, hues kept; pictures are inverted once more, back to what they were.
STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 1280px; padding: 0 1em;
  background: #fff; color: #222; }
h1, h2 { font-weight: 600; } h2 { margin-top: 2em; }
.warnings { border-left: 4px solid #d55e00; padding: 0.2em 1em; background: #fff4ec; }
.runs { display: flex; flex-wrap: wrap; gap: 1.5em; }
figure { margin: 0; max-width: 300px; font-size: 13px; }
figure img { display: block; max-width: 100%; margin: 0 0 0.7em; }
figcaption { font-size: 15px; font-weight: 600; overflow-wrap: anywhere; }
.table { overflow-x: auto; }
@media (prefers-color-scheme: dark) {
  html { filter: invert(0.92) hue-rotate(180deg); background: #fff; }
  figure img { filter: invert(1) hue-rotate(180deg); }
}
"""


def table_rows(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """One row for each run: its name and status, the settings that some run overrode, and its figures."""
    settings = dict.fromkeys(key for run in runs for key in run.overrides)
    return [
        {"run": run.name, "status": run.status}
        | {key: run.setting(key) for key in settings}
        | run.metrics
        | (run.geometry.numbers if run.geometry else {})
        for run in runs
    ]


def page(runs: Sequence[Run], title: str) -> str:
    """The whole document."""
    pictures = _thumbnails(runs)
    sections = [
        _section("Trade-off", _plot(trade_off(runs)), "Lower left is better; the dotted lines follow lam."),
        _section("Over the epochs", _plot(curves(runs))),
        _section("Geometry", _plot(geometries(runs)), "At the last epoch that was drawn."),
        _section("Pictures", _gallery(runs, pictures)),
        _section("All runs", _table(table_rows(runs)), "A click on a column's head sorts by it."),
    ]
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{escape(title)}</title>
<style>{STYLE}</style>
<script>{get_plotlyjs()}</script>
</head>
<body>
<h1>{escape(title)}</h1>
{_summary(runs)}
{"".join(sections)}
</body>
</html>
"""


def _summary(runs: Sequence[Run]) -> str:
    unfinished = [run for run in runs if not run.finished]
    text = f"<p>{len(runs)} runs, {len(runs) - len(unfinished)} of them finished.</p>"
    lines = [f"{run.name}: {run.status}" for run in unfinished]
    lines += [f"{run.name}: {warning}" for run in runs for warning in run.warnings]
    if lines:
        items = "".join(f"<li>{escape(line)}</li>" for line in lines)
        text += f'<div class="warnings"><ul>{items}</ul></div>'
    return text


def _section(title: str, content: str, note: str = "") -> str:
    return f"<h2>{title}</h2>\n<p>{note}</p>\n{content}\n" if content else ""


def _plot(figure: go.Figure | None) -> str:
    options = {"full_html": False, "include_plotlyjs": False, "config": {"displaylogo": False}}
    return figure.to_html(**options) if figure else ""


def _gallery(runs: Sequence[Run], pictures: dict[tuple[str, str], str]) -> str:
    keys = varied(runs)
    cards = []
    for run in runs:
        images = "".join(
            f'{escape(tag)}<img alt="{escape(tag)} of {escape(run.name)}" src="{pictures[run.name, tag]}">'
            for tag in run.pictures
            if (run.name, tag) in pictures
        )
        if images:
            cards.append(f"<figure><figcaption>{escape(label(run, keys))}</figcaption>{images}</figure>")
    return f'<div class="runs">{"".join(cards)}</div>' if cards else ""


def _thumbnails(runs: Sequence[Run]) -> dict[tuple[str, str], str]:
    """A ``data:`` address for each run's name and picture's tag; a damaged one is told in its warnings."""
    allowed = BUDGET / max(1, sum(len(run.pictures) for run in runs))
    addresses = {}
    for run in runs:
        for tag, path in run.pictures.items():
            try:
                webp = _shrunk(_opened(path), allowed)
                addresses[run.name, tag] = f"data:image/webp;base64,{b64encode(webp).decode()}"
            # Whatever a decoder raises over what a file holds: a struct.error, an OverflowError, …
            except Exception as error:
                reason = printable(str(error).replace(str(path), path.name), most=200)
                run.warnings.append(f"the picture {tag} is damaged ({reason})")
    return addresses


def _opened(path: Path) -> Image.Image:
    """The picture in a PNG file. Other formats are not read: some are handed to other programs."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(path, formats=["PNG"]) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise ValueError(f"it has {picture.width} × {picture.height} pixels")
            return picture.convert("RGB")


def _shrunk(picture: Image.Image, allowed: float) -> bytes:
    picture.thumbnail((WIDEST, WIDEST))
    while True:
        file = io.BytesIO()
        picture.save(file, "WEBP", quality=80)
        if file.tell() <= allowed or picture.width < 64:
            return file.getvalue()
        picture.thumbnail((picture.width * 3 // 4, picture.height * 3 // 4))


def _table(rows: list[dict[str, Any]]) -> str:
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: _column([row.get(name) for row in rows]) for name in names}
    options: Any = {"connected": False, "maxBytes": 0, "pageLength": 25, "showIndex": False}
    table = to_html_datatable(pyarrow.table(columns), **options, classes="display compact")
    script = generate_init_offline_itables_html(find_package_file("html/dt_bundle.js"))
    return f'{script}<div class="table">{table}</div>'


def _column(values: list[Any]) -> list[Any]:
    """Numbers stay numbers, so that they sort as such; a column of anything else is text."""
    if all(value is None or type(value) in (int, float) for value in values):
        return [float(f"{value:.6g}") if isinstance(value, float) else value for value in values]
    return ["" if value is None else str(value) for value in values]
