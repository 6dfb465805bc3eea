"""The penalty's settings: which method, and what it can be told."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from contractive.settings import Settings, check_choice, choices, chosen, names, nearest, setting

METHODS = "contractive.penalties.methods"


def penalty_settings(method: Any = "auto", **options: Any) -> Any:
    """The settings of a method of :func:`contractive.contraction_penalty`.

    Raises:
        ValueError: starting with the setting that is wrong, and saying what is allowed.

    >>> penalty_settings("hutchinson", probes=2).probes
    2
    >>> penalty_settings("hutchinson", probes=0)
    Traceback (most recent call last):
    ...
    ValueError: probes must be an integer >= 1; got 0
    """
    check_choice("method", method, choices(METHODS))
    build = chosen(METHODS, method)
    known = names(build)
    for name in options:
        if name not in known:
            takes = ", ".join(known) or "no options"
            raise ValueError(
                f"{name} is not an option of {method}, which takes {takes}{nearest(name, known)}"
            )
    return build(**options)


@dataclass
class Method(Settings):
    """A method of the penalty with its options, in a module that imports torch in functions only."""

    #: Whether its value is exact, so that ``exact`` and ``auto`` may choose it.
    exact: ClassVar[bool] = False

    def plan(self, structure: Any, x: Any) -> Any:
        """The function ``(structure, x, generator) -> (code, penalty)`` for batches like ``x``.

        It must not hold on to this ``structure`` (:class:`contractive.jacobian.structure.Structure`).

        Raises:
            ValueError: the method does not fit the encoder.
        """
        raise NotImplementedError

    def seconds(self, structure: Any, x: Any, work: Any) -> float:
        """What it adds to a training step, infinite where it does not fit; ``work`` is the encoder's own."""
        return math.inf


@dataclass
class Hessian(Settings):
    """What :func:`contractive.hessian_penalty` can be told."""

    method: str = setting(
        "auto", "auto: closed_form where it fits", choices=("auto", "closed_form", "hutchinson")
    )
    sigma: float = setting(0.1, "standard deviation of the noise, in the units of x", above=0)
    samples: int = setting(4, "noisy points for each example", low=1)
    probes: int = setting(1, "random directions for each example, of hutchinson", low=1)
