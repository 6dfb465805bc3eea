"""What Hydra and OmegaConf say of a mistake, in one line and with the nearest thing that exists."""

import re
import shlex
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, get_type_hints

from hydra.errors import OverrideParseException
from omegaconf import BooleanNode, DictConfig, FloatNode, IntegerNode, ListConfig, Node, ValidationError

from contractive.commands.schemas import CONFIG_DIR, SCHEMAS
from contractive.settings import names, nearest

PLUGINS = ("joblib", "submitit", "optuna")  # extras of this package that bring launchers and sweepers
WANTED: dict[type[Node], str] = {
    FloatNode: "a number",
    IntegerNode: "an integer",
    BooleanNode: "true or false",
    ListConfig: "a list in brackets, such as [512,64]",
    DictConfig: "a group of settings: write each with its full key",
}


def explain(error: BaseException) -> str:
    """An error that was raised while the configuration was composed, in one line."""
    while not str(error) and error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(str(error).split())
    if match := re.search(r"Could not override '([^']+)'", text):
        return unknown_key(match[1])
    if match := re.search(r"Could not (?:find|load) '(hydra/\w+)/(\w+?)(?:_\w+)?'", text):
        package = match[2]
        if package in PLUGINS:
            return f"{match[1]}={package} is not installed: pip install 'contractive[{package}]'"
        return f"{match[1]}={package}: no plugin of Hydra that is installed has it"
    if match := re.search(r"Could not find '([^']+)/([^'/]*)'", text):
        choices = groups().get(match[1], [])
        number = "; for a number write model.lam=VALUE" if match[1] == "lam" else ""
        known = f"{', '.join(choices)}{nearest(match[2], choices)}"
        return f"{match[1]}={match[2]} does not exist: {match[1]} is one of {known}{number}"
    if match := re.search(r"Could not append to config. An item is already at '([^']+)'", text):
        return f"{match[1]} exists already: write {match[1]}=VALUE, without the +"
    if text.startswith("Config group override must be a string"):
        return "a choice takes a name (such as lam=paper), a setting a number (such as model.lam=1e-3)"
    if wrong := _wrong_type(error):
        return wrong
    if isinstance(error, OverrideParseException) and (quotes := _wants_quotes(error.override)):
        return quotes
    if text.startswith("OSError raised while resolving interpolation"):
        said = re.sub(r".*?: (\[Errno \d+\] )?(.*?) full_key: (\S+) .*", r"\3: \2", text)
        return f"{said}: choose a directory that can be written to"
    return re.sub(r" See https://\S+ for details", ": write KEY=VALUE", text)


def unknown_key(key: str) -> str:
    """There is no such setting, but perhaps one of a similar name, or with another choice."""
    keys = _known_keys()
    if key in keys:
        return f"{key} belongs to {' or '.join(keys[key])}: choose that too"
    section = SCHEMAS.get(key.partition(".")[0])
    own = f"; an argument of the class itself takes a +: +{key}=VALUE" if section and section.open else ""
    known = [*keys, *groups()]
    # A right name in the wrong place is nearer than a similar spelling.
    words = {k.rsplit(".", 1)[-1]: k for k in reversed(known)}
    word = key.rsplit(".", 1)[-1]
    near = [words[word]] if word in words else []
    near += get_close_matches(key, known, n=1) if "." in key else []
    near += [words[similar] for similar in get_close_matches(word, words, n=1)]
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"there is no setting {key!r}{hint}{own} (python train.py --help lists them)"


def groups() -> dict[str, list[str]]:
    """The groups of the configuration, each with the names that it can be given."""
    folders = {path.relative_to(CONFIG_DIR).as_posix(): path for path in sorted(CONFIG_DIR.rglob("*/"))}
    return {
        group: sorted(file.stem for file in folder.glob("*.yaml"))
        for group, folder in folders.items()
        if not group.startswith("hydra")
    }


def _wrong_type(error: BaseException | None) -> str | None:
    while error is not None and not isinstance(error, ValidationError):
        error = error.__cause__
    if error is None:
        return None
    value = "null" if error.value is None else repr(error.value)
    # An entry of a list of sizes has no node yet.
    wanted = WANTED.get(type(error.child_node), "an integer" if error.child_node is None else "text")
    return f"{error.full_key} must be {wanted}; got {value}"


def _wants_quotes(override: str) -> str | None:
    key, _, value = override.partition("=")
    bare = key.lstrip("+~")
    owners = [SCHEMAS[path] for name, path in setting_keys() if name == bare]
    # A number or a list that is miswritten is no text.
    takes_text = not owners or any(get_type_hints(cls)[bare.rpartition(".")[2]] is Any for cls in owners)
    if not value or not takes_text or "," in value or (value[0] in "[{" and value[-1] not in "]}"):
        return None
    # The shell takes single quotes.
    written = quoted(value) if {'"', "\\"} & set(value) else f'"{value}"'
    return f"{bare}: {value!r} needs quotes: write {shlex.quote(f'{key}={written}')}"


def quoted(text: str) -> str:
    r"""A text as Hydra's grammar takes it.

    >>> print(quoted("my run, ü=1"), quoted("it's"))
    'my run, ü=1' 'it\'s'
    """
    # A backslash is one, but for those in front of a quote.
    return "'" + re.sub(r"(\\*)('|$)", lambda m: m[1] * 2 + (m[2] and r"\'"), text) + "'"


def _known_keys() -> dict[str, list[str]]:
    """Every setting, with what has it: a place of the configuration, or choices (``group=name``)."""
    keys: dict[str, list[str]] = {}
    for key, path in setting_keys():
        group, _, name = path.rpartition("/")
        keys.setdefault(key, []).append(f"{group}={name}" if _is_choice(path) else path)
    return keys


def setting_keys() -> Iterator[tuple[str, str]]:
    """Every setting by its full key, with the place or choice in ``SCHEMAS`` that owns it."""
    for path, cls in SCHEMAS.items():
        place = path.rpartition("/")[0] if _is_choice(path) else path
        prefix = "" if path == "run" else place.replace("/", ".") + "."
        for name in names(cls):
            yield prefix + name, path


def _is_choice(path: str) -> bool:
    group, _, name = path.rpartition("/")
    return name in groups().get(group, ())
