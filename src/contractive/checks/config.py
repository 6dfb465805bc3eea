"""The composed configuration, checked before anything heavy is imported."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from contractive.checks.data import check_data
from contractive.checks.model import check_model
from contractive.checks.optimizer import check_optimizer
from contractive.checks.penalty import check_penalty
from contractive.checks.values import check_choice, check_integer

METRICS = tuple(
    f"{stage}/{term}" for stage in ("val", "test") for term in ("loss", "reconstruction", "penalty")
)


def check_config(config: Mapping[str, Any]) -> None:
    """Check a configuration (plain containers), as ``train.py`` composes it.

    Raises:
        ValueError: if a setting is not what it may be; the message names its full key.
        FileNotFoundError: if a file that it names is not there.
    """
    model = dict(config["model"])
    penalty = model.pop("penalty")
    _check("model.penalty.", lambda: check_penalty(**penalty))
    _check("model.", lambda: check_model(**model))
    _check("optimizer.", lambda: check_optimizer(config["optimizer"]))
    _check("data.", lambda: check_data(**config["data"]))
    _check("trainer.", lambda: _check_trainer(config["trainer"]))
    check_integer("seed", config["seed"], low=0)
    check_choice("optimized_metric", config["optimized_metric"], METRICS)
    checkpoint = config["ckpt_path"]
    if checkpoint is not None and not Path(str(checkpoint)).is_file():
        raise FileNotFoundError(
            f"ckpt_path: there is no file {str(checkpoint)!r}: name a run's checkpoints/last.ckpt"
        )


def _check_trainer(trainer: Mapping[str, Any]) -> None:
    check_integer("max_epochs", trainer["max_epochs"], low=1)
    check_integer("log_every_n_steps", trainer["log_every_n_steps"], low=1)
    check_integer("check_val_every_n_epoch", trainer["check_val_every_n_epoch"], low=1)


def _check(prefix: str, check: Callable[[], None]) -> None:
    """Run a check and put the group in front of the name with which its message starts."""
    try:
        check()
    except (ValueError, FileNotFoundError) as error:
        raise type(error)(f"{prefix}{error}") from None
    except TypeError as error:
        unexpected = re.search(r"unexpected keyword argument '(\w+)'", str(error))
        if unexpected is None:
            raise
        raise ValueError(f"there is no setting {prefix}{unexpected[1]}") from None
