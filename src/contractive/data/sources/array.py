"""Your own arrays: .npy, .npz or .pt."""

from dataclasses import dataclass
from typing import Any

from contractive.data.settings import SCALINGS, FileSource
from contractive.settings import setting


@dataclass
class Array(FileSource):
    """Your own arrays: .npy, .npz or .pt."""

    scaling: str = setting(
        "auto",
        "none, unit (to [0, 1]), standard (mean 0, variance 1); auto: standard, none for bytes",
        choices=SCALINGS,
    )
    labels: str | None = setting(None, "a file with the labels of path, if they do not lie in it")
    x_key: str | None = setting(None, "name of the examples in an archive; null: x or the like")
    y_key: str | None = setting(None, "name of the labels in an archive; null: y or the like")
    in_memory_mib: float = setting(256.0, "a larger .npy stays on disk and is shuffled by blocks", low=0)

    def read(self) -> Any:
        """The arrays, in memory."""
        from contractive.data.readers.array import read_array

        return read_array(
            self.path,
            val_path=self.val_path,
            test_path=self.test_path,
            labels=self.labels,
            x_key=self.x_key,
            y_key=self.y_key,
        )
