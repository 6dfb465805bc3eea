"""Training with Lightning."""

from typing import Any


def __getattr__(name: str) -> Any:
    if name == "fit":
        from contractive.training.fitting import fit

        return fit
    raise AttributeError(f"module 'contractive.training' has no attribute {name!r}")
