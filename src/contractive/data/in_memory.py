"""Examples that are in memory already: arrays or tensors."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from contractive.data.arrays import as_features, feature_type, from_tensor
from contractive.data.examples import Examples
from contractive.data.files import check_count
from contractive.data.labels import as_labels, to_ids
from contractive.data.settings import Source
from contractive.settings import setting


@dataclass
class InMemory(Source):
    """Arrays or tensors, taken as those in a file are: see :class:`contractive.data.sources.array.Array`.

    Raises:
        ValueError: if they are neither.
    """

    data: Any = setting(None, "the examples x (n, ...), or a pair (x, y) of examples and labels (n,)")

    def __post_init__(self) -> None:
        super().__post_init__()
        pair = self.data if isinstance(self.data, tuple) and len(self.data) == 2 else (self.data,)
        for array in pair:
            if not isinstance(array, np.ndarray | Tensor):
                raise ValueError(
                    "source must be the name of a source, an array or a tensor x, or a pair (x, y) of them;"
                    f" got {type(array).__name__}: convert it, as with numpy.asarray"
                )
        self.data = pair
        self._classes: list[str] | None = None

    def read(self) -> dict[str, Examples]:
        """All examples, uncut; bytes and contiguous float32 share the memory of what was given.

        Raises:
            ValueError: if examples or labels cannot be used, with the place and a remedy.
        """
        try:
            x, *labels = (from_tensor(array) if isinstance(array, Tensor) else array for array in self.data)
            kind = feature_type(x.dtype)
        except ValueError as error:
            raise ValueError(f"source: {error}") from None
        with np.errstate(over="ignore"):  # too large for 32 bits becomes infinite, and is told as such
            x = as_features(np.require(x, kind, ["C", "W"]), "x")
        check_count(len(x), "train", "x")
        y = as_labels(labels[0], len(x), "y") if labels else None
        ids, self._classes = to_ids({"train": y}, {})
        return {"train": Examples.of(x, ids["train"])}

    def found(self) -> dict[str, Any]:
        """The names of the classes, where labels are text."""
        return {"classes": self._classes}
