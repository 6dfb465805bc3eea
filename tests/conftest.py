"""Fixtures shared by all tests."""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# Two threads wait for each other longer than they work on models as small as these; on a busy machine, where
# one of them is not running, a hundred times as long. Before torch is imported, and for what tests start too.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def mnist_root() -> Path:
    """The folder that holds MNIST/raw, named by the environment variable CONTRACTIVE_DATA."""
    root = os.environ.get("CONTRACTIVE_DATA")
    if not root:
        pytest.skip("CONTRACTIVE_DATA is not set: it names the folder that holds MNIST/raw")
    return Path(root)


SRC = str(Path(__file__).parents[1] / "src")


@pytest.fixture(scope="session", autouse=True)
def this_tree() -> Iterator[None]:
    """Processes that a test starts import the tree that the test stands in, whatever is installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", SRC, prepend=os.pathsep)
        yield


@pytest.fixture(scope="session", autouse=True)
def heard_signals() -> Iterator[None]:
    """Hear signals as in a terminal, also where the tests run under ``nohup`` or in the background."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """What Hydra has told to print and to write into a run's log does not hear of the next test."""
    before = logging.root.handlers[:]
    yield
    for handler in logging.root.handlers[:]:
        if handler not in before:
            logging.root.removeHandler(handler)
            handler.close()


@pytest.fixture
def run_without_torch(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """``python …`` in a process of its own, in which whoever imports torch fails."""
    folder = tmp_path_factory.mktemp("no_torch")
    (folder / "torch.py").write_text("raise SystemError('torch was imported')")
    environment = {"PYTHONPATH": os.pathsep.join([str(folder), SRC]), "HYDRA_FULL_ERROR": "0"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=Path(__file__).parents[1],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Path]:
    """``python train.py …`` in this process: a new one would import torch for seconds.

    ``train(*arguments, to=NAME)`` returns the directory of the run, or of the sweep with ``-m``. What takes
    time and is not asked for, pictures and the probe, is left out.
    """
    from train import main

    def run(*arguments: str, to: str = "run") -> Path:
        directory = tmp_path / to
        key = "hydra.sweep.dir" if "-m" in arguments else "hydra.run.dir"
        chosen = any(argument.startswith(("callbacks=", "--config-path")) for argument in arguments)
        probed = any(argument.startswith(("probe", "--config-path")) for argument in arguments)
        without = [*([] if chosen else ["callbacks=minimal"]), *([] if probed else ["probe=none"])]
        # Raise, so that tests see what is raised.
        monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
        monkeypatch.setattr("contractive.commands.train.FULL_ERROR", True)
        monkeypatch.setattr(sys, "argv", ["train.py", *arguments, f"{key}={directory}", *without])
        main()
        return directory

    return run
