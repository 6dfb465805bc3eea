"""Any encoder, biased by the order of sigma squared, in the least memory."""

from dataclasses import dataclass
from typing import Any

from contractive.settings import Settings, setting


@dataclass
class FiniteDifference(Settings):
    """Settings of :func:`contractive.penalties.kernels.finite_difference.finite_difference`."""

    sigma: float = setting(0.01, "standard deviation of the noise, in units of x", above=0)
    probes: int = setting(1, "draws for each example", low=1)

    def __call__(self, encoder: Any, x: Any, generator: Any = None) -> Any:
        """Code and penalty of a batch."""
        from contractive.penalties.kernels.finite_difference import finite_difference

        return finite_difference(encoder, x, sigma=self.sigma, probes=self.probes, generator=generator)
