"""The probe's figures of a run as a table."""

import re
from collections.abc import Mapping

from rich.table import Table

SAID = {"probe_error": "linear", "knn_error": "neighbours", "probe_r2": "ridge, R²"}


def is_probed(name: str) -> bool:
    """Whether a figure is one of the probe's."""
    return "/probe_" in name or "/knn_" in name


def probe_table(metrics: Mapping[str, float]) -> Table | None:
    """What the code and the inputs are worth; None if there was no probe.

    After ``±`` stands the standard error: by how much chance, which examples there are, moves an error.
    """
    title = "What the code is worth: errors in %, of simple classifiers"
    table = Table("", "code: val", "test", "inputs: val", "test", title=title, title_justify="left")
    for name in dict.fromkeys(key.split("/")[1] for key in metrics if is_probed(key)):
        if name.endswith(("_raw", "_se", "_examples")):
            continue
        cells = []
        for suffix in ("", "_raw"):
            for stage in ("val", "test"):
                value, chance = (metrics.get(f"{stage}/{name}{end}") for end in (suffix, f"{suffix}_se"))
                shown = "" if value is None else f"{value:.3g}"
                cells.append(shown if chance is None else f"{shown} ± {chance:.2g}")
        table.add_row(_said(name), *cells)
    return table if table.row_count else None


def _said(name: str) -> str:
    kind, condition = re.fullmatch(rf"({'|'.join(SAID)})_?(.*)", name).groups()  # type: ignore[union-attr]
    under = {"": "", "noisy": ", noise"}
    return SAID[kind] + under.get(condition, f", {condition} labels")
