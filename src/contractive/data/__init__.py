"""Data: sources, splits, loaders."""

from contractive.data.examples import Examples
from contractive.data.loader import BatchLoader
from contractive.data.module import DataModule

__all__ = ["BatchLoader", "DataModule", "Examples"]
