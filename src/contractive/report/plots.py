"""The interactive plots of a set of runs."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.colors import sample_colorscale
from plotly.subplots import make_subplots

from contractive.palette import COLOURS
from contractive.runs.reading import Run

STAGES = {"validation": "val/{}", "training": "train/{}_epoch"}
LINES = ("solid", "dash", "dot", "dashdot")


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
    keys = varied(runs)
    placed = [
        (run, (x, y))
        for run in runs
        if (x := run.result("penalty")) is not None and (y := run.result("reconstruction")) is not None
    ]
    if not placed:
        return None
    shown, points = [run for run, _ in placed], [point for _, point in placed]
    colours = _colours(runs)
    figure = go.Figure()
    groups: dict[str, list[int]] = {}
    for i, run in enumerate(shown):
        groups.setdefault(label(run, [k for k in keys if k not in ("model.lam", "lam")]), []).append(i)
    for members in groups.values():
        figure.add_scatter(
            x=[points[i][0] for i in members],
            y=[points[i][1] for i in members],
            mode="lines",
            line={"color": "#999999", "width": 1, "dash": "dot"},
            hoverinfo="skip",
            showlegend=False,
        )
    finished = [run.finished for run in shown]
    figure.add_scatter(
        x=[x for x, _ in points],
        y=[y for _, y in points],
        mode="markers+text" if len(shown) <= 12 else "markers",
        text=[f"{run.lam:g}" if run.lam is not None else "" for run in shown],
        textposition="top center",
        customdata=[[label(run, keys), run.name, run.status] for run in shown],
        hovertemplate="%{customdata[0]}<br>run %{customdata[1]}, %{customdata[2]}<br>"
        "penalty %{x:.4g}<br>reconstruction %{y:.4g}<extra></extra>",
        marker={
            "size": 10,
            "color": [colours[run.name] for run in shown],
            "symbol": ["circle" if done else "circle-open" for done in finished],
        },
        name="runs, with lam" if all(finished) else "runs, with lam (hollow: not finished, validation)",
    )
    front = pareto_front(points)
    figure.add_scatter(
        x=[points[i][0] for i in front],
        y=[points[i][1] for i in front],
        mode="lines+markers",
        line={"color": COLOURS[1], "width": 1.5, "shape": "hv"},
        marker={"size": 17, "symbol": "circle-open", "line": {"width": 2}},
        hoverinfo="skip",
        name="Pareto front",
    )
    figure.update_xaxes(
        title="contraction penalty ‖J‖²_F, mean per example", type=_axis_type([x for x, _ in points])
    )
    figure.update_yaxes(
        title="reconstruction error, mean per example", type=_axis_type([y for _, y in points])
    )
    return _styled(figure)


def curves(runs: Sequence[Run]) -> go.Figure | None:
    """Reconstruction and penalty over the epochs, of validation or training; None if nothing was logged."""
    keys, colours, dashes = varied(runs), _colours(runs), _dashes(runs)
    figure = make_subplots(1, 2, horizontal_spacing=0.1)
    stages: list[str] = []
    values: dict[int, list[float]] = {1: [], 2: []}
    for stage, tag in STAGES.items():
        for column, term in enumerate(("reconstruction", "penalty"), start=1):
            for run in runs:
                epochs, curve = run.curve(tag.format(term))
                if not curve:
                    continue
                values[column] += curve
                stages.append(stage)
                figure.add_scatter(
                    x=np.array(epochs, np.float32),
                    y=np.array(curve, np.float32),
                    mode="lines" if len(curve) > 1 else "markers",
                    name=label(run, keys),
                    legendgroup=run.name,
                    showlegend=column == 1,
                    visible=stage == "validation",
                    line={"color": colours[run.name], "dash": dashes[run.name]},
                    row=1,
                    col=column,
                )
    if not stages:
        return None
    figure.update_xaxes(title="epoch")
    for column, name in enumerate(("reconstruction error", "contraction penalty"), start=1):
        figure.update_yaxes(title=f"{name}, mean per example", **_scale(values[column]), row=1, col=column)
    buttons = [
        {"label": stage, "method": "restyle", "args": ["visible", [s == stage for s in stages]]}
        for stage in STAGES
    ]
    figure.update_layout(
        updatemenus=[
            {
                "buttons": buttons,
                "x": 0,
                "y": 1.15,
                "xanchor": "left",
                "type": "buttons",
                "direction": "right",
            }
        ]
    )
    return _styled(figure)


def geometries(runs: Sequence[Run]) -> go.Figure | None:
    """Spectra and contraction ratios, those of all runs overlaid; None if no run has any."""
    keys, colours, dashes = varied(runs), _colours(runs), _dashes(runs)
    shown = [(run, run.geometry) for run in runs if run.geometry is not None]
    if not shown:
        return None
    kinds = list(dict.fromkeys(kind for _, geometry in shown for kind in geometry.ratios))
    figure = make_subplots(1, 1 + len(kinds), horizontal_spacing=0.08)
    values: list[list[float]] = [[] for _ in range(1 + len(kinds))]
    for run, geometry in shown:
        index = [float(k + 1) for k in range(len(geometry.spectrum))]
        lines = [(index, geometry.spectrum)]
        lines += [(geometry.radii, geometry.ratios.get(kind, [])) for kind in kinds]
        for column, (x, y) in enumerate(lines, start=1):
            values[column - 1] += y
            figure.add_scatter(
                x=np.array(x, np.float32),
                y=np.array(y, np.float32),
                mode="lines",
                name=label(run, keys),
                legendgroup=run.name,
                showlegend=column == 1,
                line={"color": colours[run.name], "dash": dashes[run.name]},
                row=1,
                col=column,
            )
    figure.update_xaxes(title="index k", row=1, col=1)
    figure.update_yaxes(title="singular value σ_k [code per input]", **_scale(values[0]), row=1, col=1)
    for column, kind in enumerate(kinds, start=2):
        figure.update_xaxes(title=f"radius r [input], {kind}", type="log", row=1, col=column)
        figure.update_yaxes(
            title="contraction ratio [code per input]", **_scale(values[column - 1]), row=1, col=column
        )
    return _styled(figure)


def _styled(figure: go.Figure) -> go.Figure:
    return figure.update_layout(
        template="plotly_white",
        height=480,
        margin={"l": 70, "r": 20, "t": 60, "b": 60},
        legend={"tracegroupgap": 0},
    )


def _axis_type(values: Sequence[float]) -> str:
    """Logarithmic where the values span more than a decade."""
    positive = [value for value in values if value > 0 and np.isfinite(value)]
    return "log" if positive and max(positive) > 10 * min(positive) else "linear"


def _scale(values: Sequence[float]) -> dict[str, str]:
    """An axis for sizes: from zero, if it is not logarithmic."""
    return {"type": _axis_type(values), "rangemode": "tozero", "exponentformat": "power"}


def _colours(runs: Sequence[Run]) -> dict[str, str]:
    """A colour for each run: the same for the same ``lam``, and in its order where there are many."""
    lams = sorted({run.lam for run in runs if run.lam is not None})
    if len(lams) <= len(COLOURS):
        palette = list(COLOURS[: len(lams)])
    else:
        # Cividis reads the same with any colour vision; its ends would vanish on a dark or a light page.
        palette = sample_colorscale("Cividis", list(np.linspace(0.1, 0.9, len(lams))))
    by_lam: dict[float | None, str] = dict(zip(lams, palette))
    return {run.name: by_lam.get(run.lam, "#888888") for run in runs}


def _dashes(runs: Sequence[Run]) -> dict[str, str]:
    """Runs of the same ``lam`` differ in their dashes."""
    seen: dict[float | None, int] = {}
    dashes = {}
    for run in runs:
        seen[run.lam] = seen.get(run.lam, -1) + 1
        dashes[run.name] = LINES[seen[run.lam] % len(LINES)]
    return dashes
