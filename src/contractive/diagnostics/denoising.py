"""What the autoencoder makes of inputs that noise has moved off the data."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from contractive.nn.corruption import corrupt


def corrupted_reconstructions(
    model: Callable[[Tensor], Tensor], x: Tensor, corruptions: Sequence[tuple[str, float]], seed: int
) -> Tensor:
    """Return corrupted inputs and their reconstructions, ``(corruptions, 2, batch, *input_shape)``.

    An encoder that contracts around the data takes a corrupted input to nearly the code of the clean one,
    whose reconstruction is then clean. The ``corruptions`` are pairs of kind and amount, as
    :func:`contractive.nn.corruption.corrupt` takes them; the noise of a ``seed`` is the same on every device.

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
