"""What a model makes of each example, written with what stands beside it, a piece at a time."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from contractive.commands.opening import beside_of, beside_schema, tracked

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from contractive.data.rows import Piece, Rows

    Derived = Mapping[str, tuple[pa.DataType, Callable[[np.ndarray], pa.Array]]]


def write_rows(
    path: Path,
    rows: "Rows",
    columns: Sequence[str],
    compute: "Callable[[Piece], np.ndarray]",
    *,
    doing: str,
    archived: str = "x",
    derived: "Derived | None" = None,
) -> tuple[int, list[str]]:
    """Write what ``compute`` gives of the examples, as :func:`contractive.runs.outputs.rows_file` does.

    Args:
        path: the suffix says what is written.
        rows: the examples.
        columns: names of the values of an example, in a table.
        compute: gives the values ``(n, …)`` of a piece.
        doing: what the progress bar says.
        archived: the name of the values in an archive.
        derived: further columns, by their names: their type, and how they follow from the values.

    Returns:
        How many rows were written, and what stands beside the values.
    """
    import pyarrow as pa

    from contractive.runs.outputs import rows_file

    beside, derived, count = beside_schema(rows), derived or {}, 0
    schema = pa.schema([*beside, *((name, kind) for name, (kind, _) in derived.items())])
    with rows_file(path, list(columns), schema, archived) as add:
        for piece in tracked(rows, doing):
            values = compute(piece)
            further = [column(values) for _, column in derived.values()]
            add(values, pa.record_batch([*beside_of(piece, beside).columns, *further], schema=schema))
            count += len(piece)
    return count, [] if path.suffix.lower() == ".npy" else schema.names
