"""Recognises encoders whose derivative can be written down layer by layer.

Only modules of exactly PyTorch's own types count, without hooks and without a replaced ``forward``: a
subclass, a parametrised or weight-normalised layer may compute something else, and is left to the methods
that take any module.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from contractive.nn.activations import IDENTITY, Pointwise, pointwise

Encoder = Callable[[Tensor], Tensor]

# Each kind of convolution with the dimensions of a batch for it.
_CONVOLUTIONS: dict[type, int] = {nn.Conv1d: 3, nn.Conv2d: 4, nn.Conv3d: 5}
_DROPOUT = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)


Affine = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d


class Layer(NamedTuple):
    """``activation(affine(x))``; the identity stands in where there is no activation."""

    affine: Affine
    activation: Pointwise


def uncompiled(encoder: Encoder) -> Encoder:
    """The module that was given to ``torch.compile``, whose result has no second derivative."""
    original = getattr(encoder, "_orig_mod", None)
    return encoder if original is None else original


def pre_activation(layer: Layer, h: Tensor) -> Tensor:
    """``affine(h)``."""
    return layer.affine(h.flatten(1) if isinstance(layer.affine, nn.Linear) else h)


def linear_part(layer: Layer, v: Tensor) -> Tensor:
    """``affine(v) − affine(0)``: what the layer does to a direction, without the bias."""
    affine = layer.affine
    if isinstance(affine, nn.Linear):
        return F.linear(v.flatten(1), affine.weight)
    convolve = {3: F.conv1d, 4: F.conv2d, 5: F.conv3d}[v.dim()]
    return convolve(v, affine.weight, None, affine.stride, affine.padding, affine.dilation, affine.groups)


def _untouched(module: nn.Module) -> bool:
    hooks = (
        module._forward_hooks,
        module._forward_pre_hooks,
        module._backward_hooks,
        module._backward_pre_hooks,
    )
    return not any(hooks) and "forward" not in vars(module)


def _leaves(module: nn.Module) -> Iterator[nn.Module]:
    if type(module) is nn.Sequential and _untouched(module):
        for child in module:
            yield from _leaves(child)
    else:
        yield module


def _fits(affine: Affine, x: Tensor, flat: bool) -> bool:
    """Whether it is PyTorch's own and maps one vector, or one picture, per example."""
    if isinstance(affine, nn.Linear):
        return type(affine) is nn.Linear and flat
    return not flat and x.dim() == _CONVOLUTIONS.get(type(affine)) and affine.padding_mode == "zeros"


def layers(encoder: Encoder, x: Tensor) -> list[Layer] | None:
    """The encoder as affine layers with pointwise activations, None if it is anything else.

    ``nn.Flatten()`` is not in the list: what a linear layer takes is flattened anyway. Dropout in evaluation
    mode does nothing and is left out too.

    Raises:
        ValueError: ``x`` has not the size or the type that the first layer takes.

    >>> import torch
    >>> [type(layer.affine).__name__ for layer in layers(nn.Linear(3, 2), torch.ones(5, 3))]
    ['Linear']
    """
    if not isinstance(encoder, nn.Module):
        return None
    found: list[Layer] = []
    flat = x.dim() == 2
    for module in _leaves(encoder):
        kind = type(module)
        if not _untouched(module):
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


def dense_layers(encoder: Encoder, x: Tensor) -> list[Layer] | None:
    """Like ``layers``, but None if there is a convolution among them."""
    found = layers(encoder, x)
    return found if found and all(type(layer.affine) is nn.Linear for layer in found) else None
