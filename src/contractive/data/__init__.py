"""Data: sources, splits, loaders; no Lightning."""
