"""The probe's figures, from the codes that the program writes."""

import json

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from contractive.diagnostics.classifiers import linear_probe
from contractive.training import fit

SPLITS = {"train": slice(0, 1000), "val": slice(1000, 1400), "test": slice(1400, None)}


@pytest.fixture(scope="module")
def probed(tmp_path_factory):
    """A run with files for its splits, and these."""
    folder, digits = tmp_path_factory.mktemp("probed"), load_digits()
    for name, rows in SPLITS.items():
        np.savez(
            folder / f"{name}.npz", x=(digits.images[rows] / 16).astype(np.float32), y=digits.target[rows]
        )
    paths = {"path": folder / "train.npz", "val_path": folder / "val.npz", "test_path": folder / "test.npz"}
    settings = {
        "data": {"source": "array", **{name: str(path) for name, path in paths.items()}},
        "model": {"hidden": [20]},
        "trainer": {"max_epochs": 2},
        "probe": {"labels": [100]},
        "seed": 4,
    }
    return fit(settings, directory=folder / "run").directory


def test_they_are_scikit_learns_on_the_codes_that_encode_writes(contractive, probed, tmp_path):
    seen = {}
    for name in SPLITS:
        contractive("encode", probed, probed.parent / f"{name}.npz", "-o", tmp_path / f"{name}.npz")
        written = np.load(tmp_path / f"{name}.npz")
        seen[name] = written["codes"], written["label"]
    strength = linear_probe(seen["train"], seen["val"], 4)[-1].C
    centre, spread = seen["train"][0].mean(0), np.sqrt(seen["train"][0].var(0).mean())
    linear = LogisticRegression(C=strength, tol=1e-3)
    linear.fit((seen["train"][0] - centre) / spread, seen["train"][1])
    nearest = KNeighborsClassifier(5).fit(*seen["train"])
    figures = json.loads((probed / "metrics.json").read_text())
    for stage in ("val", "test"):
        x, y = seen[stage]
        by_hand = 100 * np.mean(linear.predict((x - centre) / spread) != y)
        assert figures[f"{stage}/probe_error"] == pytest.approx(by_hand)
        assert figures[f"{stage}/knn_error"] == pytest.approx(100 * np.mean(nearest.predict(x) != y))


def test_evaluate_finds_them_again_to_the_last_digit(contractive, probed, tmp_path):
    contractive("evaluate", probed, "-o", tmp_path / "figures.json")
    found = json.loads((tmp_path / "figures.json").read_text())
    assert {"val/probe_error", "test/probe_error_noisy", "test/probe_error_100_raw"} <= found.keys()
    assert found.items() <= json.loads((probed / "metrics.json").read_text()).items()
