"""The figures of the probe on features of known worth."""

import numpy as np
import pytest

from contractive.data.subsets import DRAWS, balanced
from contractive.diagnostics.classifiers import error, linear_probe, neighbours_probe
from contractive.diagnostics.probe import classification, linear_counts, near_counts, regression

EVERYTHING = {"train": 10_000, "val": 10_000, "test": 10_000}


def examples(n, seed, spread=1.5):
    """Three clouds that overlap."""
    random = np.random.default_rng(seed)
    y = random.integers(0, 3, n)
    centres = 3 * np.eye(3, 6)
    return (centres[y] + random.normal(0, spread, (n, 6))).astype(np.float32), y


@pytest.fixture(scope="module")
def seen():
    return {
        "train": examples(600, 0),
        "val": examples(300, 1),
        "test": examples(400, 2),
        "noisy": examples(400, 3, spread=4),
    }


def test_each_figure_is_the_error_of_its_classifier_on_its_examples(seen):
    figures = classification(seen, EVERYTHING, neighbours=3, few=[30], seed=6)
    linear = linear_probe(seen["train"], seen["val"], 6)
    nearest = neighbours_probe(seen["train"], 3)
    expected = {
        "val/probe_error": error(linear, seen["val"]),
        "test/probe_error": error(linear, seen["test"]),
        "test/probe_error_noisy": error(linear, seen["noisy"]),
        "val/knn_error": error(nearest, seen["val"]),
        "test/knn_error": error(nearest, seen["test"]),
    }
    assert {name: figures[name] for name in expected} == expected
    assert set(figures) - set(expected) == {"test/probe_error_30"}
    assert figures["test/probe_error_noisy"] > figures["test/probe_error"] + 10
    assert len({round(value, 3) for value in figures.values()}) == len(figures)


def test_few_labels_are_averaged_over_draws_that_differ(seen):
    x, y = seen["train"]
    draws = [balanced(y, 12, 2 * DRAWS + draw) for draw in range(DRAWS)]
    errors = [error(linear_probe((x[some], y[some]), seen["val"]), seen["test"]) for some in draws]
    assert len(set(errors)) > 1
    found = classification(seen, EVERYTHING, few=[12, 1000], seed=2)
    assert found["test/probe_error_12"] == pytest.approx(np.mean(errors))
    assert "test/probe_error_1000" not in found


def test_few_labels_may_be_those_of_the_first_examples(seen):
    x, y = seen["train"]
    expected = error(linear_probe((x[:30], y[:30]), seen["val"]), seen["test"])
    figures = classification(seen, EVERYTHING, few=[30, 1000], draw="first", seed=2)
    assert figures["test/probe_error_30"] == expected
    assert figures["test/probe_error_30"] != classification(seen, EVERYTHING, few=[30])["test/probe_error_30"]
    assert "test/probe_error_1000" not in figures


def test_neighbours_are_sought_among_no_more_than_are_allowed(seen):
    few = {"train": 20, "val": 50, "test": 60}
    figures = classification(seen, few)
    nearest = neighbours_probe((seen["train"][0][:20], seen["train"][1][:20]))
    for stage, n in (("val", 50), ("test", 60)):
        x, y = seen[stage]
        assert figures[f"{stage}/knn_error"] == error(nearest, (x[:n], y[:n]))
    assert "val/knn_error" not in classification(seen, EVERYTHING | {"train": 3})


def test_regression_explains_what_is_linear_and_not_what_is_noise():
    random = np.random.default_rng(0)
    seen = {}
    for split, noise in (("train", 0), ("val", 0), ("test", 0), ("noisy", 1)):
        x = random.normal(size=(300, 4)).astype(np.float32)
        y = x @ np.array([1.0, -2.0, 0.5, 0.0])
        seen[split] = (x + random.normal(0, noise, x.shape)).astype(np.float32), y
    figures = regression(seen)
    assert figures["val/probe_r2"] > 0.999 and figures["test/probe_r2"] > 0.999
    # Of variance 5.25 the noise adds as much to the guess as the labels have.
    assert figures["test/probe_r2_noisy"] == pytest.approx(0, abs=0.3)


def test_wide_features_and_many_classes_are_paid_for_with_examples():
    assert linear_counts(784, 10)["train"] == 60_000
    assert linear_counts(3072, 100)["train"] * 3072 * 100 == pytest.approx(6e8, rel=1e-3)
    assert near_counts(784)["train"] == 10_000
    assert near_counts(30_000)["train"] * 30_000 * 2_000 == pytest.approx(2e10, rel=1e-2)
