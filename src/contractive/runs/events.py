"""Curves and pictures from TensorBoard's event files, fast enough for hundreds of runs.

TensorBoard's own reader computes the checksum of every byte in Python, which for pictures takes seconds a
run. Here the checksum of a record's frame is verified, and that of a picture left to whoever decodes it.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf.message import DecodeError
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

CHECKED = 1024  # bytes: longer records are pictures and histograms


@dataclass
class Events:
    """What a run logged."""

    curves: dict[str, dict[int, float]] = field(default_factory=dict)  # tag -> step -> value
    pictures: dict[str, bytes] = field(default_factory=dict)  # tag -> the last one, as PNG
    warnings: list[str] = field(default_factory=list)


def read_events(directory: Path) -> Events:
    """Read all event files that lie directly in ``directory``.

    A file that breaks off or is damaged is read as far as it goes and named in ``warnings``.
    """
    events = Events()
    for path in sorted(directory.glob("events.out.tfevents.*")):
        try:
            for record in _records(path):
                _take(Event.FromString(record), events)
        except (ValueError, DecodeError, OSError) as error:
            events.warnings.append(f"{path.name} is broken ({error}): read up to there")
    return events


def _take(event: Event, events: Events) -> None:
    for value in event.summary.value:
        kind = value.WhichOneof("value")
        if kind == "simple_value":
            events.curves.setdefault(value.tag, {})[event.step] = value.simple_value
        elif kind == "image":
            events.pictures[value.tag] = value.image.encoded_image_string


def _records(path: Path) -> Iterator[bytes]:
    """The records of a file: length, checksum of the length, bytes, checksum of the bytes.

    Raises:
        ValueError: if the file breaks off or a checksum is wrong.
    """
    with path.open("rb") as file:
        while header := file.read(12):
            if len(header) < 12 or struct.unpack("<I", header[8:])[0] != masked_crc32c(header[:8]):
                raise ValueError("a record's head is damaged or cut off")
            (length,) = struct.unpack("<Q", header[:8])
            record, checksum = file.read(length), file.read(4)
            if len(checksum) < 4:
                raise ValueError("the last record is cut off")
            if length <= CHECKED and struct.unpack("<I", checksum)[0] != masked_crc32c(record):
                raise ValueError("a record is damaged")
            yield record
