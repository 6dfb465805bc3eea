"""What the code is worth, or a head on it, over lam: the curve to choose it by."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from contractive.palette import COLOURS
from contractive.report.groups import Group, series

ERRORS = {
    "test/error": "the head",
    "test/probe_error": "linear probe",
    "test/probe_error_noisy": "linear probe, noise on the inputs",
    "test/knn_error": "nearest neighbours",
}
R2 = {"test/probe_r2": "ridge regression", "test/probe_r2_noisy": "ridge regression, noise on the inputs"}


def worth(group: Group) -> go.Figure | None:
    """The probe's figures and a head's error on the test split over ``lam``, a line for each set of other
    settings, through means over seeds; dashed those on the inputs themselves. None if no run was probed.

    Bars are standard errors: points that are no further apart may differ by chance.
    """
    measures = ERRORS if any(not ERRORS.keys().isdisjoint(run.metrics) for run in group.runs) else R2
    probed = [
        run for run in group.runs if run.lam is not None and not measures.keys().isdisjoint(run.metrics)
    ]
    if not probed:
        return None
    place = _places([run.lam for run in probed if run.lam is not None])
    figure = go.Figure()
    for (name, said), colour in zip(measures.items(), COLOURS):
        legend: dict[str, Any] = {"name": said, "legendgroup": name}
        for members in series(group.runs, group.settings):
            found: dict[float, list[float]] = {}
            chance: dict[float, float] = {}
            for run in (group.runs[i] for i in members):
                if run.lam is not None and name in run.metrics:
                    found.setdefault(run.lam, []).append(run.metrics[name])
                    chance[run.lam] = run.metrics.get(f"{name}_se", 0.0)
            if found:
                figure.add_scatter(
                    x=[place[lam] for lam in sorted(found)],
                    y=[float(np.mean(found[lam])) for lam in sorted(found)],
                    error_y={"array": [chance[lam] for lam in sorted(found)], "thickness": 1},
                    mode="lines+markers",
                    line={"color": colour},
                    meta={"runs": [group.numbers[i] for i in members], "stage": ""},
                    **legend,
                )
                legend["showlegend"] = False
        inputs = [run.metrics[f"{name}_raw"] for run in probed if f"{name}_raw" in run.metrics]
        if inputs:
            figure.add_scatter(
                x=[min(place.values()), max(place.values())],
                y=[float(np.mean(inputs))] * 2,
                mode="lines",
                line={"color": colour, "dash": "dash"},
                name=f"{said}, on the inputs themselves",
                legendgroup=name,
                showlegend=False,
                meta={"runs": [], "stage": ""},
            )
    errors = measures is ERRORS
    figure.update_xaxes(title="lam", tickvals=[*place.values()], ticktext=[f"{lam:g}" for lam in place])
    title = "wrong labels in the test split, %" if errors else "R² in the test split"
    figure.update_yaxes(title=title, rangemode="tozero" if errors else "normal")
    legend = {"orientation": "h", "y": 1.02, "yanchor": "bottom"}
    margin = {"l": 60, "r": 10, "t": 30, "b": 45}
    return figure.update_layout(template="plotly_white", height=340, margin=margin, legend=legend)


def _places(lams: Sequence[float]) -> dict[float, float]:
    """Where each ``lam`` stands on a logarithmic axis, on which 0 has its place a decade before the rest.

    >>> _places([0.0, 0.1, 10.0])
    {0.0: -2.0, 0.1: -1.0, 10.0: 1.0}
    """
    positive = [lam for lam in lams if lam > 0]
    zero = math.log10(min(positive)) - 1 if positive else 0.0
    return {lam: math.log10(lam) if lam > 0 else zero for lam in sorted(set(lams))}
