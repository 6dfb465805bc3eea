"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def mnist_root() -> Path:
    """The folder that holds MNIST/raw, named by the environment variable CONTRACTIVE_DATA."""
    root = os.environ.get("CONTRACTIVE_DATA")
    if not root:
        pytest.skip("CONTRACTIVE_DATA is not set: it names the folder that holds MNIST/raw")
    return Path(root)
