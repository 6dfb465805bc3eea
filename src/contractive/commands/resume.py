"""``resume=RUN``: the command line of a run that goes on, from its record and what is typed beside."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from contractive.commands.arguments import literal, understood
from contractive.commands.explain import groups, quoted
from contractive.commands.naming import SWEEP
from contractive.commands.schemas import CONFIG_DIR
from contractive.runs.directory import LAST, OVERRIDES, SETTINGS
from contractive.runs.reading import flat
from contractive.training.recording import load_settings

ABSENT: Any = object()


def arguments_to_resume(path: str, beside: Sequence[str]) -> list[str]:
    """The overrides with which the run of ``path`` goes on.

    They compose what the run recorded, even where the defaults have changed since or the run was made in
    another way, and then what is typed beside it.

    Args:
        path: a run's directory, or a checkpoint in it.
        beside: the overrides that are typed beside it.

    Raises:
        FileNotFoundError: if there is no such run.
        ValueError: if what it recorded is damaged.
    """
    named = Path(path).expanduser().absolute()
    checkpoint = named / LAST if named.is_dir() else named  # a run may have been stopped before its first
    run = checkpoint.parent.parent
    if not (run / SETTINGS).is_file():
        raise FileNotFoundError(_no_run(path, run))
    if checkpoint.name != Path(LAST).name and not checkpoint.is_file():
        raise FileNotFoundError(f"resume: there is no checkpoint {str(checkpoint)!r}")
    replaced = [place for override in beside for place in _places(override)]
    before = [each for each in _overrides(run) if not _within(_key(each).replace("/", "."), replaced)]
    try:
        saved = load_settings(run)
    except ValueError as error:
        raise ValueError(f"resume: {error}") from error
    pins = _differences(saved, before, replaced)
    if pins is None:  # what was typed then does not compose here: it was composed from other files
        before = []
        pins = _differences(saved, before, replaced) or []
    arguments = [*before, *pins, *beside]
    elsewhere = "hydra.run.dir" in replaced
    if checkpoint.is_file():
        arguments.append(f"{'ckpt_path' if elsewhere else 'resume'}={literal(str(checkpoint))}")
    return arguments if elsewhere else [*arguments, f"hydra.run.dir={literal(str(run))}"]


def _differences(saved: DictConfig, before: Sequence[str], replaced: Sequence[str]) -> list[str] | None:
    """What makes ``saved`` of what ``before`` composes, but for what is replaced; None if that is nothing."""
    if not all(map(understood, before)):
        return None
    try:
        with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
            composed = compose("config", overrides=list(before))
    except Exception:
        return None
    # A group that a run made from Python did not have is as on the command line.
    wanted = {str(key): saved[key] for key in saved if saved[key] is not None or not composed.get(key)}
    now, then = _flat(composed), _flat(OmegaConf.create(wanted))
    return [
        f"++{key}={_written(then[key])}" if key in then else f"~{key}"
        for key in dict.fromkeys((*now, *then))
        if key.partition(".")[0] in wanted
        and then.get(key, ABSENT) != now.get(key, ABSENT)
        and not _within(key, [*replaced, "resume"])
    ]


def _flat(config: DictConfig) -> dict[str, Any]:
    return flat(OmegaConf.to_container(config))  # type: ignore[arg-type]


def _places(override: str) -> list[str]:
    """The settings, or groups of them, that an override replaces."""
    key, name = _key(override), override.partition("=")[2]
    file = CONFIG_DIR / key / f"{name}.yaml"
    if key not in groups() or not file.is_file():
        return [key.replace("/", ".")]
    package = re.search(r"^# @package (\S+)", file.read_text(encoding="utf-8"), re.M)
    if package is None:
        return [key.replace("/", ".")]
    place = "" if package[1] == "_global_" else f"{package[1]}."
    return [key, *(place + each for each in _flat(OmegaConf.load(file)) if each != "defaults")]  # type: ignore[arg-type]


def _within(key: str, places: Sequence[str]) -> bool:
    return any(key == place or key.startswith(f"{place}.") for place in places)


def _written(value: Any) -> str:
    """A value in Hydra's grammar."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{name}:{_written(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_written, value)) + "]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)


def _key(override: str) -> str:
    return override.lstrip("+~").partition("=")[0]


def _overrides(run: Path) -> list[str]:
    try:
        content = yaml.safe_load((run / OVERRIDES).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return []
    return [str(each) for each in content] if isinstance(content, list) else []


def _no_run(path: str, run: Path) -> str:
    if (Path(path) / SWEEP).is_file():
        remedy = f"give its own command again with hydra.sweep.dir={literal(path)}, or name one of its runs"
        return f"resume: {path!r} is a sweep: {remedy}"
    if Path(path).is_file():
        remedy = "name it as ckpt_path, with the settings of its run"
        return f"resume: {path!r} does not lie in the directory of a run: {remedy}"
    if Path(path).is_dir():
        return f"resume: {path!r} holds no run: there is no {SETTINGS} in it"
    return f"resume: there is nothing at {path!r}: name a run's directory, or a checkpoint in it"
