"""Reading files that nobody vouches for: the directory of a run may hold anything under any name."""

from pathlib import Path
from typing import Any

import yaml

MOST_BYTES = 2**22  # of a file of settings or figures; those of a run have some thousand


def read_text(path: Path) -> str:
    """The text of a file.

    Raises:
        OSError: if there is no such file, or it cannot be read.
        ValueError: if it is no regular file, larger than ``MOST_BYTES``, or not in UTF-8.
    """
    if path.exists() and not path.is_file():
        raise ValueError("it is no file")
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"it is larger than {MOST_BYTES / 2**20:.0f} MiB")
    return content.decode()


def parse_yaml(text: str) -> Any:
    """What a YAML document says; one that refers to its own parts is refused.

    A few lines of such references stand for a tree of any size, or for one without an end. Nothing that
    trains writes any.
    """
    return yaml.load(text, _WithoutReferences)


class _WithoutReferences(yaml.SafeLoader):
    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise ValueError(f"it refers to a part of itself in line {mark.line + 1}")
        return super().compose_node(parent, index)


def printable(text: str, most: int | None = None) -> str:
    r"""Text that a terminal, a page and a file in UTF-8 can show, of ``most`` characters if that is given.

    What moves a cursor, turns the direction of writing or is no character at all is written as Python would.

    >>> printable("a\x1b[31m\u202eb\udcff"), printable("0123456789", most=5)
    ('a\\x1b[31m\\u202eb\\udcff', '0123…')
    """
    if most is not None and len(text) > most:
        text = text[: most - 1] + "…"
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
