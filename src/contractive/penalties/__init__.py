"""The contraction penalty ``‖J_f(x)‖²_F`` and its kin as pure functions of an encoder and a batch.

The functions load on first use, so that their settings can be checked without torch.
"""

from importlib import import_module
from typing import Any

__all__ = [
    "adversarial_penalty",
    "contraction_penalty",
    "hessian_penalty",
    "spectral_penalty",
    "tangent_propagation_penalty",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(f"{__name__}.{name.removesuffix('_penalty')}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
