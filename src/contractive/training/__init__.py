"""Training with Lightning: :func:`fit` makes a run."""

from typing import Any

__all__ = ["fit"]


def __getattr__(name: str) -> Any:
    if name == "fit":
        # On first use: the settings beside it are read before torch and Lightning are imported.
        from contractive.training.fitting import fit

        return fit
    raise AttributeError(f"module 'contractive.training' has no attribute {name!r}")
