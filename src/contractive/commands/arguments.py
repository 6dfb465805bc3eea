"""The command line before Hydra reads it: text that Hydra's grammar would take apart is quoted."""

from collections.abc import Sequence
from typing import get_type_hints

from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from contractive.commands.explain import quoted, setting_keys
from contractive.commands.schemas import SCHEMAS

HYDRAS = ("hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir")


def literal(text: str) -> str:
    """A text in quotes that refers to nothing else: ``${`` is what it says."""
    return quoted(text.replace("${", r"\${"))


def split_arguments(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Hydra's flags with their values, and the overrides, among the arguments."""
    overrides: list[str] = get_args_parser().parse_known_intermixed_args(list(arguments))[0].overrides
    flags, left = [], list(overrides)
    for argument in arguments:
        if argument in left:
            left.remove(argument)
        else:
            flags.append(argument)
    return flags, overrides


def with_quotes(override: str, *, sweeps: bool) -> str:
    """An override whose setting takes a text, with the quotes that the text may need; any other as it is."""
    key, is_override, value = override.partition("=")
    bare = key.lstrip("+~")
    if not is_override or value in ("", "null", "???") or bare not in text_settings():
        return override
    is_quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    if understood(override) and (is_quoted or sweeps):
        return override
    if sweeps and "," in value:
        return override  # a text with a comma, or several texts: Hydra says what to write
    return f"{key}={quoted(value)}"


def understood(override: str) -> bool:
    """Whether Hydra's grammar can read an override."""
    try:
        OverridesParser.create().parse_override(override)
    except HydraException:
        return False
    return True


def text_settings() -> set[str]:
    """The settings that take any text."""
    found = set(HYDRAS)
    for name, path in setting_keys():
        cls, field = SCHEMAS[path], name.rpartition(".")[2]
        takes_text = get_type_hints(cls)[field] in (str, str | None)
        if takes_text and not cls.__dataclass_fields__[field].metadata["choices"]:
            found.add(name)
    return found
