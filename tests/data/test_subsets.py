"""A few examples that stand for all."""

import numpy as np
import pytest

from contractive.data.subsets import balanced, representative

SORTED = np.repeat([3, 1, 2], 100)
MIXED = np.tile([3, 1, 2], 100)


def test_the_first_stand_for_all_where_no_class_is_missing():
    assert representative(MIXED, 30, seed=0).tolist() == list(range(30))
    assert representative(MIXED, 30, seed=1).tolist() == list(range(30))


def test_of_examples_in_the_order_of_their_classes_some_of_each_are_drawn():
    chosen = representative(SORTED, 60, seed=0)
    assert len(set(chosen)) == 60 and (np.diff(chosen) > 0).all()
    assert np.bincount(SORTED[chosen])[1:].min() >= 10
    assert not np.array_equal(chosen, representative(SORTED, 60, seed=1))
    assert np.array_equal(chosen, representative(SORTED, 60, seed=0))


def test_measurements_in_order_are_drawn_from_all_over():
    chosen = representative(np.arange(1000.0), 100, seed=0)
    assert chosen.max() > 900 and len(set(chosen)) == 100


def test_no_more_than_there_are():
    assert representative(SORTED, 1000, seed=0).tolist() == list(range(300))


@pytest.mark.parametrize(("n", "counts"), [(30, {10}), (31, {10, 11}), (3, {1}), (300, {100})])
def test_as_many_of_each_class(n, counts):
    for y in (SORTED, MIXED):
        chosen = balanced(y, n, seed=0)
        assert len(set(chosen)) == n and (np.diff(chosen) > 0).all()
        assert set(np.bincount(y[chosen])[1:]) == counts


def test_another_seed_draws_others_and_the_same_seed_the_same():
    assert np.array_equal(balanced(MIXED, 30, seed=4), balanced(MIXED, 30, seed=4))
    assert not np.array_equal(balanced(MIXED, 30, seed=4), balanced(MIXED, 30, seed=5))
    extra = {int(np.bincount(MIXED[balanced(MIXED, 31, seed)])[1:].argmax()) for seed in range(20)}
    assert extra == {0, 1, 2}


@pytest.mark.parametrize("n", [2, 301])
def test_there_are_none_where_the_classes_do_not_have_that_many(n):
    assert balanced(MIXED, n, seed=0) is None
    assert balanced(np.array([0, 1, 1, 1]), 4, seed=0) is None
