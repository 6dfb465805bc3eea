"""Any encoder, exact."""

from dataclasses import dataclass
from typing import Any

from contractive.settings import Settings, setting


@dataclass
class Autodiff(Settings):
    """Settings of :func:`contractive.penalties.kernels.autodiff.autodiff`."""

    side: str = setting(
        "auto", "random directions or basis vectors of which side", choices=("auto", "input", "code")
    )
    memory_mib: int = setting(512, "what the derivatives may take at a time, in MiB", low=1)

    def __call__(self, encoder: Any, x: Any, generator: Any = None) -> Any:
        """Code and penalty of a batch."""
        from contractive.penalties.kernels.autodiff import autodiff

        return autodiff(encoder, x, side=self.side, memory_mib=self.memory_mib)
