"""What conf/ refers to as ``/schema/…``: names, types and defaults, from the dataclasses that own them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf

from contractive.data.settings import SOURCES
from contractive.penalties.settings import METHODS, Hessian
from contractive.settings import Settings, choices, chosen
from contractive.training.settings import (
    Corruption,
    Head,
    Model,
    Optimizer,
    Probe,
    Scheduler,
    TopLevel,
    Trainer,
)

PACKAGED = Path(__file__).parents[1] / "conf"
#: In the package where that is installed, above ``src`` in a checkout.
CONFIG_DIR = PACKAGED if PACKAGED.is_dir() else Path(__file__).parents[3] / "conf"

#: The class that owns the settings of a place in the configuration, or of a choice that is made there.
SCHEMAS: dict[str, type[Settings]] = {
    "run": TopLevel,
    "model": Model,
    "model/hessian": Hessian,
    "model/corruption": Corruption,
    "optimizer": Optimizer,
    "scheduler": Scheduler,
    "trainer": Trainer,
    "probe": Probe,
    "head": Head,
    **{f"model/penalty/{name}": chosen(METHODS, name) for name in choices(METHODS)},
    **{f"data/{name}": chosen(SOURCES, name) for name in choices(SOURCES)},
}


def register() -> None:
    """Put the schemas into Hydra's store.

    ``/schema/open`` takes any key: what a class that ``_target_`` names takes is its own to decide.
    """
    store = ConfigStore.instance()
    for path, cls in SCHEMAS.items():
        group, _, name = f"schema/{path}".rpartition("/")
        # Typed values in a plain container: a choice's file adds its own name to them.
        typed, node = OmegaConf.structured(cls), OmegaConf.create({})
        for setting in typed:
            node[setting] = typed._get_node(setting)
        store.store(group=group, name=name, node=node)
    store.store(group="schema", name="open", node=DictConfig({}, flags={"struct": False}))


def schema_of(key: str, node: Mapping[str, Any]) -> type[Settings] | None:
    """The class that owns the settings of ``node``, which stands at ``key`` of a configuration."""
    path = key.replace(".", "/") or "run"
    choice = node.get("method") or node.get("source")
    return SCHEMAS.get(path) or SCHEMAS.get(f"{path}/{choice}")
