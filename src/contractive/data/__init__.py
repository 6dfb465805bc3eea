"""Data: sources, splits, loaders."""

import contractive.lightning_import  # noqa: F401  (before Lightning)

# isort: split

from contractive.data.examples import Examples
from contractive.data.loader import BatchLoader
from contractive.data.module import DataModule

__all__ = ["BatchLoader", "DataModule", "Examples"]
