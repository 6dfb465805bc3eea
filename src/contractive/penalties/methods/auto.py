"""The choice among the methods."""

from dataclasses import dataclass
from typing import Any

from contractive.settings import Settings, setting


@dataclass
class Auto(Settings):
    """Settings of :func:`contractive.penalties.kernels.auto.auto`."""

    max_ratio: float = setting(3.0, "an exact method up to so many plain steps, else hutchinson", above=0)
    probes: int = setting(1, "random directions for each example", low=1)

    def __call__(self, encoder: Any, x: Any, generator: Any = None) -> Any:
        """Code and penalty of a batch."""
        from contractive.penalties.kernels.auto import auto

        return auto(encoder, x, max_ratio=self.max_ratio, probes=self.probes, generator=generator)
