"""What a setting is: one field of a dataclass, which owns its name, type, default, bounds and line of help.

Nothing here imports torch: a mistake in the configuration is told before the heavy imports.
"""

import math
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, Field, dataclass, field, fields
from difflib import get_close_matches
from importlib import import_module
from typing import Any, ClassVar, Self, get_args, get_type_hints

LARGEST = 2**31 - 1  # of an integer that says no other bound: what libraries in C count with


def setting(
    default: Any,
    help: str,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    above: float = -math.inf,
    choices: Iterable[str] = (),
    at_least: int = 0,
    at_most: float = math.inf,
) -> Any:
    """A field of a :class:`Settings`.

    Args:
        default: its default; a list is copied for each instance.
        help: what it does, in one line.
        low, high, above: bounds of a number: ``low <= value <= high`` and ``value > above``.
        choices: the allowed names.
        at_least, at_most: how many entries a list of sizes must and may have.
    """
    bounds = {"low": low, "high": high, "above": above}
    metadata: dict[str, Any] = {"help": help, "bounds": bounds, "choices": tuple(choices)}
    metadata["lengths"] = {"at_least": at_least, "at_most": at_most}
    if isinstance(default, list):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


def group(build: Callable[[Mapping[str, Any]], Any], help: str) -> Any:
    """A field that holds settings of its own in plain containers, which ``build`` makes, and so checks; empty
    for their defaults."""
    return field(default_factory=dict, metadata={"help": help, "build": build})


@dataclass
class Settings:
    """A group of settings, each within its bounds.

    Raises:
        ValueError: naming the setting, its value and what is allowed.
    """

    #: Whether other names than the fields' belong to a class of another library, which then decides.
    open: ClassVar[bool] = False

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for spec in fields(self):
            _check(spec, hints[spec.name], getattr(self, spec.name))

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """The group with what is given in plain containers, and defaults for the rest.

        Raises:
            ValueError: if there is no such setting, or its value is not what it may be.
        """
        known = names(cls)
        for name in given:
            if name not in known and not cls.open:
                raise ValueError(f"{name}: there is no such setting{nearest(name, known)}")
        return cls(**{name: value for name, value in given.items() if name in known})


def names(cls: type[Settings]) -> list[str]:
    """The settings of a group."""
    return [spec.name for spec in fields(cls)]


def default(spec: "Field[Any]") -> Any:
    """The default of a setting."""
    return spec.default if spec.default_factory is MISSING else spec.default_factory()


def default_of(cls: type[Settings], name: str) -> Any:
    """The default of the setting of that name."""
    return next(default(spec) for spec in fields(cls) if spec.name == name)


def choices(package: str) -> list[str]:
    """What there is to choose from in a package with a module for each choice, such as ``closed_form``."""
    modules = pkgutil.iter_modules(import_module(package).__path__)
    return [module.name for module in modules if not module.name.startswith("_")]


def chosen(package: str, name: str) -> Any:
    """The class of a choice: ``ClosedForm`` in the module ``closed_form``."""
    return getattr(import_module(f"{package}.{name}"), "".join(word.capitalize() for word in name.split("_")))


def nearest(value: Any, known: Iterable[str]) -> str:
    """``"; did you mean NAME?"`` with the known name nearest to ``value``, or nothing."""
    near = get_close_matches(str(value), tuple(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def check_choice(name: str, value: Any, allowed: Iterable[str]) -> None:
    """Raise ``ValueError``, naming the nearest allowed value, unless ``value`` is one of ``allowed``."""
    allowed = tuple(allowed)
    if value not in allowed:
        raise ValueError(
            f"{name} must be one of {', '.join(allowed)}; got {value!r}{nearest(value, allowed)}"
        )


def check_number(
    name: str, value: Any, *, low: float = -math.inf, high: float = math.inf, above: float = -math.inf
) -> None:
    """Raise ``ValueError`` unless ``value`` is finite, in ``[low, high]`` and greater than ``above``."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not low <= value <= high or not value > above:
        bounds = [(">", above), (">=", low), ("<=", high)]
        said = " and ".join(f"{sign} {bound:g}" for sign, bound in bounds if math.isfinite(bound))
        raise ValueError(f"{name} must be {f'a finite number {said}'.strip()}; got {value!r}")


def check_integer(name: str, value: Any, *, low: float, high: float = LARGEST) -> None:
    """Raise ``ValueError`` unless ``value`` is an integer in ``[low, high]``."""
    if not isinstance(value, int) or isinstance(value, bool) or value < low:
        raise ValueError(f"{name} must be an integer >= {low:g}; got {value!r}")
    if value > high:
        raise ValueError(f"{name} must be an integer <= {high:.0f}; got {value!r}")


def check_sizes(name: str, value: Any, *, at_least: int = 0, at_most: float = math.inf) -> None:
    """Raise ``ValueError`` unless ``value`` is a list of so many integers of at least 1."""
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) < at_least:
        raise ValueError(f"{name} must be a list of sizes, such as [512,64]; got {value!r}")
    if len(value) > at_most:
        raise ValueError(f"{name} must be a list of at most {at_most} sizes; got {len(value)}")
    for size in value:
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise ValueError(f"{name} must hold integers >= 1; got {size!r} in {list(value)!r}")
        if size > LARGEST:
            raise ValueError(f"{name} must hold integers <= {LARGEST}; got {size!r} in {list(value)!r}")


@contextmanager
def prefixed(prefix: str) -> Iterator[None]:
    """Put a group in front of the setting with which the message of a check starts.

    >>> with prefixed("model."):
    ...     check_integer("probes", 0, low=1)
    Traceback (most recent call last):
    ...
    ValueError: model.probes must be an integer >= 1; got 0
    """
    try:
        yield
    except (ValueError, FileNotFoundError) as error:
        raise type(error)(f"{prefix}{error}") from None


def _check(spec: "Field[Any]", hint: Any, value: Any) -> None:
    name, rules = spec.name, spec.metadata
    if value is None and type(None) in get_args(hint):
        return
    if "build" in rules:
        if not isinstance(value, Mapping | None):
            raise ValueError(f"{name} must be a group of settings; got {value!r}")
        with prefixed(f"{name}."):
            rules["build"](value or {})
    elif rules["choices"]:
        check_choice(name, value, rules["choices"])
    elif hint is bool:
        if not isinstance(value, bool):
            raise ValueError(f"{name} must be true or false; got {value!r}")
    elif hint is int:
        low, high = rules["bounds"]["low"], rules["bounds"]["high"]
        check_integer(name, value, low=low, high=high if math.isfinite(high) else LARGEST)
    elif hint is float:
        check_number(name, value, **rules["bounds"])
    elif hint == list[int]:
        check_sizes(name, value, **rules["lengths"])
