"""Checks of the penalty's settings: the method's name and its options."""

import difflib
import math
from collections.abc import Callable
from typing import Any

Check = Callable[[str, Any], None]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _count(name: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")


def _positive(name: str, value: Any) -> None:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not math.isfinite(value)
        or value <= 0
    ):
        raise ValueError(f"{name} must be a number above 0, got {value!r}")


def _fraction(name: str, value: Any) -> None:
    if not _is_number(value) or not 0 < value <= 1:
        raise ValueError(f"{name} must be above 0 and at most 1, got {value!r}")


def _one_of(*allowed: str) -> Check:
    def check(name: str, value: Any) -> None:
        if value not in allowed:
            raise ValueError(
                f"{name} must be one of {', '.join(allowed)}, got {value!r}{_nearest(value, allowed)}"
            )

    return check


def _nearest(value: Any, allowed: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(str(value), allowed, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


_SIDE = _one_of("auto", "input", "code")
_HESSIAN_METHOD = _one_of("auto", "closed_form", "hutchinson")

#: What each method of ``contraction_penalty`` can be told, and which values are allowed.
OPTIONS: dict[str, dict[str, Check]] = {
    "auto": {"max_ratio": _positive, "probes": _count},
    "closed_form": {},
    "layerwise": {"memory_mib": _count},
    "autodiff": {"side": _SIDE, "memory_mib": _count},
    "hutchinson": {
        "probes": _count,
        "distribution": _one_of("rademacher", "gaussian", "orthogonal"),
        "side": _SIDE,
        "fraction": _fraction,
    },
    "finite_difference": {"sigma": _positive, "probes": _count},
}


def check_penalty(method: Any = "auto", **options: Any) -> None:
    """Raise a ValueError whose message starts with the setting that is wrong and says what is allowed.

    >>> check_penalty("hutchinson", probes=2)
    >>> check_penalty("hutchinson", probes=0)
    Traceback (most recent call last):
    ...
    ValueError: probes must be a whole number of at least 1, got 0
    """
    methods = tuple(OPTIONS)
    if method not in methods:
        raise ValueError(
            f"method must be one of {', '.join(methods)}, got {method!r}{_nearest(method, methods)}"
        )
    known = OPTIONS[method]
    for name, value in options.items():
        if name not in known:
            takes = ", ".join(known) if known else "no options"
            raise ValueError(
                f"{name} is not an option of {method}, which takes {takes}{_nearest(name, tuple(known))}"
            )
        known[name](name, value)


def check_hessian(method: Any = "auto", *, sigma: Any = 0.1, samples: Any = 4, probes: Any = 1) -> None:
    """Like ``check_penalty``, for the settings of the higher-order term."""
    _HESSIAN_METHOD("method", method)
    _positive("sigma", sigma)
    _count("samples", samples)
    _count("probes", probes)
