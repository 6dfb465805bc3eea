"""Reading checkpoints: plain data only, and one clear line when that is not what the file holds."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from contractive.nn.autoencoder import Autoencoder
from contractive.nn.settings import Network
from contractive.settings import names


def load_autoencoder(path: str | Path, map_location: Any = "cpu") -> Autoencoder:
    """The network that a run saved, with its weights and scaling, in evaluation mode, without what trains it.

    Args:
        path: a run's ``checkpoints/best.ckpt`` or ``last.ckpt``.
        map_location: the device to load to.

    Raises:
        FileNotFoundError, ValueError: as :func:`read_checkpoint`.
    """
    checkpoint = read_checkpoint(path, map_location)
    saved = checkpoint["hyper_parameters"]
    wanted = ("input_shape", "scaled", *names(Network))
    model = Autoencoder(**{name: saved[name] for name in wanted if name in saved})
    restore(model, checkpoint)
    return model.to(map_location).eval()


def restore(model: Autoencoder, checkpoint: Mapping[str, Any]) -> None:
    """Give a model the weights of a checkpoint, and what it has to know of its data: columns and range."""
    model.load_state_dict(checkpoint["state_dict"])
    data = checkpoint.get("data", {})
    model.columns = data.get("columns")
    if {"low", "high"} <= data.keys():
        model.trained_range = data["low"], data["high"]


def read_checkpoint(path: str | Path, map_location: Any = "cpu") -> dict[str, Any]:
    """The content of a checkpoint that a run saved, read without running code from it.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is truncated, holds more than plain data, or is no run's checkpoint.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no checkpoint {str(path)!r}: name a run's checkpoints/last.ckpt or best.ckpt"
        )
    try:
        checkpoint = torch.load(path, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{str(path)!r} is not a checkpoint, or would run code when loaded:"
            " only plain tensors and numbers are read"
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        raise ValueError(f"{str(path)!r} is truncated or not a checkpoint") from error
    wanted = {"state_dict", "hyper_parameters"}
    if not isinstance(checkpoint, dict) or not wanted <= checkpoint.keys():
        kind = "a checkpoint of a contractive autoencoder"
        raise ValueError(f"{str(path)!r} is not {kind}: it lacks {sorted(wanted)}")
    return checkpoint
