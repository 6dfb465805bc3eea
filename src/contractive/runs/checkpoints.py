"""Reading checkpoints: plain data only, and one clear line when that is not what the file holds."""

import pickle
from pathlib import Path
from typing import Any

import torch


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
        raise ValueError(
            f"{str(path)!r} is not a checkpoint of a contractive autoencoder: it lacks {sorted(wanted)}"
        )
    return checkpoint
