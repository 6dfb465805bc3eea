"""Any encoder, unbiased."""

from dataclasses import dataclass
from typing import Any

from contractive.settings import Settings, setting


@dataclass
class Hutchinson(Settings):
    """Settings of :func:`contractive.penalties.kernels.hutchinson.hutchinson`."""

    probes: int = setting(1, "random directions for each example", low=1)
    distribution: str = setting(
        "rademacher", "of the directions", choices=("rademacher", "gaussian", "orthogonal")
    )
    side: str = setting(
        "auto", "random directions or basis vectors of which side", choices=("auto", "input", "code")
    )
    fraction: float = setting(1.0, "share of the batch it is estimated on", above=0, high=1)

    def __call__(self, encoder: Any, x: Any, generator: Any = None) -> Any:
        """Code and penalty of a batch."""
        from contractive.penalties.kernels.hutchinson import hutchinson

        return hutchinson(
            encoder,
            x,
            probes=self.probes,
            distribution=self.distribution,
            side=self.side,
            fraction=self.fraction,
            generator=generator,
        )
