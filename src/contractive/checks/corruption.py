"""What the settings of a corruption may be."""

from typing import Any

from contractive.checks.values import check_choice, check_number

CORRUPTIONS = ("gaussian", "masking", "salt_and_pepper")


def check_corruption(kind: Any, amount: Any) -> None:
    """Check the settings of :func:`contractive.corruption.corrupt`.

    Raises:
        ValueError: if there is no such kind, or the amount is negative or, as a probability, above 1.
    """
    check_choice("kind", kind, CORRUPTIONS)
    if kind == "gaussian":
        check_number("amount", amount, low=0)
    else:
        check_number("amount", amount, low=0, high=1)
