"""CIFAR-10: 50,000 pictures of 3×32×32 to train and validate, 10,000 to test."""

from dataclasses import dataclass
from typing import Any

from contractive.data.settings import Source
from contractive.settings import setting


@dataclass
class Cifar10(Source):
    """CIFAR-10: 50,000 pictures of 3×32×32 to train and validate, 10,000 to test."""

    batch_size: int = setting(256, "examples in a batch", low=1)
    val_fraction: float = setting(0.2, "share of the training pictures that validate", above=0)
    root: str = setting("data", "the folder that torchvision keeps its data sets in")
    download: bool = setting(True, "whether what is missing is downloaded")
    grey: bool = setting(False, "one channel, as the paper's CIFAR-bw")

    def fetch(self) -> None:
        """Download what is missing."""
        from contractive.data.readers.named import fetch

        fetch("cifar10", self.root, self.download)

    def read(self) -> Any:
        """Training and test pictures as bytes."""
        from contractive.data.readers.named import read_named

        return read_named("cifar10", self.root, self.download, self.grey)
