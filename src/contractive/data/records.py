"""The records of a ``.csv`` file, found in one pass over its bytes, without what they mean.

pyarrow reads such a file in blocks, side by side. Where a block may end depends on every quote before it, and
where there is one too many it gives other rows than the file has, or fewer, without a word. This pass tells
it what it has to know, and us how many rows there are.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from contractive.data.files import shown

log = logging.getLogger(__name__)

BLOCK_BYTES = 1 << 20
QUOTE, COMMA, NEWLINE, RETURN = (ord(character) for character in '",\n\r')
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
LONG = 100  # a value of more lines may be one whose closing quote is missing


@dataclass
class Records:
    """What a ``.csv`` file consists of.

    Args:
        count: how many records there are, that of the columns' names included; empty lines are none.
        longest: bytes of the longest one.
        broken: whether there are line breaks within values.
    """

    count: int = 0
    longest: int = 0
    broken: bool = False


def find_records(path: Path) -> Records:
    r"""Find the records of a file as RFC 4180 has them, and Python's ``csv`` module.

    A quote opens a quoted value where a value begins, and is a character like others elsewhere. Within a
    quoted value two quotes stand for one, commas and line breaks for themselves. A line ends with ``\n``,
    ``\r\n`` or ``\r``. One value of very many lines is told in a warning.

    Raises:
        ValueError: with its line, for a quote that is never closed, or that is closed in another line without
            the value's end there: the one or the other is one too many.
    """
    scan = _Scan(path)
    # One buffer for all: new memory for each block would take longer than all the rest.
    buffer = np.empty(BLOCK_BYTES + 2, np.uint8)
    buffer[0], held = NEWLINE, 1  # as if a line had ended
    with path.open("rb", buffering=0) as file:
        if file.read(len(BYTE_ORDER_MARK)) != BYTE_ORDER_MARK:
            file.seek(0)
        while count := file.readinto(buffer[held:].data):
            held += count
            if held > 2:
                scan.add(buffer[:held])
                buffer[:2], held = buffer[held - 2 : held], 2
    if held == 2:
        buffer[2] = COMMA  # where the file ends, a value does
        scan.add(buffer[:3])
    return scan.end()


class _Scan:
    """Where the pass is: what has been found so far, and whether within quotes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records = Records()
        self.size = 0  # bytes so far
        self.lines = 0  # line ends so far
        self.last = -1  # where the last record ended
        self.opened: int | None = None  # the line of the quote that is open, from 0
        self.halved = False  # whether the second of two quotes that stand for one comes next
        self.most, self.first = 0, 0  # line breaks in the value with most of them, and its first line

    def add(self, data: np.ndarray) -> None:
        """Take the next bytes, ``(length + 2,)``: with the one before and the one after them."""
        before, body, after = data[:-2], data[1:-1], data[2:]
        ends = np.flatnonzero(body == NEWLINE)
        if RETURN in body:
            alone = np.flatnonzero((body == RETURN) & (after != NEWLINE))
            ends = np.sort(np.concatenate([ends, alone]))
        opened = self.opened is not None
        quotes = np.flatnonzero(body == QUOTE)[int(self.halved) :]
        self.halved = False
        marks = _marks(quotes, before, opened) if len(quotes) else quotes
        if len(marks) and (len(marks) + opened) % 2 == 0 and marks[-1] == len(body) - 1:
            self.halved = bool(after[-1] == QUOTE)
            marks = marks[: -1 if self.halved else None]
        within = (np.searchsorted(marks, ends) + opened) % 2 == 1
        self._follow(marks, ends, after)
        records = ends[~within]
        self.records.broken |= len(records) < len(ends)
        lengths = np.diff(records + self.size, prepend=self.last) - 1
        lengths -= (before[records] == RETURN) & (body[records] == NEWLINE)
        self.records.count += int(np.count_nonzero(lengths))
        self.records.longest = max(self.records.longest, int(lengths.max(initial=0)))
        self.last = int(records[-1]) + self.size if len(records) else self.last
        self.size += len(body)
        self.lines += len(ends)

    def end(self) -> Records:
        """What has been found in all."""
        if self.opened is not None:
            raise ValueError(
                f"{self.path}: the quote in line {self.opened + 1} is never closed: close or remove it"
            )
        rest = self.size - self.last - 1
        self.records.count += rest > 0
        self.records.longest = max(self.records.longest, rest)
        if self.most > LONG:
            log.warning(
                "%s: the quoted value that begins in line %d goes on for %d lines: if it should not, a quote"
                " is missing or one too many",
                shown(self.path),
                self.first + 1,
                self.most,
            )
        return self.records

    def _follow(self, marks: np.ndarray, ends: np.ndarray, after: np.ndarray) -> None:
        """Keep the line of the quote that is open, and look at values that go on in other lines."""
        opened = self.opened is not None
        lines = self.lines + np.searchsorted(ends, marks)
        first, last, closings = (
            lines[int(opened) :: 2],
            lines[int(not opened) :: 2],
            marks[int(not opened) :: 2],
        )
        if self.opened is not None:
            first = np.insert(first, 0, self.opened)
        self.opened = int(first[-1]) if len(first) > len(last) else None
        breaks = last - first[: len(last)]
        ended = np.isin(after[closings], (COMMA, NEWLINE, RETURN))
        wrong = np.flatnonzero((breaks > 0) & ~ended)
        if len(wrong):
            raise ValueError(
                f"{self.path}: the quote in line {first[wrong[0]] + 1} is closed in line"
                f" {last[wrong[0]] + 1}, in the middle of a value: one of the two is one too many: remove it"
            )
        if breaks.max(initial=0) > self.most:
            self.most, self.first = int(breaks.max()), int(first[breaks.argmax()])


def _marks(quotes: np.ndarray, before: np.ndarray, opened: bool) -> np.ndarray:
    """Of all quotes those that open and close values, in turn; the first closes if one is ``opened``."""
    begins = np.isin(before[quotes], (COMMA, NEWLINE, RETURN))
    double = np.diff(quotes, prepend=-2) == 1  # right after another one
    if not (begins | double)[int(opened) :: 2].all():
        quotes = np.array(_in_turn(quotes.tolist(), begins.tolist(), opened), quotes.dtype)
    # Two within a value stand for one: they close it and open it again.
    again = np.flatnonzero((np.diff(quotes) == 1) & (np.arange(len(quotes) - 1) % 2 != opened))
    return np.delete(quotes, np.concatenate([again, again + 1]))


def _in_turn(quotes: list[int], begins: list[bool], opened: bool) -> list[int]:
    """The same where some quotes are characters like others, with two within a value still there."""
    found, closed = [], -2
    for place, may_open in zip(quotes, begins):
        if opened:
            closed = place
        elif not may_open and closed != place - 1:
            continue
        found.append(place)
        opened = not opened
    return found
