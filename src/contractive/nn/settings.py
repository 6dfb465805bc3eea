"""The settings of a network and of a corruption."""

from dataclasses import dataclass

from contractive.nn.activations import ACTIVATIONS
from contractive.settings import Settings, check_number, setting

RECONSTRUCTIONS = ("squared_error", "cross_entropy")
CORRUPTIONS = ("gaussian", "masking", "salt_and_pepper")


@dataclass
class Network(Settings):
    """What an autoencoder looks like."""

    hidden: list[int] = setting(
        [256], "sizes of the fully connected layers; the last one is the code size", at_least=1
    )
    channels: list[int] = setting([], "channels of convolutions before them, each halving the picture")
    activation: str = setting(
        "sigmoid", "pointwise activation after every encoder layer", choices=tuple(ACTIVATIONS)
    )
    tied: bool = setting(True, "whether the decoder's weights are the encoder's, transposed")
    reconstruction: str = setting(
        "squared_error", "what compares input and reconstruction", choices=RECONSTRUCTIONS
    )


@dataclass
class Corruption(Settings):
    """What the encoder sees in training instead of ``x``; see :func:`contractive.nn.corruption.corrupt`."""

    kind: str = setting("gaussian", "what is done to a value", choices=CORRUPTIONS)
    amount: float = setting(0.1, "standard deviation (gaussian), or share of the values", low=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kind != "gaussian":
            check_number("amount", self.amount, low=0, high=1)
