"""MNIST: 60,000 pictures of 28×28 to train and validate, 10,000 to test."""

from dataclasses import dataclass
from typing import Any

from contractive.data.settings import Source
from contractive.settings import setting


@dataclass
class Mnist(Source):
    """MNIST: 60,000 pictures of 28×28 to train and validate, 10,000 to test."""

    batch_size: int = setting(256, "examples in a batch", low=1)
    val_fraction: float = setting(1 / 6, "share of the training pictures that validate", above=0)
    root: str = setting("data", "the folder that torchvision keeps its data sets in")
    download: bool = setting(True, "whether what is missing is downloaded")

    def fetch(self) -> None:
        """Download what is missing."""
        from contractive.data.readers.named import fetch

        fetch("mnist", self.root, self.download)

    def read(self) -> Any:
        """Training and test pictures as bytes."""
        from contractive.data.readers.named import read_named

        return read_named("mnist", self.root, self.download)
