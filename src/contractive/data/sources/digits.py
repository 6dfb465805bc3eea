"""1,797 real digits of 8×8 pixels; they come with scikit-learn."""

from dataclasses import dataclass
from typing import Any

from contractive.data.settings import Source


@dataclass
class Digits(Source):
    """1,797 real digits of 8×8 pixels; they come with scikit-learn."""

    def read(self) -> Any:
        """All digits, uncut."""
        from contractive.data.readers.digits import read_digits

        return read_digits()
