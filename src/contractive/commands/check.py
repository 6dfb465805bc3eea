"""The composed configuration, checked before anything heavy is imported."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contractive.data.settings import source_settings
from contractive.settings import names, prefixed
from contractive.training.settings import Model, Optimizer, Run, Trainer


def check_config(config: Mapping[str, Any]) -> None:
    """Check a configuration (plain containers), as ``train.py`` composes it.

    Raises:
        ValueError: if a setting is not what it may be; the message names its full key.
        FileNotFoundError: if a file that it names is not there.
    """
    with prefixed("model."):
        Model.of(config["model"])
    with prefixed("optimizer."):
        Optimizer.of(config["optimizer"])
    with prefixed("data."):
        source_settings(**config["data"])
    with prefixed("trainer."):
        Trainer.of(config["trainer"])
    run = Run.of({name: config[name] for name in names(Run)})
    if run.ckpt_path is not None and not Path(str(run.ckpt_path)).is_file():
        raise FileNotFoundError(
            f"ckpt_path: there is no file {run.ckpt_path!r}: name a run's checkpoints/last.ckpt"
        )
