"""Write what the autoencoder makes of examples, in their own units."""

import math
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from contractive.commands.opening import (
    Opened,
    check_pictures,
    first_examples,
    open_data,
    open_run,
    tracked,
)
from contractive.commands.options import Parser
from contractive.commands.writing import write_rows
from contractive.runs.files import write_atomically

if TYPE_CHECKING:
    from contractive.data.rows import Rows

FILES = (".npy", ".npz", ".parquet", ".csv")


def main() -> None:
    """Reconstruct the examples that the command line names."""
    parser = Parser("reconstruct", __doc__)
    parser.takes_run()
    parser.takes_data()
    parser.takes_output(
        (*FILES, ".png", ""),
        "an array .npy or .npz, a table .parquet or .csv, a folder of pictures (no suffix), or one picture"
        " .png of examples above their reconstructions",
    )
    parser.add_argument("-n", type=int, default=32, help="how many examples such a picture shows (32)")
    arguments = parser.parse()
    # Here, not above: --help does not wait for torch.
    import torch

    opened = open_run(arguments.run, arguments.device, "reconstruct")
    rows = open_data(arguments.data, arguments.root, opened)
    suffix, path = arguments.output.suffix.lower(), arguments.output
    with torch.inference_mode():
        if suffix in FILES:
            said = _write_rows(opened, rows, path)
        elif suffix:
            said = _write_pairs(opened, rows, path, arguments.n)
        else:
            said = _write_pictures(opened, rows, path)
    print(f"Written to {path}: {said}")


def _write_rows(opened: Opened, rows: "Rows", path: Path) -> str:
    model = opened.model
    columns = model.columns or [f"x{i}" for i in range(math.prod(model.input_shape))]
    count, _ = write_rows(
        path,
        rows,
        columns,
        lambda piece: model.reconstruct(piece.x).cpu().numpy(),
        doing="Reconstructing",
    )
    return f"{count} rows, reconstructions of shape {model.input_shape}"


def _write_pairs(opened: Opened, rows: "Rows", path: Path, n: int) -> str:
    from contractive.diagnostics.grids import png, reconstruction_grid
    from contractive.nn.scaling import to_float

    check_pictures(opened, path)
    x = first_examples(rows, n)
    write_atomically(path, png(reconstruction_grid(to_float(x), opened.model(x).cpu())))
    return f"{len(x)} examples above their reconstructions"


def _write_pictures(opened: Opened, rows: "Rows", path: Path) -> str:
    from contractive.diagnostics.grids import png

    check_pictures(opened, path)
    folder, count = path.with_name(f".{path.name}.tmp"), 0
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(parents=True)
        for piece in tracked(rows, "Reconstructing"):
            names = piece.beside.to_pydict().get("file") or [f"{row:07}" for row in piece.rows.tolist()]
            for name, picture in zip(names, opened.model(piece.x)):
                file = folder / Path(name).with_suffix(".png")
                if file.exists():
                    raise ValueError(f"{path}: two pictures are called {name} but for the suffix: rename one")
                write_atomically(file, png(picture))
                count += 1
        if path.exists():  # which --force allows
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        folder.replace(path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return f"{count} pictures"
