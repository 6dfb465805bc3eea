"""The settings that all sources of data share, and how a source is found by its name."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from contractive.data.examples import Examples
from contractive.data.files import check_split, safely_told
from contractive.data.labels import to_ids
from contractive.settings import (
    Settings,
    check_choice,
    check_integer,
    choices,
    chosen,
    names,
    nearest,
    setting,
)

SOURCES = "contractive.data.sources"
SCALINGS = ("none", "unit", "standard", "auto")


@dataclass
class Source(Settings):
    """A source of data; its options are the fields of its class, and ``read`` is what it has to define."""

    #: Whether its name alone says what it is.
    named: ClassVar[bool] = True
    batch_size: int = setting(64, "examples in a batch", low=1)
    drop_last: bool = setting(False, "whether a last training batch that is smaller is left out")
    val_fraction: float = setting(
        0.1, "share cut off to validate, seeded and stratified, unless it comes apart", above=0
    )
    test_fraction: float = setting(0.1, "share cut off to test, likewise", above=0)
    scaling: str = setting(
        "auto",
        "fitted to the training split: none; unit, to [0, 1]; standard, to mean 0, variance 1;"
        " auto: none for bytes, which become [0, 1] anyway, else standard",
        choices=SCALINGS,
    )

    labels: Any = setting(
        None, "how many training examples keep their label, as many of each class; null: all"
    )
    labelled: Any = setting(
        None,
        "how many labelled examples join each batch, in turns, where a head learns and some have no label;"
        " null: as many as there are, at most batch_size",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.labels is not None:
            check_integer("labels", self.labels, low=1)
        if self.labelled is not None:
            check_integer("labelled", self.labelled, low=0)
        if self.val_fraction + self.test_fraction >= 1:
            raise ValueError(
                f"val_fraction={self.val_fraction:g} and test_fraction={self.test_fraction:g} leave nothing"
                " to train on: together they must be below 1"
            )

    @property
    def fractions(self) -> dict[str, float]:
        """The share of each split that is cut from the training examples, unless it comes apart."""
        return {"val": self.val_fraction, "test": self.test_fraction}

    def fetch(self) -> None:
        """Download what is missing; called in one process only, where there are several."""

    def read(self) -> dict[str, Examples]:
        """``train``, and ``val`` and ``test`` where the source brings them; bytes stay bytes."""
        raise NotImplementedError

    def found(self) -> dict[str, Any]:
        """What reading has found out about the data, as arguments of a ``Description``."""
        return {}

    def parts(self, seed: int) -> Mapping[str, Any]:
        """A ``Part`` each for ``train``, ``val`` and ``test``, cut off unless it comes apart."""
        from contractive.data.parts import memory_parts

        return memory_parts(self.read(), self.fractions, seed, self.labels)


@dataclass
class FileSource(Source):
    """A source that reads files which the user names."""

    named: ClassVar[bool] = False
    path: str | None = setting(None, "the training examples")
    val_path: str | None = setting(None, "the same for validation; null: cut from path")
    test_path: str | None = setting(None, "the same for the test; null: cut from path")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.path is None:
            raise ValueError("path must name the data: data.path=…")
        for name in ("path", "val_path", "test_path", "labels_path"):
            value = getattr(self, name, None)
            if value is not None and not as_path(value).exists():
                raise FileNotFoundError(f"{name}: there is nothing at {str(value)!r}")
        self._classes: list[str] | None = None

    @property
    def paths(self) -> dict[str, Path]:
        """Where each split lies that has a path of its own, ``train`` first."""
        given = {"train": self.path, "val": self.val_path, "test": self.test_path}
        return {split: as_path(path) for split, path in given.items() if path is not None}

    @safely_told()
    def read(self) -> dict[str, Examples]:
        """The examples of each split that has a path.

        Raises:
            ValueError: in one line with file, place and remedy, for anything in a file that cannot be used,
                and for splits whose examples or labels do not agree.
            OSError: if a file or folder is not there or may not be read.
        """
        paths = self.paths
        x, y = {}, {}
        for split, where in paths.items():
            x[split], y[split] = self.read_split(where, split)
            check_split(split, x, paths)
        ids, self._classes = to_ids(y, paths)
        return {split: Examples.of(x[split], ids[split]) for split in paths}

    def found(self) -> dict[str, Any]:
        """The names of the classes, where labels are text."""
        return {"classes": self._classes}

    def read_split(self, where: Path, split: str) -> tuple[np.ndarray, np.ndarray | None]:
        """What one path holds: examples ``(n, ...)`` and, where there are any, labels as of ``as_labels``."""
        raise NotImplementedError


def as_path(value: str | Path) -> Path:
    """The path that a setting names; ``~`` is the home directory, and a name may be a number."""
    path = Path(str(value))
    return path.expanduser() if path.parts[:1] == ("~",) else path


def source_settings(source: Any = None, **options: Any) -> Source:
    """The settings of a source.

    Raises:
        ValueError: if there is no such source, or a setting is not what it may be; the message starts with
            its name.
        FileNotFoundError: if a file or folder that a setting names is not there.
    """
    check_choice("source", source, choices(SOURCES))
    cls = chosen(SOURCES, source)
    own = [name for name in names(cls) if name not in names(Source)]
    for name in options:
        if name not in names(cls):
            takes = ", ".join(own) or "no settings of its own"
            raise ValueError(f"{name}: {source} takes {takes}{nearest(name, own)}")
    settings: Source = cls(**options)
    return settings
