"""The composed configuration, checked before anything heavy is imported."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from contractive.commands.explain import unknown_key
from contractive.data.settings import source_settings
from contractive.runs.directory import LAST
from contractive.settings import names, prefixed
from contractive.training.settings import Head, Model, Optimizer, Probe, Scheduler, TopLevel, Trainer

BUILT = ("callbacks", "logger")  # from their _target_: a class decides what it takes
SECTIONS = {
    "model": Model.of,
    "data": lambda given: source_settings(**given),
    "optimizer": Optimizer.of,
    "scheduler": lambda given: given and Scheduler.of(given),
    "trainer": Trainer.of,
    "probe": Probe.of,
    "head": Head.of,
}


def plain(config: DictConfig) -> dict[str, Any]:
    """The configuration of a job in plain containers, without Hydra's own part."""
    built = {name: config[name] for name in BUILT if name in config}
    settings = OmegaConf.masked_copy(config, [str(key) for key in config if key not in ("hydra", *BUILT)])
    resolved: Any = OmegaConf.to_container(settings, resolve=True)
    # What is built may refer to the run's directory, which is not known yet.
    return resolved | built


def check_config(config: Mapping[str, Any]) -> None:
    """Check a configuration (plain containers), as ``train.py`` composes it.

    Raises:
        ValueError: if a setting is not what it may be; the message names its full key.
        FileNotFoundError: if a file that it names is not there.
    """
    for name in config:
        if name not in (*SECTIONS, *BUILT, *names(TopLevel)):
            raise ValueError(unknown_key(name))
    for name, build in SECTIONS.items():
        with prefixed(f"{name}."):
            build(config.get(name) or {})
    for group in BUILT:
        for name, node in (config.get(group) or {}).items():
            if node is not None and "_target_" not in node:
                known = ", ".join(config[group])
                raise ValueError(f"{group}.{name} names no class: +{group}.{name}._target_=… ({known})")
    run = TopLevel.of({name: config[name] for name in names(TopLevel) if name in config})
    for name in ("ckpt_path", "resume"):
        path = getattr(run, name)
        if path is not None and not Path(str(path)).is_file():
            raise FileNotFoundError(f"{name}: there is no file {path!r}: name a run's {LAST}")
