"""The interactive plots of a group of runs, each a figure of its own, so that they stack where it is narrow.

What belongs to a run carries the number of the run, by which the page hides and shows it.
"""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go

from contractive.palette import COLOURS
from contractive.report.groups import Group, series

STAGES = ("val", "train")
NAMES = {
    "reconstruction": "reconstruction error",
    "penalty": "contraction penalty ‖J‖²<sub>F</sub>",
    "probe_error": "probe error, %",
    "error": "wrong labels, %",
}
MOST_POINTS = 200_000  # of all curves of a group together
MOST_KINDS = 4  # of contraction ratios
NEAR = (0.15, 0.08)  # of each axis: nearer to each other in both, two texts could not be read


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


def trade_off(group: Group, x: str, y: str) -> go.Figure | None:
    """One figure of each run against another; None if no run has both.

    With the Pareto front, and for each set of other settings a line along ``lam``, through means over seeds.
    """
    at = {
        i: (a, b)
        for i, run in enumerate(group.runs)
        if (a := run.result(x)) is not None and (b := run.result(y)) is not None
    }
    if not at:
        return None
    figure = go.Figure()
    for members in series(group.runs, group.settings):
        by_lam: dict[float, list[int]] = {}
        for i in members:
            lam = group.runs[i].lam
            if i in at and lam is not None:
                by_lam.setdefault(lam, []).append(i)
        if len(by_lam) > 1:
            means = [np.mean([at[i] for i in by_lam[lam]], axis=0) for lam in sorted(by_lam)]
            dotted = {"color": "#999999", "width": 1.5, "dash": "dot"}
            style: Any = {"mode": "lines", "line": dotted, "hoverinfo": "skip"}
            _add(figure, group, members, *np.transpose(means), **style)
    indices, points = list(at), list(at.values())
    front = [indices[k] for k in pareto_front(points)]
    stairs = {"color": COLOURS[1], "width": 1.5, "shape": "hv"}
    if front:
        steps = np.transpose([at[i] for i in front])
        _add(figure, group, front, *steps, mode="lines", line=stairs, hoverinfo="skip")
    x_axis, y_axis = (_axis(values) for values in zip(*points))
    with_text = {indices[k] for k in _apart(points, x_axis, y_axis)}
    for i, (a, b) in at.items():
        run = group.runs[i]
        text = f"{run.lam:g}" if i in with_text and run.lam is not None else ""
        above: Any = {"mode": "markers+text", "textposition": "top center"}
        if i in front:  # the ring has the text, which would otherwise lie on it
            ring = {"size": 17, "symbol": "circle-open", "color": COLOURS[1], "line": {"width": 2}}
            _add(figure, group, [i], [a], [b], text=[text], marker=ring, hoverinfo="skip", **above)
        source = "" if run.finished else f", {escape(run.status)}, validation"
        _add(
            figure,
            group,
            [i],
            [a],
            [b],
            text=["" if i in front else text],
            hovertemplate=f"{escape(group.labels[i])}<br>{escape(run.name)}{source}"
            f"<br>{x} %{{x:.4g}}<br>{y} %{{y:.4g}}<extra></extra>",
            marker={
                "size": 10,
                "color": group.lines[i]["color"],
                "symbol": "circle" if run.finished else "circle-open",
            },
            **above,
        )
    figure.update_xaxes(title=NAMES[x], **x_axis)
    figure.update_yaxes(title=NAMES[y], **y_axis)
    return _styled(figure)


def _apart(points: Sequence[tuple[float, float]], *axes: dict[str, Any]) -> set[int]:
    """Indices of points whose texts do not lie on each other's."""
    where = np.array(points, float)
    with np.errstate(all="ignore"):  # a point that the axis cannot show has no text
        for column, axis in enumerate(axes):
            values = np.log(where[:, column]) if axis else where[:, column]
            where[:, column] = (values - values.min()) / (np.ptp(values) or 1.0)
    chosen: list[int] = []
    for i in range(len(where)):
        if all((np.abs(where[i] - where[j]) > NEAR).any() for j in chosen):
            chosen.append(i)
    return set(chosen)


def curve(group: Group, term: str) -> go.Figure | None:
    """A term over the epochs, of validation, and of training where that is asked for; None if it has none."""
    figure, everything = go.Figure(), []
    most = max(20, MOST_POINTS // (4 * len(group.runs)))
    for stage in STAGES:
        for i, run in enumerate(group.runs):
            epochs, values = run.curve(f"{stage}/{term}")
            if values:
                everything += values
                step = -(-len(values) // most)
                visible = stage == STAGES[0]
                _line(figure, group, i, epochs[::step], values[::step], stage=stage, visible=visible)
    # No halves of epochs where there are few.
    few = all(len(run.curves) <= 10 for run in group.runs)
    figure.update_xaxes(title="epoch", dtick=1 if few else None)
    return _finished(figure, NAMES[term], everything)


def spectra(group: Group) -> go.Figure | None:
    """The singular values of the encoders' Jacobians; None if no run has any."""
    figure, everything = go.Figure(), []
    for i, run in enumerate(group.runs):
        if run.geometry is not None and run.geometry.spectrum:
            everything += run.geometry.spectrum
            index = np.arange(1, len(run.geometry.spectrum) + 1)
            step = -(-len(index) // 1000)
            _line(figure, group, i, index[::step], run.geometry.spectrum[::step])
    figure.update_xaxes(title="index k")
    return _finished(figure, "singular value σ<sub>k</sub>", everything)


def ratios(group: Group) -> dict[str, go.Figure]:
    """The contraction ratio over the radius, for each kind of direction."""
    shown = [(i, run.geometry) for i, run in enumerate(group.runs) if run.geometry is not None]
    figures = {}
    for kind in list(dict.fromkeys(kind for _, geometry in shown for kind in geometry.ratios))[:MOST_KINDS]:
        figure, everything = go.Figure(), []
        for i, geometry in shown:
            everything += geometry.ratios.get(kind, [])
            _line(figure, group, i, geometry.radii, geometry.ratios.get(kind, []))
        figure.update_xaxes(title="radius r", type="log", dtick=1, exponentformat="power")
        finished = _finished(figure, "contraction ratio", everything)
        if finished is not None:
            figures[kind] = finished
    return figures


def _line(
    figure: go.Figure, group: Group, i: int, x: Iterable[float], y: Sequence[float], **more: Any
) -> None:
    style: Any = {"mode": "lines" if len(y) > 1 else "markers", "line": group.lines[i]}
    hover = f"{escape(group.labels[i])}<br>%{{y:.4g}} at %{{x:.4g}}<extra></extra>"
    _add(figure, group, [i], x, y, hovertemplate=hover, **style, **more)


def _add(
    figure: go.Figure, group: Group, runs: Sequence[int], x: Any, y: Any, stage: str = "", **style: Any
) -> None:
    """A trace that is shown while all of ``runs`` are, at ``stage`` if it belongs to one."""
    meta = {"runs": [group.numbers[i] for i in runs], "stage": stage}
    # Single precision takes half the bytes; what is beyond it is not drawn.
    with np.errstate(over="ignore"):
        at = {"x": np.array(x, np.float32), "y": np.array(y, np.float32)}
    figure.add_scatter(**at, meta=meta, showlegend=False, **style)


def _finished(figure: go.Figure, title: str, values: Sequence[float]) -> go.Figure | None:
    """The figure, with an axis for sizes: from zero where it is not logarithmic; None if it is empty."""
    figure.update_yaxes(title=title, rangemode="tozero", **_axis(values))
    return _styled(figure) if values else None


def _styled(figure: go.Figure) -> go.Figure:
    margin = {"l": 60, "r": 10, "t": 30, "b": 45}
    return figure.update_layout(template="plotly_white", height=340, margin=margin)


def _axis(values: Sequence[float]) -> dict[str, Any]:
    """An axis that is logarithmic where the values span more than a decade."""
    positive = [value for value in values if value > 0 and np.isfinite(value)]
    if positive and max(positive) > 10 * min(positive):
        # Decades alone where there are many of them; 1, 2 and 5 of each where there are few, in full: else
        # 0.5 would be a small 5.
        many = max(positive) > 1e3 * min(positive)
        ticks = {"dtick": 1, "exponentformat": "power"} if many else {"dtick": "D2", "tickformat": "~g"}
        return {"type": "log", **ticks}
    return {}
