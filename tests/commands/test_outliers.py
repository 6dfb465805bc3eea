"""Strangers among digits."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from sklearn.datasets import load_digits

from contractive import DataModule
from contractive.commands.opening import open_data, open_run
from contractive.commands.outliers import reference_of, scored

DIGITS = (load_digits().images / 16).astype(np.float32)[:, None]


def letter(name):
    figure = Figure(figsize=(1, 1), dpi=64)
    figure.text(0.5, 0.5, name, ha="center", va="center", fontsize=50)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    ink = 255 - np.asarray(canvas.buffer_rgba())[..., 0]
    return np.asarray(Image.fromarray(ink).resize((8, 8), Image.Resampling.BOX), np.float32)[None] / 255


@pytest.fixture(scope="module")
def mixed():
    """A thousand digits and, in places known, twenty letters."""
    x = DIGITS[:1000].copy()
    places = np.sort(np.random.default_rng(0).choice(1020, 20, replace=False))
    x = np.insert(x, places - np.arange(20), [letter(name) for name in "ABCDEFGHJKLMNPQRSTUV"], axis=0)
    return x, places


def test_the_strangers_are_among_the_first(contractive, digits_run, mixed, tmp_path):
    x, places = mixed
    np.save(tmp_path / "x.npy", x)
    said = contractive("outliers", digits_run, tmp_path / "x.npy", "-o", tmp_path / "scores.parquet")
    assert "the worst 1020 of 1020 examples" in said
    scores = pd.read_parquet(tmp_path / "scores.parquet")
    assert set(places) <= set(scores["row"][:40])
    assert scores["score"].is_monotonic_decreasing and sorted(scores["row"]) == list(range(1020))


def test_figures_are_those_of_the_objective_and_percentiles_those_of_the_training_split(
    contractive, digits_run, tmp_path
):
    contractive("outliers", digits_run, "-o", tmp_path / "scores.csv")
    scores, kept = pd.read_csv(tmp_path / "scores.csv"), json.loads((digits_run / "metrics.json").read_text())
    assert scores["reconstruction"].mean() == pytest.approx(kept["test/reconstruction"], rel=1e-5)
    assert scores["penalty"].mean() == pytest.approx(kept["test/penalty"], rel=1e-5)
    data = DataModule("digits")
    data.setup()
    assert scores.sort_values("row")["label"].tolist() == data.split("test").y.tolist()
    for name in ("reconstruction", "penalty"):
        percentiles = scores[f"{name}_percentile"]
        # The test split is like the training split, so its percentiles are spread evenly.
        assert abs(percentiles.mean() - 50) < 10 and percentiles.between(0, 100).all()
        assert scores[[name, f"{name}_percentile"]].corr("spearman").iloc[0, 1] > 0.999


def test_what_is_known_of_the_training_split_is_kept_with_the_run(contractive, digits_run, tmp_path):
    contractive("outliers", digits_run, "-o", tmp_path / "kept.csv")
    moved = shutil.copytree(digits_run, tmp_path / "run")
    # Where it is of another epoch, or gone, it is computed anew from the run's own data.
    other = json.loads((moved / "scores.json").read_text())
    (moved / "scores.json").write_text(json.dumps(other | {"step": other["step"] + 1, "mean": [9.0, 9.0]}))
    contractive("outliers", moved, "-o", tmp_path / "other.csv")
    (moved / "scores.json").unlink()
    contractive("outliers", moved, "-o", tmp_path / "anew.csv")
    kept, other, anew = (pd.read_csv(tmp_path / f"{name}.csv") for name in ("kept", "other", "anew"))
    np.testing.assert_allclose(kept["score"], anew["score"], rtol=1e-3)
    np.testing.assert_array_equal(other["score"], anew["score"])
    shutil.rmtree(moved / ".hydra")
    with pytest.raises(ValueError, match=r"no \.hydra/config\.yaml says what its data were"):
        contractive("outliers", moved, "digits", "-o", tmp_path / "none.csv")


def test_the_worst_alone_are_those_of_all(contractive, digits_run, mixed, tmp_path):
    np.save(tmp_path / "x.npy", np.tile(mixed[0], (9, 1, 1, 1)))  # of more than one piece
    contractive("outliers", digits_run, tmp_path / "x.npy", "-o", tmp_path / "all.csv")
    contractive("outliers", digits_run, tmp_path / "x.npy", "-n", 50, "-o", tmp_path / "some.csv")
    every, some = (pd.read_csv(tmp_path / f"{name}.csv") for name in ("all", "some"))
    np.testing.assert_allclose(some["score"], every["score"][:50], rtol=1e-5)
    said = contractive("outliers", digits_run, tmp_path / "x.npy", "-n", 20, "-o", tmp_path / "worst.png")
    assert "the worst 20 of 9180 examples, each above its reconstruction" in said
    with Image.open(tmp_path / "worst.png") as picture:
        assert picture.width > 500 and picture.height > 300


@pytest.mark.usefixtures("in_pieces")
def test_the_pictures_are_those_of_the_worst(digits_run, mixed, tmp_path):
    np.save(tmp_path / "x.npy", mixed[0][:200])
    opened = open_run(digits_run, "cpu")
    rows = open_data(str(tmp_path / "x.npy"), None, opened)
    table, pictures, _ = scored(opened, rows, reference_of(opened), 20, True)
    np.testing.assert_array_equal(pictures, mixed[0][table["row"].to_numpy()])


def test_examples_that_are_no_pictures_are_not_drawn(contractive, table_run, tumours, tmp_path):
    with pytest.raises(ValueError, match="only pictures can be drawn"):
        contractive("outliers", table_run, tumours, "-o", tmp_path / "worst.png")
