"""The classifiers of the probe, against scikit-learn used by hand and formulas."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import r2_score

from contractive.diagnostics.classifiers import (
    CHOSEN_ON,
    STRENGTHS,
    error,
    linear_probe,
    neighbours_probe,
    ridge_probe,
    standard_error,
)


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    x = x.astype(np.float32)
    return (x[:600], y[:600]), (x[600:1000], y[600:1000]), (x[1000:], y[1000:])


@pytest.mark.filterwarnings("error")
def test_the_linear_probe_is_the_logistic_regression_that_validation_chooses(digits):
    train, val, test = digits
    centre, spread = train[0].mean(0), np.sqrt(train[0].var(0).mean())
    x, x_val, x_test = ((part[0] - centre) / spread for part in digits)
    by_hand = LogisticRegression(tol=1e-3, warm_start=True)
    tried = (by_hand.set_params(C=strength).fit(x, train[1]) for strength in STRENGTHS)
    wrong = [np.mean(fitted.predict(x_val) != val[1]) for fitted in tried]
    lowest = min(wrong)
    within = [w <= lowest + np.sqrt(lowest * (1 - lowest) / len(x_val)) for w in wrong]
    strength = STRENGTHS[within.index(True)]
    assert strength not in (STRENGTHS[0], STRENGTHS[-1])
    probe = linear_probe(train, val)
    assert strength == probe[-1].C
    by_hand = LogisticRegression(C=strength, tol=1e-3).fit(x, train[1])
    assert error(probe, test) == pytest.approx(100 * np.mean(by_hand.predict(x_test) != test[1]))
    # What its loose tolerance costs.
    converged = LogisticRegression(C=strength, tol=1e-6, max_iter=1000).fit(x, train[1])
    assert error(probe, test) == pytest.approx(100 * np.mean(converged.predict(x_test) != test[1]), abs=0.5)


def test_units_and_offsets_of_the_features_do_not_matter(digits):
    train, val, test = digits
    moved = [(50 * x - 7, y) for x, y in digits]
    assert error(linear_probe(*moved[:2]), moved[2]) == pytest.approx(
        error(linear_probe(train, val), test), abs=0.3
    )


def test_a_feature_that_hardly_varies_stays_small(digits):
    """Noise on it would else count for more than all the rest."""
    train, val, test = (
        (np.hstack([x, np.random.default_rng(len(x)).normal(0, 1e-3, (len(x), 1))]).astype(np.float32), y)
        for x, y in digits
    )
    probe = linear_probe(train, val)
    noisy = test[0] + np.random.default_rng(0).normal(size=test[0].shape).astype(np.float32)
    assert error(probe, (noisy, test[1])) < error(probe, test) + 3


def test_features_that_do_not_vary_at_all_leave_the_largest_class():
    x, y = np.ones((30, 4), np.float32), np.repeat([0, 1], [20, 10])
    assert error(linear_probe((x, y), (x, y)), (x, y)) == pytest.approx(100 / 3)


def test_of_many_examples_some_choose_and_all_teach(monkeypatch):
    assert CHOSEN_ON < 50_000
    monkeypatch.setattr("contractive.diagnostics.classifiers.CHOSEN_ON", 40)
    random = np.random.default_rng(0)
    x = random.normal(size=(4000, 20)).astype(np.float32)
    y = (x @ random.normal(size=20) + random.normal(size=4000) > 0).astype(int)
    train, test = (x[:2000], y[:2000]), (x[2000:], y[2000:])
    on_few = linear_probe((x[:40], y[:40]), test)
    assert error(linear_probe(train, test), test) < error(on_few, test) - 3


def test_neighbours_are_the_nearest_by_euclidean_distance(digits):
    train, _, test = digits
    distances = ((test[0][:, None] - train[0][None]) ** 2).sum(2)
    nearest = train[1][distances.argsort(1)[:, :5]]
    votes = [np.bincount(row).argmax() for row in nearest]
    probe = neighbours_probe(train)
    assert probe.predict(test[0]).tolist() == votes
    assert error(probe, test) == pytest.approx(100 * np.mean(votes != test[1])) and error(probe, test) > 0


def test_ridge_takes_the_strength_that_validation_prefers():
    random = np.random.default_rng(0)
    weights = random.normal(size=30)
    # With hardly more examples than features and much noise, least squares is far off.
    parts = []
    for n in (40, 2000, 2000):
        x = random.normal(size=(n, 30)).astype(np.float32)
        parts.append((x, x @ weights + random.normal(0, 10, n)))
    train, val, test = parts
    probe = ridge_probe(train, val)
    centred = train[0] - train[0].mean(0)
    best = -np.inf
    for alpha in 10.0 ** np.arange(-3, 7):
        spread = np.sqrt(train[0].var(0).mean())
        z = centred / spread
        w = np.linalg.solve(z.T @ z + alpha * np.eye(30), z.T @ (train[1] - train[1].mean()))
        guess = [(x - train[0].mean(0)) / spread @ w + train[1].mean() for x, _ in (val, test)]
        if (score := r2_score(val[1], guess[0])) > best:
            best, on_test = score, r2_score(test[1], guess[1])
    assert probe.score(*val) == pytest.approx(best, abs=1e-4)
    assert probe.score(*test) == pytest.approx(on_test, abs=1e-4)
    assert 0 < on_test < 0.9


def test_the_standard_error_is_how_much_errors_vary_by_chance():
    random = np.random.default_rng(0)
    errors = 100 * random.binomial(200, 0.05, 20_000) / 200
    assert standard_error(5.0, 200) == pytest.approx(errors.std(), rel=0.05)
