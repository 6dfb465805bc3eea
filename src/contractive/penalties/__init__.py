"""The contraction penalty ``‖J_f(x)‖²_F`` as pure functions of an encoder and a batch.

The functions load on first use, so that their settings can be checked without torch.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "contraction_penalty": "contractive.penalties.contraction",
    "hessian_penalty": "contractive.penalties.hessian",
}

__all__ = ["contraction_penalty", "hessian_penalty"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
