"""``.hydra/``: the settings of a run, as composed and as typed, and those that changed since."""

import json
from collections.abc import Collection, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from contractive.data.settings import SOURCES
from contractive.penalties.settings import METHODS, Hessian
from contractive.runs.directory import LAST, OVERRIDES, SETTINGS
from contractive.runs.files import write_atomically
from contractive.runs.reading import changes, flat, is_used, matters
from contractive.settings import Settings, choices, chosen, default, names
from contractive.training.settings import Head, Model, Optimizer, Probe, Scheduler, TopLevel, Trainer

# How a run came about, who watches it: nothing that its figures depend on.
NOT_COMPARED = ("resume", "ckpt_path", "callbacks", "logger", "hydra")

# What is chosen by name and has settings of its own.
CHOICES = {"model.penalty.method": "auto", "data.source": "digits"}


def record_settings(
    directory: Path, settings: Mapping[str, Any] | DictConfig | None, complete: Any
) -> list[str]:
    """Write the settings of a run, and Hydra's own part where it composed them.

    Hydra's way of writing them is switched off: it would overwrite those of a run that is under way, or that
    turns out not to go on with what is given now.

    Args:
        directory: the run's.
        settings: as they were given.
        complete: with defaults for what was not given.

    Returns:
        The names of those that were typed or given.
    """
    if isinstance(settings, DictConfig) and HydraConfig.initialized():
        job = HydraConfig.get()
        # That a run went on is no setting of it: made anew from these it is the same run.
        typed = [override for override in job.overrides.task if not override.startswith("resume=")]
        text = OmegaConf.to_yaml(OmegaConf.masked_copy(settings, [str(k) for k in settings if k != "resume"]))
        write_atomically(directory / ".hydra" / "hydra.yaml", OmegaConf.to_yaml({"hydra": job}))
    else:
        told = {} if isinstance(settings, DictConfig) else flat(settings or {})
        typed = [f"{name}={value}" for name, value in told.items() if name != "resume"]
        plain = json.loads(json.dumps(complete, default=str))
        text = yaml.safe_dump({k: v for k, v in plain.items() if k != "resume"}, sort_keys=False)
    write_atomically(directory / OVERRIDES, yaml.safe_dump(typed, allow_unicode=True))
    write_atomically(directory / SETTINGS, text)
    return [override.lstrip("+~").partition("=")[0] for override in typed]


def load_settings(run: Path) -> DictConfig:
    """The settings that a run recorded, as they were composed.

    Raises:
        ValueError: if the record is damaged.
        OSError: if there is none, or it cannot be read.
    """
    try:
        config = OmegaConf.load(run / SETTINGS)
        comparable(config)
    except (yaml.YAMLError, OmegaConfBaseException, ValueError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{str(run / SETTINGS)!r} is damaged: {reason}") from error
    assert isinstance(config, DictConfig)
    return config


def comparable(settings: Any) -> dict[str, Any]:
    """Settings by their dotted names, without what the figures of a run do not depend on.

    Args:
        settings: as composed, or in plain containers; what they lack has its default.
    """
    config = settings if isinstance(settings, DictConfig) else OmegaConf.create(dict(settings))
    ours = OmegaConf.masked_copy(config, [str(key) for key in config if key not in NOT_COMPARED])
    given = flat(OmegaConf.to_container(ours, resolve=True))  # type: ignore[arg-type]
    choice = CHOICES | given
    owners: dict[str, tuple[str, Any]] = {
        "model.penalty.": (METHODS, choice["model.penalty.method"]),
        "data.": (SOURCES, choice["data.source"]),
    }
    classes: dict[str, type[Settings]] = {
        **{"": TopLevel, "model.": Model, "model.hessian.": Hessian},
        **{"optimizer.": Optimizer, "scheduler.": Scheduler, "trainer.": Trainer, "probe.": Probe},
        "head.": Head,
        **{prefix: chosen(*owner) for prefix, owner in owners.items() if owner[1] in choices(owner[0])},
    }
    known = {prefix + spec.name: default(spec) for prefix, cls in classes.items() for spec in fields(cls)}
    return CHOICES | {name: value for name, value in flat(known).items() if name not in NOT_COMPARED} | given


def compared_settings(given: Mapping[str, Any], told: Collection[str]) -> dict[str, Any]:
    """What the HParams tab compares runs by: ``lam``, what was asked for, and what is not at its default.

    Of a head it is its own ``lam``, and nothing that it does not use is compared.

    A column that says the same of all runs would push the figures off the screen.

    Args:
        given: all settings of a run, in plain containers.
        told: the names of those that were typed or given.
    """
    settled = comparable(given)
    source, penalty = given["data"]["source"], {"method": given["model"]["penalty"].get("method", "auto")}
    defaults = comparable({"data": {"source": source}, "model": {"penalty": penalty}}) | CHOICES
    return {
        name: value
        for name, value in settled.items()
        if is_used(name, settled)
        and (
            name == ("head.lam" if settled.get("head.enabled") else "model.lam")
            or (matters(name) and (name in told or defaults.get(name, ...) != value))
        )
    }


def changed_settings(path: Path, hyper_parameters: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """What differs between the run that saved a checkpoint and a run that goes on from it, one line for each.

    Args:
        path: the checkpoint; what its run recorded is compared, if that is still there.
        hyper_parameters: of the checkpoint, compared otherwise.
        given: the settings of the run that goes on.
    """
    run = path.absolute().parent.parent
    if path.absolute().parent == (run / LAST).parent and (run / SETTINGS).is_file():
        return changes(comparable(load_settings(run)), comparable(given))
    groups = ("optimizer", "scheduler")
    model = {name: hyper_parameters[name] for name in names(Model) if name in hyper_parameters}
    saved = {"model": model} | {name: hyper_parameters.get(name) or {} for name in groups}
    return changes(
        comparable(saved), comparable({name: given.get(name) or {} for name in ("model", *groups)})
    )
