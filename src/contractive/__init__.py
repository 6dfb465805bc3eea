"""Contractive autoencoders: codes that respond to the few directions along which the data vary.

The public names load on first use, so that what needs no tensors (configuration checks, ``train.py
--help``) does not wait for torch.
"""

from importlib import import_module
from importlib.metadata import version
from typing import Any

_HOME = {
    "Autoencoder": "contractive.nn.autoencoder",
    "ContractiveAutoencoder": "contractive.training.module",
    "DataModule": "contractive.training.datamodule",
    "adversarial_penalty": "contractive.penalties",
    "contraction_penalty": "contractive.penalties",
    "hessian_penalty": "contractive.penalties",
    "load_autoencoder": "contractive.runs.checkpoints",
    "loss": "contractive.objective",
    "spectral_penalty": "contractive.penalties",
    "tangent_propagation_penalty": "contractive.penalties",
}

__all__ = [
    "Autoencoder",
    "ContractiveAutoencoder",
    "DataModule",
    "adversarial_penalty",
    "contraction_penalty",
    "hessian_penalty",
    "load_autoencoder",
    "loss",
    "spectral_penalty",
    "tangent_propagation_penalty",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return version("contractive")
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'contractive' has no attribute {name!r}")
