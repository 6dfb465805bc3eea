"""The table of all runs."""

from collections.abc import Sequence
from html import escape
from typing import Any

import pyarrow
from itables import to_html_datatable
from itables.javascript import generate_init_offline_itables_html
from itables.utils import find_package_file

from contractive.report.groups import LAMS, Group, differing, short_names, told
from contractive.report.plots import pareto_front
from contractive.runs.reading import FINISHED, Run

FIRST = ("test/error", "test/probe_error", "test/reconstruction", "test/penalty", "test/loss")
FEW = 3  # settings have a column each before the figures
MOST_COLUMNS = 60  # on the page; a file beside it has all of them


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


def table(runs: Sequence[Run], groups: Sequence[Group]) -> str:
    """What differs between the runs and what decides comes first; what all share is said above the table."""
    settings = differing(runs)
    names = short_names(settings)
    fronts = {number for group in groups for number in _front(group)}
    # Where much differs, what sets a run apart is one column; what that is made of stands behind the figures.
    apart = {} if len(settings) <= FEW else {n: text for g in groups for n, text in zip(g.numbers, g.labels)}
    first = [key for key in settings if not apart or key in LAMS]
    data = {number: group.title for group in groups if len(groups) > 1 for number in group.numbers}
    rows = []
    for number, run in enumerate(runs):
        # Why it failed stands above the plots.
        row: dict[str, Any] = {
            "run": run.name,
            "status": run.status.partition(":")[0],
            "data": data.get(number),
        }
        row |= {names[key]: run.config.get(key) for key in first}
        figures = run.metrics | (run.geometry.numbers if run.geometry else {})
        row |= {name: figures.get(name) for name in FIRST}
        row |= {"Pareto": "yes" if number in fronts else None, "set apart by": apart.get(number)}
        row |= figures | {names[key]: run.config.get(key) for key in settings}
        rows.append(row)
    columns = {name: [row.get(name) for row in rows] for row in rows for name in row}
    # A column that is empty or says that all is well says nothing.
    told_columns = {
        name: values
        for name, values in columns.items()
        if name == "run" or any(value not in (None, FINISHED) for value in values)
    }
    note = _shared(runs)
    if fronts:
        pairs = dict.fromkeys(" and ".join(_deciding(group)) for group in groups if _front(group))
        note += f"<p>Pareto: no run on the same data beats it in both {', or in both '.join(pairs)}.</p>"
    if len(told_columns) > MOST_COLUMNS:
        note += f"<p>The first {MOST_COLUMNS} of {len(told_columns)} columns; report.csv has all.</p>"
    shown = dict(list(told_columns.items())[:MOST_COLUMNS])
    return f"{note}{_sortable({name: _column(values) for name, values in shown.items()})}"


def _front(group: Group) -> list[int]:
    """The numbers of the runs that no other one of the group beats in all figures that decide."""
    points = [tuple(run.result(term) for term in _deciding(group)) for run in group.runs]
    known = [i for i, point in enumerate(points) if None not in point]
    return [group.numbers[known[k]] for k in pareto_front([points[i] for i in known])]  # type: ignore[misc]


def _deciding(group: Group) -> tuple[str, str]:
    probed = any(run.result("probe_error") is not None for run in group.runs)
    return "reconstruction", "probe_error" if probed else "penalty"


def _shared(runs: Sequence[Run]) -> str:
    first = runs[0].config
    overridden = dict.fromkeys(key for run in runs for key in run.overrides if key in first)
    same = [
        f"{key}={told(first[key])}"
        for key in overridden
        if all(str(run.config.get(key)) == str(first[key]) for run in runs)
    ]
    return f"<p>The same in all: {escape(', '.join(same))}.</p>" if same else ""


def _sortable(columns: dict[str, list[Any]]) -> str:
    options: Any = {"connected": False, "maxBytes": 0, "pageLength": 25, "showIndex": False}
    html = to_html_datatable(pyarrow.table(columns), **options, classes="display compact nowrap")
    script = generate_init_offline_itables_html(find_package_file("html/dt_bundle.js"))
    return f'{script}<div class="table">{html}</div>'


def _column(values: list[Any]) -> list[Any]:
    """Numbers stay numbers, so that they sort as such; a column of anything else is text."""
    if all(value is None or type(value) in (int, float) for value in values):
        return [float(f"{value:.6g}") if isinstance(value, float) else value for value in values]
    return ["" if value is None else str(value) for value in values]
