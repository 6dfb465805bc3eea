"""The settings of a network."""

from dataclasses import dataclass

from contractive.settings import Settings, setting

ACTIVATIONS = ("sigmoid", "tanh", "softplus", "relu", "elu", "gelu", "silu", "identity")
RECONSTRUCTIONS = ("squared_error", "cross_entropy")


@dataclass
class Network(Settings):
    """What an autoencoder looks like."""

    hidden: list[int] = setting(
        [256], "sizes of the fully connected layers; the last one is the code size", at_least=1
    )
    channels: list[int] = setting([], "channels of convolutions before them, each halving the picture")
    activation: str = setting(
        "sigmoid", "pointwise activation after every encoder layer", choices=ACTIVATIONS
    )
    tied: bool = setting(True, "whether the decoder's weights are the encoder's, transposed")
    reconstruction: str = setting(
        "squared_error", "what compares input and reconstruction", choices=RECONSTRUCTIONS
    )
