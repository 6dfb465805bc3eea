"""Any stack of linear layers and activations, exact."""

from dataclasses import dataclass
from typing import Any

from contractive.settings import Settings, setting


@dataclass
class Layerwise(Settings):
    """Settings of :func:`contractive.penalties.kernels.layerwise.layerwise`."""

    memory_mib: int = setting(1024, "what may be kept for the backward pass, in MiB", low=1)

    def __call__(self, encoder: Any, x: Any, generator: Any = None) -> Any:
        """Code and penalty of a batch."""
        from contractive.penalties.kernels.layerwise import layerwise

        return layerwise(encoder, x, memory_mib=self.memory_mib)
