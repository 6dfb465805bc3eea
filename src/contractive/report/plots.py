"""The interactive plots of a set of runs."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.colors import sample_colorscale
from plotly.subplots import make_subplots

from contractive.palette import COLOURS
from contractive.runs.reading import Run

STAGES = {"validation": "val/{}", "training": "train/{}"}
DASHES = ("solid", "dash", "dot", "dashdot")


def varied(runs: Sequence[Run]) -> list[str]:
    """The settings that some run overrode and that are not the same in all."""
    keys = dict.fromkeys(key for run in runs for key in run.overrides)
    return [key for key in keys if len({str(run.setting(key)) for run in runs}) > 1]


def label(run: Run, keys: Sequence[str]) -> str:
    """What sets a run apart from the others: its varied settings, or its name where there are none."""
    return ", ".join(f"{key}={run.setting(key)}" for key in keys) or run.name


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of the points that no other point beats or equals in both coordinates, by the first one.

    Lower is better. Of equal points one is kept; points that are not finite are never on the front.

    >>> pareto_front([(1.0, 3.0), (2.0, 2.0), (2.0, 4.0), (3.0, 1.0)])
    [0, 1, 3]
    """
    finite = [i for i, point in enumerate(points) if np.isfinite(point).all()]
    front: list[int] = []
    for i in sorted(finite, key=lambda i: points[i]):
        if not front or points[i][1] < points[front[-1]][1]:
            front.append(i)
    return front


def trade_off(runs: Sequence[Run]) -> go.Figure | None:
    """Reconstruction against penalty, a line along ``lam`` for each set of other settings; None if no run
    has figures."""
    keys, lines, figure = varied(runs), _lines(runs), go.Figure()
    placed = [(run, run.result("penalty"), run.result("reconstruction")) for run in runs]
    shown = [run for run, x, y in placed if x is not None and y is not None]
    points = [(x, y) for _, x, y in placed if x is not None and y is not None]
    if not shown:
        return None
    xs, ys = zip(*points)

    def connect(members: Sequence[int], **style: Any) -> None:
        at = {"x": [xs[i] for i in members], "y": [ys[i] for i in members]}
        figure.add_scatter(**at, hoverinfo="skip", **style)

    groups: dict[str, list[int]] = {}
    for i, run in enumerate(shown):
        groups.setdefault(label(run, [k for k in keys if k not in ("model.lam", "lam")]), []).append(i)
    for members in groups.values():
        dotted = {"color": "#999999", "width": 1, "dash": "dot"}
        connect(members, mode="lines", line=dotted, showlegend=False)
    figure.add_scatter(
        x=xs,
        y=ys,
        mode="markers+text" if len(shown) <= 12 else "markers",
        text=[f"{run.lam:g}" if run.lam is not None else "" for run in shown],
        textposition="top center",
        customdata=[[label(run, keys), run.name, run.status] for run in shown],
        hovertemplate="%{customdata[0]}<br>run %{customdata[1]}, %{customdata[2]}<br>"
        "penalty %{x:.4g}<br>reconstruction %{y:.4g}<extra></extra>",
        marker={
            "size": 10,
            "color": [lines[run.name]["color"] for run in shown],
            "symbol": ["circle" if run.finished else "circle-open" for run in shown],
        },
        name="runs, with lam (hollow: not finished, validation)",
    )
    stairs = {"color": COLOURS[1], "width": 1.5, "shape": "hv"}
    rings = {"size": 17, "symbol": "circle-open", "line": {"width": 2}}
    connect(pareto_front(points), mode="lines+markers", line=stairs, marker=rings, name="Pareto front")
    figure.update_xaxes(title="contraction penalty ‖J‖²_F, mean per example", type=_axis_type(xs))
    figure.update_yaxes(title="reconstruction error, mean per example", type=_axis_type(ys))
    return _styled(figure)


def curves(runs: Sequence[Run]) -> go.Figure | None:
    """Reconstruction and penalty over the epochs, of validation or training; None if nothing was logged."""
    panels = _Panels(runs, ("reconstruction error", "contraction penalty"), "{}, mean per example")
    stages: list[str] = []
    for stage, tag in STAGES.items():
        for column, term in enumerate(("reconstruction", "penalty"), start=1):
            for run in runs:
                epochs, values = run.curve(tag.format(term))
                if values:
                    stages.append(stage)
                    panels.draw(run, column, epochs, values, visible=stage == "validation")
    panels.figure.update_xaxes(title="epoch")
    buttons = [
        {"label": stage, "method": "restyle", "args": ["visible", [s == stage for s in stages]]}
        for stage in STAGES
    ]
    menu = {"buttons": buttons, "x": 0, "y": 1.15, "xanchor": "left", "type": "buttons", "direction": "right"}
    panels.figure.update_layout(updatemenus=[menu])
    return panels.finished()


def geometries(runs: Sequence[Run]) -> go.Figure | None:
    """Spectra and contraction ratios, those of all runs overlaid; None if no run has any."""
    shown = [(run, run.geometry) for run in runs if run.geometry is not None]
    kinds = list(dict.fromkeys(kind for _, geometry in shown for kind in geometry.ratios))
    heights = ["singular value σ_k", *["contraction ratio"] * len(kinds)]
    panels = _Panels(runs, heights, "{} [code per input]")
    for run, geometry in shown:
        panels.draw(run, 1, range(1, len(geometry.spectrum) + 1), geometry.spectrum)
        for column, kind in enumerate(kinds, start=2):
            panels.draw(run, column, geometry.radii, geometry.ratios.get(kind, []))
    panels.figure.update_xaxes(title="index k", row=1, col=1)
    for column, kind in enumerate(kinds, start=2):
        panels.figure.update_xaxes(title=f"radius r [input], {kind}", type="log", row=1, col=column)
    return panels.finished()


class _Panels:
    """Plots side by side, in which a run has the same line everywhere and one entry in the legend."""

    def __init__(self, runs: Sequence[Run], heights: Sequence[str], title: str) -> None:
        self.figure = make_subplots(1, len(heights), horizontal_spacing=0.08)
        self._titles = [title.format(height) for height in heights]
        self._values: list[list[float]] = [[] for _ in heights]
        self._keys, self._lines = varied(runs), _lines(runs)

    def draw(self, run: Run, column: int, x: Sequence[float], y: Sequence[float], **more: Any) -> None:
        self._values[column - 1] += y
        self.figure.add_scatter(
            x=np.array(x, np.float32),
            y=np.array(y, np.float32),
            mode="lines" if len(y) > 1 else "markers",
            name=label(run, self._keys),
            legendgroup=run.name,
            showlegend=column == 1,
            line=self._lines[run.name],
            row=1,
            col=column,
            **more,
        )

    def finished(self) -> go.Figure | None:
        """The figure, with axes for sizes: from zero where they are not logarithmic; None if it is empty."""
        for column, (title, values) in enumerate(zip(self._titles, self._values), start=1):
            scale = {"type": _axis_type(values), "rangemode": "tozero", "exponentformat": "power"}
            self.figure.update_yaxes(title=title, **scale, row=1, col=column)
        return _styled(self.figure) if any(self._values) else None


def _styled(figure: go.Figure) -> go.Figure:
    margin = {"l": 70, "r": 20, "t": 60, "b": 60}
    return figure.update_layout(
        template="plotly_white", height=480, margin=margin, legend={"tracegroupgap": 0}
    )


def _axis_type(values: Sequence[float]) -> str:
    """Logarithmic where the values span more than a decade."""
    positive = [value for value in values if value > 0 and np.isfinite(value)]
    return "log" if positive and max(positive) > 10 * min(positive) else "linear"


def _lines(runs: Sequence[Run]) -> dict[str, dict[str, str]]:
    """A line for each run: its colour tells ``lam``, and runs of the same ``lam`` differ in their dashes."""
    lams = sorted({run.lam for run in runs if run.lam is not None})
    # Where there are many the colours are in the order of lam. Cividis reads the same with any colour vision;
    # its ends would vanish on a dark or a light page.
    many = len(lams) > len(COLOURS)
    palette = sample_colorscale("Cividis", list(np.linspace(0.1, 0.9, len(lams)))) if many else COLOURS
    colours: dict[float | None, str] = {None: "#888888", **dict(zip(lams, palette))}
    seen: Counter[float | None] = Counter()
    lines = {}
    for run in runs:
        lines[run.name] = {"color": colours[run.lam], "dash": DASHES[seen[run.lam] % len(DASHES)]}
        seen[run.lam] += 1
    return lines
