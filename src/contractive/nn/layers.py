"""Encoders and decoders: stacks of affine layers and pointwise activations, tied or not.

Encoders are plain ``nn.Sequential`` of torch's own modules, so that the penalties can read their structure.
"""

from collections.abc import Sequence
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from contractive.nn.activations import make_activation

# A 3×3 kernel with stride 2 and padding 1 halves an image (rounding up) and has a well-defined mirror.
KERNEL, STRIDE, PADDING = 3, 2, 1


def make_encoder(
    input_shape: Sequence[int], hidden: Sequence[int], activation: str, channels: Sequence[int] = ()
) -> nn.Sequential:
    """An encoder ``(batch, *input_shape) -> (batch, hidden[-1])``.

    Each entry of ``channels`` is a convolution that halves the image, each entry of ``hidden`` a fully
    connected layer; the activation follows every one of them, the code included.

    Raises:
        ValueError: if there are ``channels`` and the input is not an image ``(channels, height, width)``.
    """
    layers: list[nn.Module] = []
    shape = tuple(input_shape)
    if channels and len(shape) != 3:
        raise ValueError(
            f"channels={list(channels)} needs images of shape (channels, height, width); the data have the"
            f" shape {shape}: use channels=[] for fully connected layers"
        )
    for width in channels:
        layers += [nn.Conv2d(shape[0], width, KERNEL, STRIDE, PADDING), make_activation(activation)]
        shape = (width, *((size + 1) // 2 for size in shape[1:]))
    layers.append(nn.Flatten())
    size = prod(shape)
    for width in hidden:
        layers += [nn.Linear(size, width), make_activation(activation)]
        size = width
    encoder = nn.Sequential(*layers)
    for parameter in encoder.parameters():
        # Glorot and Bengio (2010), as in the contractive autoencoder's first paper.
        if parameter.ndim > 1:
            nn.init.xavier_uniform_(parameter)
        else:
            nn.init.zeros_(parameter)
    return encoder


class Decoder(nn.Module):
    """The mirror of an encoder: its affine layers transposed and in reverse order.

    The last layer has no activation: its output is the reconstruction for the squared error and the logits
    for the cross-entropy. With ``tied=True`` the weights *are* the encoder's, and only the biases are new:
    with an untied decoder, scaling the encoder down and the decoder up by the same factor lowers the
    penalty without learning anything.
    """

    def __init__(
        self, encoder: nn.Sequential, input_shape: Sequence[int], activation: str, *, tied: bool
    ) -> None:
        super().__init__()
        self.tied = tied
        layers, shapes = [], []
        with torch.no_grad():
            example = next(encoder.parameters()).new_zeros(1, *input_shape)
            for layer in encoder:
                if isinstance(layer, nn.Linear | nn.Conv2d):
                    layers.append(layer)
                    shapes.append(example.shape[1:])
                    example = layer(example.flatten(1) if isinstance(layer, nn.Linear) else example)
        # A tuple keeps the encoder's layers out of this module's parameters: they belong to the encoder.
        self._mirrored = tuple(reversed(layers))
        self._output_shapes = tuple(reversed(shapes))
        self.activation = make_activation(activation)
        self.biases = nn.ParameterList(
            nn.Parameter(layer.weight.new_zeros(layer.weight.shape[1])) for layer in self._mirrored
        )
        self.weights = nn.ParameterList(
            [] if tied else [nn.Parameter(layer.weight.detach().clone()) for layer in self._mirrored]
        )
        for weight in self.weights:
            nn.init.xavier_uniform_(weight)

    def forward(self, code: Tensor) -> Tensor:
        """Map codes ``(batch, code_size)`` to reconstructions or logits ``(batch, *input_shape)``."""
        weights = [layer.weight for layer in self._mirrored] if self.tied else self.weights
        out = code
        for i, (weight, bias, shape) in enumerate(zip(weights, self.biases, self._output_shapes)):
            if weight.ndim == 2:
                out = F.linear(out, weight.t(), bias).unflatten(1, shape)
            else:
                # Both an even and an odd size halve to the same: the padding says which one to return to.
                padding = [1 - size % 2 for size in shape[1:]]
                out = F.conv_transpose2d(out, weight, bias, STRIDE, PADDING, padding)
            if i < len(weights) - 1:
                out = self.activation(out)
        return out
