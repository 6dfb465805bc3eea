"""What the autoencoder makes of inputs that noise has moved off the data."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from contractive.nn.corruption import corrupt


def corrupted_reconstructions(
    model: Callable[[Tensor], Tensor], x: Tensor, corruptions: Sequence[tuple[str, float]], seed: int
) -> Tensor:
    """Return corrupted inputs beside their reconstructions.

    An encoder that contracts around the data takes a corrupted input to nearly the code of the clean one,
    whose reconstruction is then clean.

    Args:
        model: maps ``(batch, *input_shape)`` to reconstructions of the same shape.
        x: ``(batch, *input_shape)``.
        corruptions: kind and amount of each, as :func:`contractive.nn.corruption.corrupt` takes them.
        seed: what the noise is drawn from; the same on every device.

    Returns:
        ``(corruptions, 2, batch, *input_shape)``: the input first, its reconstruction second.

    >>> pairs = corrupted_reconstructions(torch.neg, torch.ones(2, 3), [("masking", 0.0)], seed=0)
    >>> pairs[0, 0, 0], pairs[0, 1, 0]
    (tensor([1., 1., 1.]), tensor([-1., -1., -1.]))
    """
    generator = torch.Generator().manual_seed(seed)
    pairs = []
    for kind, amount in corruptions:
        corrupted = corrupt(x.cpu(), kind, amount, generator).to(x.device)
        with torch.no_grad():
            pairs.append(torch.stack([corrupted, model(corrupted)]))
    return torch.stack(pairs)
