"""Checks of the penalty's settings: the method's name and its options."""

from collections.abc import Callable
from functools import partial
from typing import Any

from contractive.checks.values import check_choice, check_integer, check_number, nearest

Check = Callable[[str, Any], None]

_count = partial(check_integer, low=1)
_positive = partial(check_number, above=0)
_fraction = partial(check_number, above=0, high=1)
_side = partial(check_choice, allowed=("auto", "input", "code"))
_distribution = partial(check_choice, allowed=("rademacher", "gaussian", "orthogonal"))
_hessian_method = partial(check_choice, allowed=("auto", "closed_form", "hutchinson"))

#: What each method of ``contraction_penalty`` can be told, and which values are allowed.
OPTIONS: dict[str, dict[str, Check]] = {
    "auto": {"max_ratio": _positive, "probes": _count},
    "closed_form": {},
    "layerwise": {"memory_mib": _count},
    "autodiff": {"side": _side, "memory_mib": _count},
    "hutchinson": {
        "probes": _count,
        "distribution": _distribution,
        "side": _side,
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
    ValueError: probes must be an integer >= 1; got 0
    """
    check_choice("method", method, OPTIONS)
    known = OPTIONS[method]
    for name, value in options.items():
        if name not in known:
            takes = ", ".join(known) if known else "no options"
            raise ValueError(
                f"{name} is not an option of {method}, which takes {takes}{nearest(name, known)}"
            )
        known[name](name, value)


def check_hessian(method: Any = "auto", *, sigma: Any = 0.1, samples: Any = 4, probes: Any = 1) -> None:
    """Like ``check_penalty``, for the settings of the higher-order term."""
    _hessian_method("method", method)
    _positive("sigma", sigma)
    _count("samples", samples)
    _count("probes", probes)
