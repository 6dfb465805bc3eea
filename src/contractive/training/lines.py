"""How far something has come, in one line that fits the terminal. Imports nothing heavy."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

SHORT = {
    **{"reconstruction": "rec", "penalty": "pen", "hessian": "hes"},
    **{"cross_entropy": "ce", "error": "err", "contraction": "con", "tangents": "tan"},
}
WIDEST = 30  # of a bar


@dataclass
class Surroundings:
    """What is around a run: nothing, or a sweep.

    Args:
        name: of the run in its sweep, with a space after it.
        alone: whether no other process writes to the same terminal.
        later: seconds that what comes after this run is thought to take, given those of this run.
        runs: how many of its length come after it, as long as there is nothing to think so by.
    """

    name: str = ""
    alone: bool = True
    later: float = 0.0
    runs: int = 0


surroundings = Surroundings()


def progress_line(
    where: str,
    share: float,
    seconds: float | None,
    terms: Mapping[str, float],
    width: int | None,
    *,
    filled: str = "━",
    empty: str = "─",
) -> str:
    """Where it is, a bar, the time left, and what is measured, in as many words as there is room for.

    Args:
        where: what is said first, such as ``run 1/8, epoch 3/100``.
        share: how much of it is done, in [0, 1].
        seconds: left; ``None`` if nobody knows.
        terms: what is measured.
        width: columns of the terminal; ``None`` for a file: no bar, and no end.
        filled, empty: what the bar is made of.

    >>> progress_line("epoch 3/4", 0.5, 61.2, {"loss": 1.25, "penalty": 3.0}, 64)
    'epoch 3/4  ━━━━───── 0:01:01 left  loss 1.25     penalty 3      '
    >>> progress_line("epoch 3/4", 0.5, 61.2, {"loss": 1.25, "penalty": 3.0}, 40)
    'epoch 3/4  0:01:01  loss 1.25  pen 3'
    >>> head = {"loss": 2.12, "cross_entropy": 2.12, "error": 54.4, "contraction": 0.3, "tangents": 12.5}
    >>> progress_line("epoch 13/100", 0.5, 61.2, head, 72)
    'epoch 13/100  0:01:01  loss 2.12  ce 2.12  err 54.4  con 0.3  tan 12.5'
    """
    left = [] if seconds is None else [f"{duration(seconds)} left"]
    if width is None:
        return "  ".join([where, *left, *measured(terms)])
    for names in ({}, SHORT):
        # As wide as any number, so that the bar stays where it is.
        rest = "  ".join(
            [*left, *(f"{names.get(name, name)} {value:<7.4g}" for name, value in terms.items())]
        )
        room = width - len(where) - len(rest) - 3
        if room >= 4:
            room = min(room, WIDEST)
            done = round(share * room)
            return f"{where}  {filled * done}{empty * (room - done)} {rest}"
    # Every figure, however little is said of it.
    brief = where.replace("run ", "").replace("epoch ", "") if len(where) > len("epoch 100/100") else where
    figures = [f"{SHORT.get(name, name)} {value:.3g}" for name, value in terms.items()]
    return "  ".join([brief, *(text.removesuffix(" left") for text in left), *figures])[:width]


def measured(terms: Mapping[str, float], names: Mapping[str, str] = {}) -> list[str]:
    """Names and numbers, four digits of each."""
    return [f"{names.get(name, name)} {value:.4g}" for name, value in terms.items()]


def duration(seconds: float) -> str:
    """Hours, minutes and seconds."""
    return str(timedelta(seconds=round(seconds)))
