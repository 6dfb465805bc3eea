"""The settings of a network."""

from dataclasses import dataclass

from contractive.nn.activations import ACTIVATIONS
from contractive.settings import Settings, setting

MOST_LAYERS = 1000  # nobody trains deeper ones of this kind, and a file may ask for anything
CODE, INPUTS = "code", "inputs"  # what a head stands on
RECONSTRUCTIONS = ("squared_error", "cross_entropy")


@dataclass
class Network(Settings):
    """What an autoencoder looks like."""

    hidden: list[int] = setting(
        [256],
        "sizes of the fully connected layers; the last one is the code size",
        at_least=1,
        at_most=MOST_LAYERS,
    )
    channels: list[int] = setting(
        [], "channels of convolutions before them, each halving the picture", at_most=MOST_LAYERS
    )
    activation: str = setting(
        "sigmoid", "pointwise activation after every encoder layer", choices=tuple(ACTIVATIONS)
    )
    tied: bool = setting(True, "whether the decoder's weights are the encoder's, transposed")
    reconstruction: str = setting(
        "squared_error", "what compares input and reconstruction", choices=RECONSTRUCTIONS
    )
