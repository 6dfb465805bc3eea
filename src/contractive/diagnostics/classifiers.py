"""Simple classifiers, scikit-learn's, that tell what a representation is good for.

Throughout, examples are a pair of features ``(n, features)``, float32, and labels ``(n,)``. Features are
taken as they come, codes or raw inputs; where they are to be scaled, that is part of what is returned.
"""

import warnings
from functools import partial

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

Examples = tuple[np.ndarray, np.ndarray]

# Of LogisticRegression, on features of mean variance 1; the smaller, the stronger the regularisation.
STRENGTHS = (1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 1e-1, 2e-1, 5e-1, 1.0)
ALPHAS = tuple(10.0**exponent for exponent in range(-3, 7))  # of Ridge, likewise
CHOSEN_ON = 10_000  # training examples at most with which a strength is chosen: on more it hardly differs


def linear_probe(train: Examples, val: Examples, seed: int = 0) -> Pipeline:
    """A linear classifier, its regularisation chosen on validation.

    Multinomial logistic regression, on features that are centred and divided by one number, their root mean
    variance: a feature that hardly varies stays small, as noise on it would else count for more than the
    rest. Of :data:`STRENGTHS` it takes the strongest regularisation whose validation error is within one
    standard error of the lowest (Hastie, Tibshirani and Friedman: The Elements of Statistical Learning,
    2nd edition, section 7.10), so that chance among near equals does not decide.

    Args:
        train, val: the examples that it learns from, and that the strength is chosen on.
        seed: which :data:`CHOSEN_ON` training examples try the strengths out, where there are more.

    Raises:
        ValueError: if all training examples have the same label.

    >>> x, y = np.float32([[0, 0], [0, 1], [5, 0], [5, 1]]), np.array([0, 0, 1, 1])
    >>> linear_probe((x, y), (x, y)).predict(np.float32([[1, 1], [4, 4]]))
    array([0, 1])
    """
    few = train
    if len(train[0]) > CHOSEN_ON:
        chosen = np.sort(np.random.default_rng(seed).permutation(len(train[0]))[:CHOSEN_ON])
        few = train[0][chosen], train[1][chosen]
    scale = _scaling(few[0])
    x, x_val = scale.fit_transform(few[0]), scale.transform(val[0])
    classifier = _logistic(STRENGTHS[0]).set_params(warm_start=True)
    with warnings.catch_warnings():
        # The iterations are bounded: what is left to gain after them does not show in the error.
        warnings.simplefilter("ignore", ConvergenceWarning)
        tried = (classifier.set_params(C=C).fit(x, few[1]) for C in STRENGTHS)
        errors = np.array([error(fitted, (x_val, val[1])) for fitted in tried])
        within = errors <= errors.min() + standard_error(errors.min(), len(val[0]))
        return make_pipeline(_scaling(train[0]), _logistic(STRENGTHS[within.argmax()])).fit(*train)


def neighbours_probe(train: Examples, neighbours: int = 5) -> KNeighborsClassifier:
    """The classifier that has the nearest training examples vote, by Euclidean distance.

    Raises:
        ValueError: if there are fewer examples than neighbours.
    """
    return KNeighborsClassifier(neighbours, algorithm="brute").fit(*train)


def ridge_probe(train: Examples, val: Examples) -> Pipeline:
    """A ridge regression of continuous labels, of the strength with the highest R² on validation.

    Features are scaled as by :func:`linear_probe`; its ``score(x, y)`` is the coefficient of determination.

    >>> x = np.float32([[0], [1], [2]])
    >>> ridge_probe((x, 2 * x[:, 0]), (x, 2 * x[:, 0])).score(x, 2 * x[:, 0]) > 0.999
    True
    """
    scaling = _scaling(train[0])
    fitted = [make_pipeline(scaling, Ridge(alpha)).fit(*train) for alpha in ALPHAS]
    best: Pipeline = max(fitted, key=lambda regression: regression.score(*val))
    return best


def error(classifier: Pipeline | LogisticRegression | KNeighborsClassifier, examples: Examples) -> float:
    """The share of examples that get a wrong label, in per cent."""
    return 100 * float(np.mean(classifier.predict(examples[0]) != examples[1]))


def standard_error(error: float, n: int) -> float:
    """How far an error (per cent) that was measured on ``n`` examples typically is off by chance: that of a
    binomial distribution, in per cent.

    >>> round(standard_error(10.0, 100), 6)
    3.0
    """
    share = error / 100
    return 100 * float(np.sqrt(share * (1 - share) / n))


def _scaling(x: np.ndarray) -> Pipeline:
    spread = np.sqrt(x.var(0).mean()) or np.float32(1)
    return make_pipeline(
        StandardScaler(with_std=False), FunctionTransformer(partial(np.multiply, 1 / spread))
    )


def _logistic(C: float) -> LogisticRegression:
    return LogisticRegression(C=C, tol=1e-3, max_iter=100)
