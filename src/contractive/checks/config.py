"""The composed configuration, checked before anything heavy is imported."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contractive.checks.data import check_data
from contractive.checks.model import check_model
from contractive.checks.optimizer import check_optimizer
from contractive.checks.values import check_choice, check_integer, prefixed

METRICS = tuple(
    f"{stage}/{term}" for stage in ("val", "test") for term in ("loss", "reconstruction", "penalty")
)


def check_config(config: Mapping[str, Any]) -> None:
    """Check a configuration (plain containers), as ``train.py`` composes it.

    Raises:
        ValueError: if a setting is not what it may be; the message names its full key.
        FileNotFoundError: if a file that it names is not there.
    """
    with prefixed("model."):
        check_model(**config["model"])
    with prefixed("optimizer."):
        check_optimizer(config["optimizer"])
    with prefixed("data."):
        check_data(**config["data"])
    with prefixed("trainer."):
        _check_trainer(config["trainer"])
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
