from dataclasses import dataclass

import numpy as np

from contractive.data.examples import Examples
from contractive.data.settings import SCALINGS, Source
from contractive.settings import setting

HIGHEST = 16  # of a pixel, as scikit-learn has them


@dataclass
class Digits(Source):
    """1,797 real handwritten digits of 8×8 pixels; they come with scikit-learn.

    Source: Alpaydin and Kaynak, *Optical Recognition of Handwritten Digits*, UCI repository, 1998.
    """

    scaling: str = setting("none", "pixels are in [0, 1] already", choices=SCALINGS)

    def read(self) -> dict[str, Examples]:
        """All digits, ``(1797, 1, 8, 8)``, their pixels divided by :data:`HIGHEST`, and their labels."""
        from sklearn.datasets import load_digits

        digits = load_digits()
        x = (digits.images / HIGHEST).astype(np.float32)
        return {"train": Examples.of(x[:, None], digits.target)}
