"""The autoencoder as a plain module: what encodes and decodes, without anything that trains it."""

import logging
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from contractive.nn.kinds import as_tensor, in_kind, is_frame
from contractive.nn.layers import Decoder, make_encoder
from contractive.nn.scaling import Scaler, to_float
from contractive.nn.settings import Network
from contractive.settings import check_sizes

log = logging.getLogger(__name__)
Kind = TypeVar("Kind")  # a tensor, an array or a pandas DataFrame


class Autoencoder(nn.Module):
    """An encoder ``f``, its mirror image ``g``, and the scaling of the data in front of them.

    Inputs and reconstructions are in the data's own units. They may be tensors on any device, numpy arrays or
    pandas ``DataFrame``s, of any real type; ``encode``, ``decode`` and ``reconstruct`` answer in kind: with
    tensors that have a graph and are on the model's device, with arrays, with a ``DataFrame`` of the same
    index; all of the model's own type.

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
    >>> model.encode(x.numpy()).shape, model.reconstruct(x.numpy()).dtype
    ((5, 16), dtype('uint8'))
    """

    #: Names of the values of an example, in order, where the training data had names.
    columns: Sequence[str] | None = None
    #: The smallest and the largest value of the training data, as floats, where that is known.
    trained_range: tuple[float, float] | None = None
    #: Names of the classes in the order of their numbers, where the training data had names for them.
    classes: Sequence[str] | None = None

    def __init__(self, input_shape: Sequence[int], scaled: bool = False, **settings: Any) -> None:
        super().__init__()
        network = Network.of(settings)
        check_sizes("input_shape", input_shape)
        self.input_shape = tuple(input_shape)
        self.code_size = network.hidden[-1]
        self.reconstruction = network.reconstruction
        self.encoder = make_encoder(self.input_shape, network.hidden, network.activation, network.channels)
        self.decoder = Decoder(self.encoder, self.input_shape, network.activation, tied=network.tied)
        self.scaler = Scaler(self.input_shape) if scaled else None

    @property
    def code_names(self) -> list[str]:
        """What the values of a code are called in a table."""
        return [f"code{unit}" for unit in range(self.code_size)]

    def scale(self, x: Any) -> Tensor:
        """What the encoder sees of inputs ``(batch, *input_shape)``, in the model's type and on its device.

        Bytes are taken from 0…255 to [0, 1]; the scaling that was fitted to the training data comes after.

        Raises:
            ValueError: if the inputs have another shape than the model was built for, or are no real numbers.
        """
        x = as_tensor("x", x, self.input_shape, self.columns)
        own = next(self.parameters())
        # To the device first: bytes are a quarter of what they become.
        floats = to_float(x.to(own.device), own.dtype)
        return floats if self.scaler is None else self.scaler(floats)

    def encode(self, x: Kind) -> Kind:
        """The code ``(batch, code_size)`` of inputs ``(batch, *input_shape)``, in the kind of ``x``.

        Raises:
            ValueError: if the inputs have another shape than the model was built for, or are no real numbers.
        """
        known = self._known(x)
        result: Kind = in_kind(lambda x: self.encoder(self.scale(x)), known, x, self.code_names)
        return result

    def decode(self, code: Kind) -> Kind:
        """The reconstruction ``(batch, *input_shape)`` of codes, in the kind of ``code``.

        What were bytes in training are floats in [0, 1] here.

        Raises:
            ValueError: if the codes have another size than this model's, or are no real numbers.
        """
        known = as_tensor("code", code, (self.code_size,), self.code_names).to(next(self.parameters()))
        result: Kind = in_kind(self._decode, known, code, self.columns)
        return result

    def reconstruct(self, x: Kind) -> Kind:
        """What the autoencoder makes of inputs ``(batch, *input_shape)``, in the kind of ``x``.

        Bytes give bytes. Raises as :meth:`encode` does.
        """
        known = self._known(x)
        names = self.columns or (x.columns if is_frame(x) else None)  # type: ignore[attr-defined]
        result: Kind = in_kind(self._like, known, x, names)
        return result

    def forward(self, x: Tensor | np.ndarray) -> Tensor:
        """The reconstruction of inputs ``(batch, *input_shape)``, as a tensor of floats."""
        return self._decode(self.encoder(self.scale(x)))

    def check_units(self, x: Tensor) -> None:
        """Say in the log if inputs lie farther beyond the training data than these are apart.

        They are in other units then, more likely than not. Nothing is said where that range is not known.
        """
        if self.trained_range is None or not x.numel():
            return
        (low, high), (least, most) = self.trained_range, (value.item() for value in to_float(x).aminmax())
        if least < 2 * low - high or most > 2 * high - low:
            log.warning(
                "x has values from %g to %g, the training data had %g to %g: are the units the same?",
                *(least, most, low, high),
            )

    def _known(self, x: Any) -> Tensor:
        known = as_tensor("x", x, self.input_shape, self.columns)
        if not isinstance(x, Tensor):  # to look at the values of a tensor is to wait for its device
            self.check_units(known)
        return known

    def _decode(self, code: Tensor) -> Tensor:
        output: Tensor = self.decoder(code)
        if self.reconstruction == "cross_entropy":
            output = output.sigmoid()
        return output if self.scaler is None else self.scaler.inverse(output)

    def _like(self, x: Tensor) -> Tensor:
        floats = self(x)
        return (floats * 255).round().clamp(0, 255).to(x.dtype) if x.dtype == torch.uint8 else floats
