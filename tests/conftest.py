"""Fixtures shared by all tests."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def mnist_root() -> Path:
    """The folder that holds MNIST/raw, named by the environment variable CONTRACTIVE_DATA."""
    root = os.environ.get("CONTRACTIVE_DATA")
    if not root:
        pytest.skip("CONTRACTIVE_DATA is not set: it names the folder that holds MNIST/raw")
    return Path(root)


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Path]:
    """``python train.py …`` in this process: a new one would import torch for seconds.

    ``train(*arguments, to=NAME)`` returns the directory of the run, or of the sweep with ``-m``.
    """
    from train import main

    def run(*arguments: str, to: str = "run") -> Path:
        directory = tmp_path / to
        key = "hydra.sweep.dir" if "-m" in arguments else "hydra.run.dir"
        chosen = any(argument.startswith(("callbacks=", "--config-path")) for argument in arguments)
        pictures = [] if chosen else ["callbacks=minimal"]
        # Raise, so that tests see what is raised.
        monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
        monkeypatch.setattr("contractive.commands.train.FULL_ERROR", True)
        monkeypatch.setattr(sys, "argv", ["train.py", *arguments, f"{key}={directory}", *pictures])
        main()
        return directory

    return run
