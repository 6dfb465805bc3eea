"""What a run finds where it goes on: a checkpoint, the best epoch so far, whether there is anything to do."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from contractive.nn.settings import Network
from contractive.runs.checkpoints import check_shapes, read_checkpoint
from contractive.runs.directory import FOLDER, is_first_process
from contractive.runs.files import write_atomically
from contractive.settings import names
from contractive.training.callbacks.checkpoints import BEGINNING
from contractive.training.checkpoint_io import pending
from contractive.training.module import ContractiveAutoencoder, settings_of
from contractive.training.restoring import how_far

log = logging.getLogger(__name__)

OBJECTIVE = ("lam", "lam_hessian", "reconstruction", "head")  # losses compare only where it is the same


@dataclass(frozen=True)
class Resumed:
    """Where a run goes on.

    Args:
        checkpoint: what it goes on from.
        epochs: how many it has completed.
        progress: what :class:`Checkpoints` goes on from; ``best`` only if it is still there.
        trained: whether nothing is left to do but to look at the best epoch.
    """

    checkpoint: dict[str, Any]
    epochs: int
    progress: dict[str, Any]
    trained: bool


def take_up(path: Path, model: ContractiveAutoencoder, max_epochs: int, directory: Path) -> Resumed:
    """Read the checkpoint to go on from, and bring the best epoch so far to the run's own directory.

    Raises:
        FileNotFoundError: if there is no such checkpoint.
        ValueError: if it or the one of the best epoch is damaged, if it is of another model, or if it has
            been trained for long enough.
    """
    checkpoint = read_checkpoint(path)
    saved = settings_of(checkpoint, path, type(model))
    _check_same_network(path, checkpoint["state_dict"], saved, model)
    epochs, progress = how_far(checkpoint, path)
    finished = (path.absolute().parents[1] / "metrics.json").is_file()
    if epochs > max_epochs or (epochs == max_epochs and finished):
        said = f"{str(path)!r} has been trained for {epochs} epochs, and there is nothing left to do"
        raise ValueError(f"ckpt_path: {said}: ask for more than trainer.max_epochs={max_epochs}")
    trained = epochs == max_epochs or (progress["stopped"] and not finished)
    if trained and epochs < max_epochs:
        log.warning(
            "Training was stopped early, after epoch %d: only its best epoch is looked at now", epochs
        )
    folder = directory / FOLDER
    elsewhere = path.parent.resolve() != folder.resolve()
    if elsewhere:
        begin_anew(directory)
    if any(saved.get(name) != model.hparams.get(name) for name in OBJECTIVE):
        if progress["best"] is not None:
            log.warning("The best epoch so far does not count: its objective was another")
        progress = dict(BEGINNING)
    progress["best"] = progress["best"] and _bring_best(path, progress["best"], folder)
    if is_first_process():
        pending(folder / "best.ckpt").unlink(missing_ok=True)
    if is_first_process() and elsewhere and trained:
        write_atomically(folder / "last.ckpt", path.read_bytes())
    return Resumed(checkpoint, epochs, progress, trained)


def begin_anew(directory: Path) -> None:
    """Remove what an earlier run left in the directory: nobody is to take it for that of the new one."""
    if not is_first_process():
        return
    best, last = directory / FOLDER / "best.ckpt", directory / FOLDER / "last.ckpt"
    for stale in (last, best, pending(best), directory / "metrics.json"):
        stale.unlink(missing_ok=True)


def _check_same_network(
    path: Path, weights: Mapping[str, Tensor], saved: Mapping[str, Any], model: ContractiveAutoencoder
) -> None:
    configured = model.hparams
    network = ("input_shape", "scaled", *names(Network))
    differences = ", ".join(
        f"{n}={saved[n]} (here {configured[n]})" for n in network if saved[n] != configured[n]
    )
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    if differences and shapes != {name: tensor.shape for name, tensor in weights.items()}:
        raise ValueError(f"ckpt_path: the checkpoint {str(path)!r} is of another model: {differences}")
    check_shapes(model, weights, path)


def _bring_best(path: Path, named: dict[str, Any], folder: Path) -> dict[str, Any] | None:
    """Put the best checkpoint that the one to resume from names into ``folder``; ``None`` if it is gone.

    Where the process was killed at the wrong moment it still lies beside its place.
    """
    beside, target = path.parent / "best.ckpt", folder / "best.ckpt"
    for candidate in (beside, pending(beside)):
        if _is_best(candidate, named):
            if is_first_process() and candidate.resolve() != target.resolve():
                write_atomically(target, candidate.read_bytes())
            return named
    said = "Epoch %d was the best so far, but %s is not of it: the best of those to come is kept"
    log.warning(said, named["epoch"], beside)
    return None


def _is_best(path: Path, named: Mapping[str, Any]) -> bool:
    if not path.is_file():
        return False
    try:
        return how_far(read_checkpoint(path), path)[1]["best"] == named
    except ValueError as error:
        raise ValueError(f"{error}; remove it to go on without the best epoch so far") from None
