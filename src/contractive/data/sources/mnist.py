"""MNIST: 60,000 pictures of 28×28 to train and validate, 10,000 to test."""

from dataclasses import dataclass
from typing import ClassVar

from contractive.data.torchvision_source import TorchvisionSource


@dataclass
class Mnist(TorchvisionSource):
    """MNIST: 60,000 pictures of 28×28 to train and validate, 10,000 to test."""

    dataset: ClassVar[str] = "MNIST"
