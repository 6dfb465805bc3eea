"""The digits that come with scikit-learn: 1,797 real handwritten digits of 8×8 pixels."""

import torch
from sklearn.datasets import load_digits

from contractive.data.examples import Examples


def read_digits() -> dict[str, Examples]:
    """All digits as ``(1797, 1, 8, 8)`` in [0, 1], with their labels; the splits are for the caller to cut.

    Source: Alpaydin and Kaynak, *Optical Recognition of Handwritten Digits*, UCI repository, 1998.
    """
    digits = load_digits()
    x = torch.from_numpy(digits.images).float().div_(16).unsqueeze(1)
    return {"train": Examples(x, torch.from_numpy(digits.target).long())}
