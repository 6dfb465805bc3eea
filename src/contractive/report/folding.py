"""Long lists, of which the rest is folded."""

from collections.abc import Sequence

SHOWN = 20


def counted(number: int, what: str) -> str:
    """So many of something.

    >>> counted(1, "run"), counted(2, "run")
    ('1 run', '2 runs')
    """
    return f"{number} {what}{'' if number == 1 else 's'}"


def folded(items: Sequence[str], kind: str) -> str:
    """HTML elements in a block of the class ``kind``; beyond the first twenty they are behind a click."""
    block = f'<div class="{kind}">{"".join(items[:SHOWN])}</div>'
    if len(items) <= SHOWN:
        return block
    rest = f'<div class="{kind}">{"".join(items[SHOWN:])}</div>'
    return f'{block}<details class="rest"><summary>{len(items) - SHOWN} more</summary>{rest}</details>'
