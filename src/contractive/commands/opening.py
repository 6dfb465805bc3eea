"""A trained run and the data that a command is to look at, opened."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contractive.runs.trained import Trained, find_trained
from contractive.settings import prefixed

if TYPE_CHECKING:
    import pyarrow as pa
    import torch
    from torch import Tensor

    from contractive.data.description import Description
    from contractive.data.rows import Piece, Rows
    from contractive.nn.autoencoder import Autoencoder
    from contractive.training.classifier import Classifier

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Opened:
    """A trained run with its model, in evaluation mode, and what its data were."""

    run: Trained
    checkpoint: dict[str, Any]
    model: "Autoencoder"
    description: "Description"


def open_run(name: Path, device: str, decoding: str = "") -> Opened:
    """Load the run of a name.

    Args:
        name: a directory or a checkpoint.
        device: to load to.
        decoding: the command, if it needs a decoder that fits the encoder.

    Raises:
        FileNotFoundError, ValueError: if there is none, or it cannot be loaded.
    """
    from contractive.runs.checkpoints import check_autoencoder, load_autoencoder, read_checkpoint

    run, device = find_trained(name), chosen_device(device)
    checkpoint = read_checkpoint(run.checkpoint)
    if decoding:
        with prefixed(f"{decoding}: "):
            check_autoencoder(checkpoint, name)
    model = load_autoencoder(run.checkpoint, device)
    return Opened(run, checkpoint, model, _description(checkpoint, model, name))


def open_classifier(name: Path, device: str) -> "tuple[Opened, Classifier]":
    """Load the run of a name, which has a head, and that by itself.

    Raises:
        FileNotFoundError, ValueError: if there is none, it cannot be loaded, or is an autoencoder.
    """
    from contractive.runs.checkpoints import read_checkpoint
    from contractive.training.classifier import Classifier

    run, device = find_trained(name), chosen_device(device)
    model = Classifier.load_from_checkpoint(run.checkpoint, device)
    checkpoint = read_checkpoint(run.checkpoint)
    return Opened(run, checkpoint, model, _description(checkpoint, model, name)), model


def tells_classes(name: Path) -> bool:
    """Whether the run of a name has a head.

    Raises:
        FileNotFoundError, ValueError: if there is none, or it cannot be read.
    """
    from contractive.runs.checkpoints import is_classifier, read_checkpoint

    return is_classifier(read_checkpoint(find_trained(name).checkpoint))


def _description(checkpoint: dict[str, Any], model: "Autoencoder", name: Path) -> "Description":
    from contractive.data.description import Description

    known = checkpoint.get("data")
    if known is None:
        log.warning(
            "%s does not say what its data were: they are taken in the units in which they come", name
        )
        known = {
            "source": "in_memory",
            "shape": list(model.input_shape),
            "is_bytes": False,
            "low": 0.0,
            "high": 1.0,
        }
    return Description.of(known)


def open_data(name: str | None, root: str | None, opened: Opened, own: str = "test") -> "Rows":
    """Open the examples that ``DATA`` names: a file or folder, a data set, or else a split of the run's own.

    Raises:
        OSError, ValueError: if they are not there, or not such as the model was trained on.
    """
    from contractive.data.named import named_rows, named_sources, part_rows, piece_size
    from contractive.data.rows import open_rows

    if name is None:
        return part_rows({own: own_splits(opened)[own]}, opened.run.checkpoint, opened.description)
    if name in named_sources():
        return named_rows(name, root, opened.description)
    if root is not None:
        raise ValueError(
            f"--root: only data sets with names have one ({', '.join(named_sources())}); got {name}"
        )
    rows = open_rows(Path(name), opened.description, piece_size(opened.description.shape))
    if rows.surplus:
        log.warning("%s: the model was trained without %s: passed on", name, ", ".join(rows.surplus))
    return rows


def own_settings(run: Trained) -> dict[str, Any]:
    """The settings of a run, those of its data among them.

    Raises:
        ValueError: if it did not leave any.
    """
    settings = run.settings()
    if "data" not in settings:
        raise ValueError(f"{run.checkpoint}: no .hydra/config.yaml says what its data were: name DATA")
    return settings


def own_splits(opened: Opened) -> Any:
    """The splits of the run's own data, read again.

    Raises:
        ValueError, FileNotFoundError: if the run does not say where they are, or they are not there.
    """
    from contractive.runs.codes import opened_source

    settings = own_settings(opened.run)
    with data_of(opened.run):
        source = opened_source(**settings["data"])
        source.fetch()
        return source.parts(settings["seed"])


@contextmanager
def data_of(run: Trained) -> Iterator[None]:
    """Say of data of a run that are not there where they were."""
    try:
        yield
    except FileNotFoundError as error:
        cwd = run.settings("hydra").get("hydra", {}).get("runtime", {}).get("cwd")
        hint = f"; the run was made in {cwd}: go there, or name DATA" if cwd else ": name DATA"
        raise FileNotFoundError(f"data.{error}{hint}") from None


def beside_schema(rows: "Rows") -> "pa.Schema":
    """What stands beside the results of an example: its file or the number of its row first."""
    import pyarrow as pa

    return rows.beside if "file" in rows.beside.names else rows.beside.insert(0, pa.field("row", pa.int64()))


def beside_of(piece: "Piece", schema: "pa.Schema") -> "pa.RecordBatch":
    """The rows of a piece that stand beside results, as :func:`beside_schema` names them."""
    import pyarrow as pa

    own = [] if "file" in piece.beside.schema.names else [pa.array(piece.rows.numpy())]
    return pa.record_batch([*own, *piece.beside.columns], schema=schema)


def chosen_device(name: str) -> str:
    """The device of a name; of ``auto`` a GPU if there is one.

    Raises:
        ValueError: if there is no such device.
    """
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(
            f"--device {name}: cannot be used ({str(error).splitlines()[0]}): leave it out"
        ) from None
    return name


def check_pictures(opened: Opened, path: Path) -> None:
    """Raise ``ValueError`` unless examples are pictures, of which others can be drawn."""
    shape = opened.model.input_shape
    if len(shape) != 3 or shape[0] not in (1, 3):
        raise ValueError(
            f"-o {path}: only pictures can be drawn, and an example is {shape}: write a table or an array"
        )


def first_examples(rows: "Rows", n: int) -> "Tensor":
    """The first ``n`` examples, or all if there are fewer."""
    import torch

    found: list[Any] = []
    for piece in rows.pieces():
        found.append(piece.x)
        if sum(map(len, found)) >= n:
            break
    return torch.cat(found)[:n]


def drawn_examples(rows: "Rows", n: int, generator: "torch.Generator") -> "Tensor":
    """``n`` examples drawn at random, or all if there are fewer; of all others only a piece is in memory."""
    import torch

    x, keys = torch.empty(0), torch.empty(0)
    for piece in rows.pieces():
        keys = torch.cat([keys, torch.rand(len(piece), generator=generator)])
        kept = keys.argsort()[:n]
        x, keys = (torch.cat([x, piece.x]) if len(x) else piece.x)[kept], keys[kept]
    return x


def tracked(rows: "Rows", what: str) -> "Iterator[Piece]":
    """The pieces of rows, with a progress bar on a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(what, total=rows.count)
        for piece in rows.pieces():
            yield piece
            progress.advance(task, len(piece))
