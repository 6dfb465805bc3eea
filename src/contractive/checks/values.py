"""What single values may be: the checks that all groups of settings share."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any


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
    bounds = []
    if above > -math.inf:
        bounds.append(f"> {above:g}")
    if low > -math.inf:
        bounds.append(f">= {low:g}")
    if high < math.inf:
        bounds.append(f"<= {high:g}")
    wanted = " ".join(["a finite number", " and ".join(bounds)]).strip()
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not low <= value <= high or not value > above:
        raise ValueError(f"{name} must be {wanted}; got {value!r}")


def check_integer(name: str, value: Any, *, low: int) -> None:
    """Raise ``ValueError`` unless ``value`` is an integer of at least ``low``."""
    if not isinstance(value, int) or isinstance(value, bool) or value < low:
        raise ValueError(f"{name} must be an integer >= {low}; got {value!r}")


def check_flag(name: str, value: Any) -> None:
    """Raise ``ValueError`` unless ``value`` is true or false."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false; got {value!r}")


def check_sizes(name: str, value: Any, *, at_least: int) -> None:
    """Raise ``ValueError`` unless ``value`` is a list of ``at_least`` or more positive integers."""
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) < at_least:
        raise ValueError(f"{name} must be a list of sizes, such as [512,64]; got {value!r}")
    for size in value:
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise ValueError(f"{name} must hold integers >= 1; got {size!r} in {list(value)!r}")


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
    except TypeError as error:
        unexpected = re.search(r"unexpected keyword argument '(\w+)'", str(error))
        if unexpected is None:
            raise
        raise ValueError(f"{prefix}{unexpected[1]}: there is no such setting") from None
