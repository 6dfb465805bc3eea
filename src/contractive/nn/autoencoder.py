"""The autoencoder as a plain module: what encodes and decodes, without anything that trains it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from contractive.nn.layers import Decoder, make_encoder
from contractive.nn.scaling import Scaler, to_float
from contractive.nn.settings import Network


class Autoencoder(nn.Module):
    """An encoder ``f``, its mirror image ``g``, and the scaling of the data in front of them.

    Inputs and reconstructions are in the data's own units. They may be tensors or numpy arrays of any real
    type, on any device; the model's own type and device are what they become.

    Args:
        input_shape: shape of one example, such as ``(1, 28, 28)``.
        scaled: whether inputs are scaled first, by ``scaler``, which is yet to be fitted.
        **settings: those of :class:`contractive.nn.settings.Network`.

    Raises:
        ValueError: if there is no such setting, or its value is not what it may be.

    >>> model = Autoencoder((1, 8, 8), hidden=[16])
    >>> x = torch.randint(0, 256, (5, 1, 8, 8), dtype=torch.uint8)
    >>> model.encode(x).shape, model(x).shape
    (torch.Size([5, 16]), torch.Size([5, 1, 8, 8]))
    """

    def __init__(self, input_shape: Sequence[int], scaled: bool = False, **settings: Any) -> None:
        super().__init__()
        network = Network.of(settings)
        self.input_shape = tuple(input_shape)
        self.code_size = network.hidden[-1]
        self.reconstruction = network.reconstruction
        self.encoder = make_encoder(self.input_shape, network.hidden, network.activation, network.channels)
        self.decoder = Decoder(self.encoder, self.input_shape, network.activation, tied=network.tied)
        self.scaler = Scaler(self.input_shape) if scaled else None

    def scale(self, x: Tensor | np.ndarray) -> Tensor:
        """What the encoder sees of inputs ``(batch, *input_shape)``, in the model's type and on its device.

        Bytes are taken from 0…255 to [0, 1]; the scaling that was fitted to the training data comes after.

        Raises:
            ValueError: if the inputs have another shape than the model was built for, or are no real numbers.
        """
        x = _tensor("x", x, self.input_shape)
        own = next(self.parameters())
        # To the device first: bytes are a quarter of what they become.
        floats = to_float(x.to(own.device), own.dtype)
        return floats if self.scaler is None else self.scaler(floats)

    def encode(self, x: Tensor | np.ndarray) -> Tensor:
        """The code ``(batch, code_size)`` of inputs ``(batch, *input_shape)``."""
        return self.encoder(self.scale(x))

    def decode(self, code: Tensor | np.ndarray) -> Tensor:
        """The reconstruction ``(batch, *input_shape)``, in the data's own units, of codes.

        Raises:
            ValueError: if the codes have another size than this model's, or are no real numbers.
        """
        output = self.decoder(_tensor("code", code, (self.code_size,)).to(next(self.parameters())))
        if self.reconstruction == "cross_entropy":
            output = output.sigmoid()
        return output if self.scaler is None else self.scaler.inverse(output)

    def forward(self, x: Tensor | np.ndarray) -> Tensor:
        """The reconstruction of inputs ``(batch, *input_shape)``."""
        return self.decode(self.encode(x))


def _tensor(name: str, given: Tensor | np.ndarray, shape: tuple[int, ...]) -> Tensor:
    """A batch of examples of a shape as a tensor, in the type in which they are given."""
    array = given if isinstance(given, Tensor | np.ndarray) else np.asarray(given)
    if tuple(array.shape[1:]) != shape or not array.ndim:
        wanted = ", ".join(map(str, ("batch", *shape)))
        raise ValueError(f"{name} has the shape {tuple(array.shape)}; this model was built for ({wanted})")
    real = not array.is_complex() if isinstance(array, Tensor) else array.dtype.kind in "biuf"
    if not real or array.dtype.itemsize > 8:
        raise ValueError(
            f"{name} holds values of the type {str(array.dtype).removeprefix('torch.')}:"
            " give floats of at most 64 bits, integers, booleans, or bytes"
        )
    if isinstance(array, Tensor):
        return array
    # In torch an array has the machine's byte order and no negative strides.
    return torch.tensor(np.ascontiguousarray(array, array.dtype.newbyteorder("=")))
