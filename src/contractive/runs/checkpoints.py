"""What a checkpoint of a run holds, and the network it stands for; one clear line where that is not so."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from contractive.data.description import Description
from contractive.nn.autoencoder import Autoencoder
from contractive.nn.settings import INPUTS, Network
from contractive.runs.archive import in_short, read_archive
from contractive.settings import names

# Counts up when what a checkpoint holds changes its meaning.
FORMAT = 1
VERSION = "pytorch-lightning_version"
REMEDY = "take the run's other checkpoint, or train again"

HEAD = ("head.", "pretrained.")  # with which the names of what belongs to one begin
NO_MODEL = "its settings are no model's"

M = TypeVar("M", bound=Autoencoder)


def load_autoencoder(path: str | Path, map_location: Any = "cpu") -> Autoencoder:
    """The network that a run saved, with its weights and scaling, in evaluation mode, without what trains it.

    Args:
        path: a run's ``checkpoints/best.ckpt`` or ``last.ckpt``.
        map_location: the device to load to.

    Raises:
        FileNotFoundError, ValueError: as :func:`read_checkpoint`, or if weights and settings do not agree, or
            what was trained has no encoder.
    """
    checkpoint = read_checkpoint(path)
    saved = checkpoint["hyper_parameters"]
    if is_classifier(checkpoint):  # its head is no part of the autoencoder
        if saved["head"].get("on") == INPUTS:
            raise ValueError(
                f"{str(path)!r} is a classifier on the inputs, without an encoder: name another run"
            )
        weights = checkpoint["state_dict"]
        checkpoint["state_dict"] = {n: weights[n] for n in weights if not n.startswith(HEAD)}
    wanted = ("input_shape", "scaled", *names(Network))
    settings = {name: saved[name] for name in wanted if name in saved}
    return rebuilt(Autoencoder, settings, checkpoint, path).to(map_location)


def is_classifier(checkpoint: Mapping[str, Any]) -> bool:
    """Whether a checkpoint is of an encoder with a head on it."""
    return "head" in checkpoint["hyper_parameters"]


def check_autoencoder(checkpoint: Mapping[str, Any], name: object) -> None:
    """Raise ``ValueError`` if what ``name`` stands for is an encoder with a head on it."""
    if is_classifier(checkpoint):
        raise ValueError(
            f"{str(name)!r} was trained to tell classes, without a decoder: name the run of an autoencoder"
        )


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """The content of a checkpoint that a run saved, in plain containers and on the CPU; runs no code from it.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is damaged, holds more than plain data, or is no checkpoint of this version; in one
            line that names the file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no checkpoint {str(path)!r}: name a run's checkpoints/last.ckpt or best.ckpt"
        )
    checkpoint = read_archive(path)
    wanted = {"state_dict": dict, "hyper_parameters": dict, "epoch": int, "global_step": int, VERSION: str}
    missing = [name for name in wanted if not isinstance(checkpoint, dict) or name not in checkpoint]
    if missing:
        said = f"is not a checkpoint of a contractive autoencoder: it lacks {', '.join(missing)}"
        raise ValueError(f"{str(path)!r} {said}")
    _check_format(checkpoint.get("format"), path)
    for name, kind in wanted.items():
        if type(checkpoint[name]) is not kind or (kind is int and checkpoint[name] < 0):
            raise ValueError(f"{str(path)!r} is damaged: its {name} is {checkpoint[name]!r:.80}: {REMEDY}")
    if not re.fullmatch(r"[2-9]\.\d+\.\d+((\.dev|\.post|a|b|rc)\d+)?", checkpoint[VERSION]):
        raise ValueError(f"{str(path)!r} is of Lightning {checkpoint[VERSION]!r:.80}: {REMEDY}")
    if "data" in checkpoint:
        with refusing(path, "its description of the data is none"):
            Description.of(checkpoint["data"])
    _check_weights(checkpoint["state_dict"], path)
    return checkpoint


def rebuilt(
    build: Callable[..., M], settings: Mapping[str, Any], checkpoint: Mapping[str, Any], path: str | Path
) -> M:
    """A model in evaluation mode that ``build`` makes from ``settings``, as a checkpoint left it.

    It has its weights, and knows of its data what :func:`tell_of_data` says. Shapes are compared before any
    memory is taken for what the settings promise.

    Raises:
        ValueError: if ``build`` does not take the settings, or the weights are those of another model.
    """
    with refusing(path, NO_MODEL), torch.device("meta"):
        model = build(**settings)
    check_shapes(model, checkpoint["state_dict"], path)
    model.load_state_dict(checkpoint["state_dict"], assign=True)
    if "data" in checkpoint:
        tell_of_data(model, Description.of(checkpoint["data"]))
    return model.eval()


def tell_of_data(model: Autoencoder, data: Description) -> None:
    """Let a model know what it has to of the data that it is trained on: columns, range and classes."""
    model.columns, model.trained_range, model.classes = data.columns, (data.low, data.high), data.classes


def check_shapes(model: nn.Module, weights: Mapping[str, Tensor], path: str | Path) -> None:
    """Raise ``ValueError``, naming the first difference, unless names and shapes are those of the model."""
    wanted, found = _described(model.state_dict()), _described(weights)
    for name in (*wanted, *found):
        if wanted.get(name) != found.get(name):
            here, there = (known.get(name, "missing") for known in (found, wanted))
            raise ValueError(
                f"{str(path)!r}: its weights are of another model: {name!r:.80} is {here},"
                f" where the settings promise {there}: {REMEDY}"
            )


@contextmanager
def refusing(path: str | Path, what: str) -> Iterator[None]:
    """Say in one line what of a file cannot be used, whatever is raised by those that it is given to."""
    try:
        yield
    except Exception as error:
        raise ValueError(f"{str(path)!r}: {what}: {in_short(error)}: {REMEDY}") from error


def _check_format(number: Any, path: Path) -> None:
    if type(number) is not int:
        raise ValueError(
            f"{str(path)!r} has no number of its format: it is of an earlier version: train again,"
            " or use the version that wrote it"
        )
    if number != FORMAT:
        newer = "newer: update contractive" if number > FORMAT else "older: train again"
        raise ValueError(
            f"{str(path)!r} has the format {number}, and this version reads {FORMAT}; it is {newer}"
        )


def check_apart(tensors: Mapping[str, Tensor]) -> None:
    """Raise ``ValueError`` if two tensors share memory, so that changing one would change the other."""
    places: dict[int, str] = {}
    for name, tensor in tensors.items():
        first = places.setdefault(tensor.untyped_storage().data_ptr(), name)
        if first != name and tensor.numel():
            raise ValueError(f"{first!r:.80} and {name!r:.80} share their memory")


def _check_weights(weights: Mapping[Any, Any], path: Path) -> None:
    """Weights are finite tensors, one type of floats among them, each in memory of its own."""
    for name, tensor in weights.items():
        if type(name) is not str or not isinstance(tensor, Tensor):
            raise ValueError(f"{str(path)!r}: its weight {name!r:.80} is no tensor: {REMEDY}")
        if not tensor.isfinite().all():
            raise ValueError(f"{str(path)!r}: its weight {name!r:.80} is not finite: {REMEDY}")
    kinds = {tensor.dtype for tensor in weights.values() if tensor.is_floating_point()}
    if len(kinds) != 1:
        said = ", ".join(sorted(map(str, kinds))) or "no floats"
        raise ValueError(f"{str(path)!r}: its weights are {said} instead of one type of floats: {REMEDY}")
    with refusing(path, "its weights are damaged"):
        check_apart(weights)


def _described(weights: Mapping[str, Tensor]) -> dict[str, str]:
    """Shape and kind of number; how many bits a float has is the choice of the run that wrote it."""
    kinds = {n: "floats" if t.is_floating_point() else str(t.dtype) for n, t in weights.items()}
    return {name: f"{kinds[name]} {tuple(tensor.shape)}" for name, tensor in weights.items()}
