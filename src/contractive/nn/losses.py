"""The reconstruction term of the objective."""

import torch.nn.functional as F
from torch import Tensor

from contractive.nn.settings import RECONSTRUCTIONS
from contractive.settings import check_choice


def reconstruction_loss(output: Tensor, x: Tensor, kind: str) -> Tensor:
    """The reconstruction loss of each example, summed over its features: ``(batch,)``.

    ``squared_error``: ``Σ_i (x_i − x̂_i)²`` with ``x̂`` the decoder's output. ``cross_entropy``:
    ``−Σ_i x_i log x̂_i + (1−x_i) log(1−x̂_i)`` with ``x̂ = sigmoid(output)``, computed from the logits
    (Rifai et al., ICML 2011, section 2). The decoder's ``output`` and ``x`` are
    ``(batch, *input_shape)``; ``x`` is in [0, 1] for the cross-entropy.

    Raises:
        ValueError: if the shapes differ or ``kind`` is neither.

    >>> import torch
    >>> reconstruction_loss(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 0.0]]), "squared_error")
    tensor([5.])
    """
    check_choice("kind", kind, RECONSTRUCTIONS)
    if output.shape != x.shape:
        raise ValueError(
            f"the output has shape {tuple(output.shape)} and x has {tuple(x.shape)}: they must agree"
        )
    loss = F.mse_loss if kind == "squared_error" else F.binary_cross_entropy_with_logits
    return loss(output, x, reduction="none").flatten(1).sum(1)
