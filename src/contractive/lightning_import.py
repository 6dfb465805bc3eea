"""Imports Lightning without torchvision.

Lightning imports torchmetrics, and that imports torchvision wherever it is installed, for metrics that nobody
uses here. That takes its time, and fails where torchvision was built for another torch; then nothing would
train, not even on data that need no torchvision. So while Lightning is first imported, torchvision seems
not to be installed. Import this module before Lightning.
"""

import sys
from importlib.metadata import PackageNotFoundError
from unittest.mock import patch

import lightning_utilities.core.imports as requirements

_version = requirements._version


def _version_without_torchvision(name: str) -> str:
    if name == "torchvision":
        raise PackageNotFoundError(name)
    return _version(name)


if "lightning" not in sys.modules and "torchvision" not in sys.modules:
    sys.modules["torchvision"] = None  # type: ignore[assignment]  # what Python takes for "cannot be imported"
    try:
        with patch.object(requirements, "_version", _version_without_torchvision):
            import lightning.pytorch  # noqa: F401
    finally:
        del sys.modules["torchvision"]
