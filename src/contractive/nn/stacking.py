"""Several trained autoencoders, each on the codes of the one before, as the layers of one deep one."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from contractive.nn.autoencoder import Autoencoder


def stacked_settings(models: Sequence[Autoencoder]) -> dict[str, Any]:
    """The settings of the network that has the layers of all, from the input to the last code.

    Raises:
        ValueError: if the models do not fit on each other.
    """
    if not models:
        raise ValueError("models must hold at least one autoencoder")
    first, activations = models[0], {type(model.decoder.activation).__name__ for model in models}
    for number, (below, above) in enumerate(pairwise(models), start=1):
        if above.input_shape != (below.code_size,):
            raise ValueError(
                f"models[{number}] takes examples of the shape {above.input_shape}, and the codes of"
                f" models[{number - 1}] are ({below.code_size},): train it on those"
            )
        if above.scaler is not None:
            raise ValueError(
                f"models[{number}] scales its inputs, which no layer between two others does: train it on the"
                " codes as they are, with data.scaling=none"
            )
    if len(activations) > 1:
        raise ValueError(f"models must have one activation; they have {', '.join(sorted(activations))}")
    hidden = [
        layer.out_features for model in models for layer in _affine(model) if isinstance(layer, nn.Linear)
    ]
    channels = [layer.out_channels for layer in _affine(first) if isinstance(layer, nn.Conv2d)]
    tied = all(model.decoder.tied for model in models)
    return {"hidden": hidden, "channels": channels, "tied": tied, "reconstruction": first.reconstruction}


def copy_layers(models: Sequence[Autoencoder], target: Autoencoder) -> None:
    """Give a network with the settings of :func:`stacked_settings` the weights of all, and the scaling of the
    first."""
    layers = [layer for model in models for layer in _affine(model)]
    # The decoder goes the other way, from the last code to the input.
    biases = [bias for model in reversed(models) for bias in model.decoder.biases]
    weights = [weight for model in reversed(models) for weight in _decoding(model)]
    with torch.no_grad():
        for mine, theirs in zip(_affine(target), layers, strict=True):
            mine.load_state_dict(theirs.state_dict())
        for bias, other in zip(target.decoder.biases, biases, strict=True):
            bias.copy_(other)
        if not target.decoder.tied:
            for weight, other in zip(target.decoder.weights, weights, strict=True):
                weight.copy_(other)
    if target.scaler is not None and models[0].scaler is not None:
        target.scaler.load_state_dict(models[0].scaler.state_dict())


def _affine(model: Autoencoder) -> list[nn.Linear | nn.Conv2d]:
    return [layer for layer in model.encoder if isinstance(layer, nn.Linear | nn.Conv2d)]


def _decoding(model: Autoencoder) -> list[Tensor]:
    """The decoder's weights, from the code to the input."""
    if model.decoder.tied:
        return [layer.weight for layer in reversed(_affine(model))]
    return list(model.decoder.weights)
