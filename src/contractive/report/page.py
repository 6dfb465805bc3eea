"""The page itself: one file that needs nothing else and nothing from the network."""

from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from contractive.report.browser import SCRIPT, STYLE
from contractive.report.folding import SHOWN, counted, folded
from contractive.report.gallery import Pictures, gallery, shrunk_pictures
from contractive.report.groups import Group, grouped
from contractive.report.plots import curve, ratios, spectra, trade_off
from contractive.report.probe_plot import worth
from contractive.report.table import table
from contractive.runs.reading import Run

MOST_WARNINGS = 200
SVG_DASHES = {"solid": "none", "dash": "6 3", "dot": "2 2", "dashdot": "6 2 2 2"}


def page(runs: Sequence[Run], title: str) -> str:
    """The whole document."""
    pictures, groups = shrunk_pictures(runs), grouped(runs)
    sections = [_section(group, pictures, many=len(groups) > 1) for group in groups]
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{STYLE}</style>
<script>{get_plotlyjs()}</script>
</head>
<body>
<h1>{escape(title)}</h1>
{_summary(runs)}
<p class="bar"><label>Runs with <input id="search" type="search" placeholder="lam=0.1"></label>
<span id="found"></span>
<label><input id="stage" type="checkbox"> curves of training instead of validation</label></p>
{"".join(sections)}
<h2>All runs</h2>
<p>A click on a column's head sorts by it.
<span class="hint">The table is wider than the page: it scrolls sideways.</span></p>
{table(runs, groups)}
<script>{SCRIPT}</script>
</body>
</html>
"""


def _summary(runs: Sequence[Run]) -> str:
    unfinished = [run for run in runs if not run.finished]
    finished = f", {len(runs) - len(unfinished)} of them finished" if unfinished else ""
    text = f"<p>{counted(len(runs), 'run')}{finished}.</p>"
    lines = [f"{run.name}: {run.status}" for run in unfinished]
    lines += [f"{run.name}: {warning}" for run in runs for warning in run.warnings]
    if lines:
        items = "".join(f"<li>{escape(line)}</li>" for line in lines[:MOST_WARNINGS])
        rest = f"<p>and {len(lines) - MOST_WARNINGS} more</p>" if len(lines) > MOST_WARNINGS else ""
        is_open = " open" if len(lines) <= SHOWN else ""
        heading = f"<summary>{counted(len(lines), 'remark')}</summary>"
        text += f'<details class="warnings"{is_open}>{heading}<ul>{items}</ul>{rest}</details>'
    return text


def _section(group: Group, pictures: Pictures, many: bool) -> str:
    """What there is to see of one group."""
    plots = [
        ("Penalty and reconstruction", trade_off(group, "penalty", "reconstruction")),
        ("What the code is worth", worth(group)),
        ("Reconstruction and probe", trade_off(group, "reconstruction", "probe_error")),
        ("Reconstruction over the epochs", curve(group, "reconstruction")),
        ("Penalty over the epochs", curve(group, "penalty")),
        ("Error of the head over the epochs", curve(group, "error")),
        ("Spectrum of the Jacobian", spectra(group)),
        *((f"Contraction, {kind}", figure) for kind, figure in ratios(group).items()),
    ]
    drawn = "".join(
        f'<div class="plot"><h3>{escape(name)}</h3>{_plot(figure)}</div>' for name, figure in plots if figure
    )
    count = f" <small>{counted(len(group.runs), 'run')}</small>" if many else ""
    note = (
        "Lower left is better. Ringed: the Pareto front, which no run beats in both. Dotted: along lam,"
        " through the means over seeds. Hollow: not finished, from validation. Dashed: simple classifiers on"
        " the inputs instead of the code; bars: standard errors. Geometry is that of the last epoch drawn."
    )
    shown = gallery(group, pictures)
    return (
        f"<section><h2>{escape(group.title)}{count}</h2>\n{folded(_chips(group), 'chips')}\n{_colours(group)}"
        + (f'<p class="note">{note}</p>\n<div class="plots">{drawn}</div>\n' if drawn else "")
        + (f"<h3>Pictures</h3>\n{shown}\n" if shown else "")
        + "</section>\n"
    )


def _chips(group: Group) -> list[str]:
    """The legend: a button for each run, which hides and shows it."""
    chips = []
    for number, label, run, line in zip(group.numbers, group.labels, group.runs, group.lines):
        search = escape(f"{label} {run.name} {run.status}".lower())
        chips.append(
            f'<button class="chip" data-run="{number}" data-text="{search}" title="{escape(run.name)}">'
            f"{_sample(**line)} {escape(label)}</button>"
        )
    return chips


def _colours(group: Group) -> str:
    """What the colours tell, where they tell lam and not all buttons are seen."""
    pairs = [(run.lam, line["color"]) for run, line in zip(group.runs, group.lines) if run.lam is not None]
    told = dict(pairs)
    one_each = len(set(pairs)) == len(told) == len(set(told.values()))
    if len(group.runs) <= SHOWN or len(told) < 2 or not one_each:
        return ""
    samples = ", ".join(f"{_sample(colour, 'solid')} {lam:g}" for lam, colour in told.items())
    return f'<p class="note">lam: {samples}</p>'


def _sample(color: str, dash: str) -> str:
    stroke = f'stroke="{color}" stroke-width="3" stroke-dasharray="{SVG_DASHES[dash]}"'
    return f'<svg width="26" height="8"><line x1="0" y1="4" x2="26" y2="4" {stroke}/></svg>'


def _plot(figure: go.Figure) -> str:
    config = {"displayModeBar": False, "responsive": True}
    html: str = figure.to_html(full_html=False, include_plotlyjs=False, config=config)
    return html
