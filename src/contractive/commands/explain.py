"""What Hydra says of a mistake on the command line, in one line and with the nearest thing that exists."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from contractive.settings import nearest


def explain(error: BaseException, config_dir: Path) -> str:
    """The error in one line.

    Args:
        error: what Hydra raised while it composed the configuration.
        config_dir: the folder of the configuration, where what exists is looked up.
    """
    text = " ".join(str(error).split())
    if match := re.search(r"Could not override '([^']+)'", text):
        return _unknown_key(match[1], config_dir)
    if match := re.search(r"Could not find '([^']+)/([^'/]+)'", text):
        return _unknown_choice(match[1], match[2], config_dir)
    if match := re.search(r"Could not append to config. An item is already at '([^']+)'", text):
        return f"{match[1]} exists already: write {match[1]}=VALUE, without the +"
    if text.startswith("Config group override must be a string"):
        return "a choice takes a name (such as lam=paper), a setting a number (such as model.lam=1e-3)"
    return re.sub(r" See https://\S+ for details", ": write KEY=VALUE", text)


def _unknown_key(key: str, config_dir: Path) -> str:
    keys = _known_keys(config_dir)
    if key in keys:
        return f"{key} belongs to {' or '.join(keys[key])}: choose that too"
    known = [*keys, *_groups(config_dir)]
    # A right name in the wrong place is nearer than a similar spelling.
    same_name = [k for k in known if k.rsplit(".", 1)[-1] == key.rsplit(".", 1)[-1]]
    hint = f"; did you mean {same_name[0]}?" if same_name else nearest(key, known)
    return f"there is no setting {key!r}{hint} (python train.py --help lists them)"


def _unknown_choice(group: str, name: str, config_dir: Path) -> str:
    choices = sorted(file.stem for file in (config_dir / group).glob("*.yaml"))
    number = "; for a number write model.lam=VALUE" if group == "lam" else ""
    hint = nearest(name, choices)
    return f"{group}={name} does not exist: {group} is one of {', '.join(choices)}{hint}{number}"


def _groups(config_dir: Path) -> list[str]:
    folders = (path.relative_to(config_dir) for path in sorted(config_dir.rglob("*")) if path.is_dir())
    return [folder.as_posix() for folder in folders if folder.parts[0] != "hydra"]


def _known_keys(config_dir: Path) -> dict[str, list[str]]:
    """Every setting of every choice, with the choices (``group=name``) that have it."""
    keys: dict[str, list[str]] = {}
    for file in sorted(config_dir.rglob("*.yaml")):
        group = file.parent.relative_to(config_dir)
        if group.parts[:1] in {("hydra",), ("experiment",)}:
            continue
        package = re.search(r"^# @package (\S+)", file.read_text(), re.MULTILINE)
        prefix = package[1].split(".") if package else list(group.parts)
        for path in _leaves(OmegaConf.to_container(OmegaConf.load(file), resolve=False)):
            keys.setdefault(".".join([*prefix, *path]), []).append(f"{group.as_posix()}={file.stem}")
    return keys


def _leaves(node: Any) -> Iterator[list[str]]:
    for key, value in (node or {}).items():
        if key in ("defaults", "hydra"):
            continue
        if isinstance(value, dict):
            for path in _leaves(value):
                yield [key, *path]
        else:
            yield [key]
