"""Two trained runs, and the program in this process."""

import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer

from contractive.commands.program import main
from contractive.training import fit


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory):
    """A run on the digits."""
    directory = tmp_path_factory.mktemp("digits") / "run"
    run = fit({"trainer": {"max_epochs": 20}, "probe": {"enabled": False}}, directory=directory)
    run.last.unlink()  # a directory stands for its best checkpoint
    return directory


@pytest.fixture(scope="session")
def tumours(tmp_path_factory):
    """A table with ids, labels of text, and columns of numbers, on scales of their own."""
    data = load_breast_cancer(as_frame=True)
    frame = data.data.copy()
    frame.insert(0, "patient", [f"p{i}" for i in range(len(frame))])
    frame["diagnosis"] = np.array(["malignant", "benign"])[data.target]
    path = tmp_path_factory.mktemp("table") / "tumours.csv"
    frame.to_csv(path, index=False)
    return path


@pytest.fixture(scope="session")
def table_run(tumours):
    """A run on the table."""
    settings = {"data": {"source": "table", "path": str(tumours), "label": "diagnosis", "drop": ["patient"]}}
    # Splits by a seed of its own, and figures that depend on it.
    model = {"hidden": [12], "penalty": {"method": "hutchinson"}}
    settings |= {"seed": 3, "model": model, "trainer": {"max_epochs": 3}, "probe": {"enabled": False}}
    fit(settings, directory=tumours.parent / "run")
    return tumours.parent / "run"


@pytest.fixture(scope="session")
def head_run(table_run):
    """A head on the encoder of the run on the table."""
    head = {"enabled": True, "hidden": [6], "batch_norm": True, "dropout": 0.2}
    settings = {"encoder": str(table_run), "head": head, "seed": 3, "probe": {"enabled": False}}
    fit(settings | {"trainer": {"max_epochs": 3}}, directory=table_run.parent / "head")
    return table_run.parent / "head"


@pytest.fixture(scope="session")
def pixels_run(tmp_path_factory):
    """A head on the pixels of the digits themselves."""
    directory = tmp_path_factory.mktemp("pixels") / "run"
    settings = {"head": {"enabled": True, "on": "inputs"}, "probe": {"enabled": False}}
    fit(settings | {"trainer": {"max_epochs": 1}}, directory=directory)
    return directory


@pytest.fixture
def table(tumours):
    """The table in memory."""
    return pd.read_csv(tumours)


@pytest.fixture
def in_pieces(monkeypatch):
    """Data are looked at in pieces of 32 examples."""
    monkeypatch.setattr("contractive.data.named.piece_size", lambda shape: 32)


@pytest.fixture
def contractive(monkeypatch, capsys):
    """``contractive …``; returns what it printed."""

    def contractive(*arguments):
        monkeypatch.setattr(sys, "argv", ["contractive", *map(str, arguments)])
        # Raise, so that tests see what is raised.
        monkeypatch.setattr("contractive.commands.errors.FULL_ERROR", True)
        capsys.readouterr()
        main()
        return capsys.readouterr().out

    return contractive
