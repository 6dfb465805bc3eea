"""Score examples by how unlike the training data they are, the worst first.

Reconstruction error and penalty are those of each example, their percentiles how many per cent of the
training examples have less. The score is how far both lie above those of training data, in standard
deviations.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from contractive.commands.opening import (
    Opened,
    beside_of,
    beside_schema,
    check_pictures,
    open_data,
    open_run,
    own_splits,
    tracked,
)
from contractive.commands.options import Parser
from contractive.runs.files import unfinished, write_atomically
from contractive.runs.trained import SCORES

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor

    from contractive.data.rows import Rows
    from contractive.diagnostics.outliers import Reference

SHOWN = 64  # in a picture
FIGURES = ("reconstruction", "penalty", "reconstruction_percentile", "penalty_percentile", "score")


def main() -> None:
    """Score the examples that the command line names."""
    parser = Parser("outliers", __doc__)
    parser.takes_run()
    parser.takes_data()
    parser.takes_output((".parquet", ".csv", ".png"), "a table; or .png: the worst as a picture, with scores")
    parser.add_argument("-n", type=int, help=f"the worst so many alone ({SHOWN} in a picture, else all)")
    arguments = parser.parse()
    opened = open_run(arguments.run, arguments.device, "outliers")
    rows = open_data(arguments.data, arguments.root, opened)
    path, drawn = arguments.output, arguments.output.suffix.lower() == ".png"
    if drawn:
        check_pictures(opened, path)
    most = (SHOWN if drawn else None) if arguments.n is None else max(1, arguments.n)
    table, pictures, count = scored(opened, rows, reference_of(opened), most, drawn)
    if drawn:
        _draw(opened, table, pictures, path)
        what = "each above its reconstruction"
    else:
        _write(table, path)
        what = ", ".join(table.column_names)
    print(f"Written to {path}: the worst {len(table)} of {count} examples, {what}")


def reference_of(opened: Opened) -> "Reference":
    """What both figures are on training data: kept beside the checkpoint, or else computed from them again.

    Raises:
        ValueError, FileNotFoundError: if neither can be had.
    """
    from contractive.diagnostics.outliers import Reference

    path = opened.run.directory and opened.run.directory / SCORES
    if path is not None and path.is_file():
        kept = json.loads(path.read_text())
        if kept.get("step") == opened.checkpoint.get("global_step"):
            return Reference.of_plain(kept)
    return Reference.of_part(opened.model, own_splits(opened)["train"], seed=0)


def scored(
    opened: Opened, rows: "Rows", reference: "Reference", most: int | None, drawn: bool
) -> "tuple[pa.Table, Tensor, int]":
    """The worst examples in a table, the worst first, themselves if they are drawn, and how many were scored.

    In memory are a line for each example, or for the ``most`` alone.
    """
    import pyarrow as pa
    import torch

    from contractive.diagnostics.outliers import reconstruction_and_penalty

    beside = beside_schema(rows)
    schema = pa.schema([*beside, *((name, pa.float64()) for name in FIGURES)])
    if taken := sorted(set(FIGURES) & set(beside.names)):
        raise ValueError(f"column {taken[0]!r} of the data has the name of what is written: rename it")
    tables, pictures, count = [schema.empty_table()], torch.empty(0), 0
    for piece in tracked(rows, "Scoring"):
        both = torch.cat([reconstruction_and_penalty(opened.model, some) for some in piece.x.split(256)])
        figures = torch.cat([both, reference.percentiles(both), reference.scores(both)[:, None]], 1)
        columns = [*beside_of(piece, beside).columns, *map(pa.array, figures.numpy().T.copy())]
        tables.append(pa.Table.from_batches([pa.record_batch(columns, schema=schema)]))
        count += len(piece)
        if most is not None:
            table, order = _sorted(tables, most)
            tables = [table]
            if drawn:
                pictures = torch.cat([pictures, piece.x])[order] if count > len(piece) else piece.x[order]
    return _sorted(tables, most)[0], pictures, count


def _sorted(tables: "list[pa.Table]", most: int | None) -> "tuple[pa.Table, Tensor]":
    import pyarrow as pa
    import pyarrow.compute
    import torch

    table = pa.concat_tables(tables)
    order = pa.compute.sort_indices(table, [("score", "descending")])[:most]
    return table.take(order), torch.from_numpy(order.to_numpy().astype("int64"))


def _write(table: "pa.Table", path: Path) -> None:
    import pyarrow.csv
    import pyarrow.parquet

    with unfinished(path) as file:
        if path.suffix.lower() == ".csv":
            pyarrow.csv.write_csv(table, file)
        else:
            pyarrow.parquet.write_table(table, file)


def _draw(opened: Opened, table: "pa.Table", x: "Tensor", path: Path) -> None:
    import torch

    from contractive.diagnostics.figures import figure_pixels, named_pictures
    from contractive.diagnostics.grids import png
    from contractive.nn.scaling import to_float

    with torch.inference_mode():
        x, back = to_float(x), opened.model(x).cpu()
    pairs = torch.cat([x, torch.ones_like(x[:, :, :1]), back], 2)  # a white line between them
    names = [f"{name}\n{score:.1f}" for name, score in zip(table[0].to_pylist(), table["score"].to_pylist())]
    pixels = torch.from_numpy(figure_pixels(named_pictures(pairs, names)))
    write_atomically(path, png(pixels.movedim(2, 0) / 255))
