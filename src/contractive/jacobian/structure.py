"""Recognises encoders whose derivative can be written down layer by layer.

Only modules of exactly PyTorch's own types count, without hooks and without a replaced ``forward``: a
subclass, a parametrised or weight-normalised layer may compute something else, and is left to the methods
that take any module.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from weakref import ref

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from contractive.jacobian.encoder import Encoder
from contractive.jacobian.pointwise import IDENTITY, Pointwise, pointwise

# Each kind of convolution with the dimensions of a batch for it.
_CONVOLUTIONS: dict[type, int] = {nn.Conv1d: 3, nn.Conv2d: 4, nn.Conv3d: 5}
_DROPOUT = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)

Affine = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d


class Layer(NamedTuple):
    """``activation(affine(x))``; the identity stands in where there is no activation."""

    affine: Affine
    activation: Pointwise

    def before(self, h: Tensor) -> Tensor:
        """The pre-activation ``affine(h)``."""
        return self.affine(h.flatten(1) if isinstance(self.affine, nn.Linear) else h)

    def linear(self, v: Tensor) -> Tensor:
        """``affine(v) − affine(0)``: what the layer does to a direction, without the bias."""
        affine = self.affine
        if isinstance(affine, nn.Linear):
            return F.linear(v.flatten(1), affine.weight)
        convolve = {3: F.conv1d, 4: F.conv2d, 5: F.conv3d}[v.dim()]
        return convolve(v, affine.weight, None, affine.stride, affine.padding, affine.dilation, affine.groups)


class Structure(NamedTuple):
    """An encoder with its layers, None unless it is a stack of affine ones with pointwise activations."""

    encoder: Encoder
    layers: Sequence[Layer] | None

    @property
    def dense(self) -> Sequence[Layer] | None:
        """The layers, None if there is a convolution among them."""
        if self.layers is None or any(type(layer.affine) is not nn.Linear for layer in self.layers):
            return None
        return self.layers


def layers(encoder: Encoder, x: Tensor) -> list[Layer] | None:
    """The encoder as affine layers with pointwise activations, None if it is anything else.

    ``nn.Flatten()`` is not in the list: what a linear layer takes is flattened anyway. Dropout in evaluation
    mode does nothing and is left out too.

    Raises:
        ValueError: ``x`` has not the size or the type that the first layer takes.

    >>> [type(layer.affine).__name__ for layer in layers(nn.Linear(3, 2), torch.ones(5, 3))]
    ['Linear']
    """
    if not isinstance(encoder, nn.Module):
        return None
    found: list[Layer] = []
    flat = x.dim() == 2
    for module in _leaves(encoder):
        kind = type(module)
        if _touched(module):
            return None
        if kind is nn.Identity or (kind in _DROPOUT and not module.training):
            continue
        activation = pointwise(module)
        if kind is nn.Flatten and (module.start_dim, module.end_dim) == (1, -1):
            flat = True
        elif isinstance(module, Affine) and _fits(module, x, flat):
            found.append(Layer(module, IDENTITY))
        elif activation and found and found[-1].activation is IDENTITY:
            found[-1] = Layer(found[-1].affine, activation)
        else:
            return None
    if found:
        _check_fit(found[0].affine, x)
    return found or None


def fingerprint(encoder: nn.Module) -> list[Any]:
    """All that recognising an encoder looks at, to be compared with what it was then.

    Its weak references keep no module alive, and no new module is taken for one that is gone.
    """
    facts: list[Any] = []
    modules, seen = [encoder], {encoder}
    for module in modules:  # grows on the way
        own = vars(module)
        facts += (ref(module), type(module), module.training, _touched(module))
        facts += own.get("padding_mode"), own.get("start_dim"), own.get("end_dim")
        facts.append(module._buffers.get("running_mean") is None)
        for parameter in module._parameters.values():
            if type(parameter) is nn.Parameter:  # a lazy one has no shape
                facts += (parameter.shape, parameter.dtype)
        for child in module._modules.values():
            if child is not None and child not in seen:
                seen.add(child)
                modules.append(child)
    return facts


def _touched(module: nn.Module) -> bool:
    before, after = module._forward_pre_hooks, module._forward_hooks
    return bool(
        before or after or module._backward_pre_hooks or module._backward_hooks or "forward" in vars(module)
    )


def _leaves(module: nn.Module) -> Iterator[nn.Module]:
    if type(module) is nn.Sequential and not _touched(module):
        for child in module:
            yield from _leaves(child)
    else:
        yield module


def _fits(affine: Affine, x: Tensor, flat: bool) -> bool:
    """Whether it is PyTorch's own and maps one vector, or one picture, per example."""
    if isinstance(affine, nn.Linear):
        return type(affine) is nn.Linear and flat
    return not flat and x.dim() == _CONVOLUTIONS.get(type(affine)) and affine.padding_mode == "zeros"


def _check_fit(affine: Affine, x: Tensor) -> None:
    if isinstance(affine, nn.Linear):
        takes, has, what = affine.in_features, math.prod(x.shape[1:]), "features"
    else:
        takes, has, what = affine.in_channels, x.shape[1], "channels"
    if takes != has:
        raise ValueError(
            f"x must have {takes} {what} per example, as the encoder takes, got {has} in {tuple(x.shape)}"
        )
    if affine.weight.dtype != x.dtype and not torch.is_autocast_enabled(x.device.type):
        raise ValueError(f"x must be of the encoder's type {affine.weight.dtype}, got {x.dtype}")
