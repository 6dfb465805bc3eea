"""The record of training steps."""

import pytest
import torch

from contractive.training.history import NonFiniteLossError, StepHistory


def add(history, values, sizes=1, step=0):
    """One size for each value, or one for all."""
    sizes = [sizes] * len(values) if isinstance(sizes, int) else sizes
    history.add(torch.tensor(values), torch.tensor(sizes), step=step)


def test_averages_weigh_every_example_alike():
    history = StepHistory(("loss",), capacity=3)
    add(history, [1.0], 30)
    add(history, [4.0], 10)
    assert history.drain() == {"loss": pytest.approx((30 * 1 + 10 * 4) / 40)}


def test_each_term_is_averaged_over_the_examples_behind_it():
    history = StepHistory(("error", "contraction"), capacity=3)
    add(history, [50.0, 1.0], [4, 10])
    add(history, [0.0, 2.0], [0, 10])  # no label in this batch
    assert history.drain() == {"error": 50.0, "contraction": 1.5}
    add(history, [20.0, 4.0], [1, 5])
    history.drain()
    assert history.end_epoch() == {"error": pytest.approx((4 * 50 + 20) / 5), "contraction": 2.0}


def test_it_goes_on_from_what_was_saved():
    history = StepHistory(("error", "contraction"), capacity=9)
    add(history, [50.0, 1.0], [4, 10])
    history.drain()
    add(history, [20.0, 4.0], [1, 10], step=1)
    state = history.state_dict()
    StepHistory.check_state(state)
    assert state["sizes"] == [[1, 10]]  # plain numbers, as in checkpoints of before
    again = StepHistory(("error", "contraction"), capacity=9)
    again.load_state_dict(state, torch.device("cpu"))
    assert again.drain() == {"error": 20.0, "contraction": 4.0}
    assert again.end_epoch() == {"error": pytest.approx(44.0), "contraction": 2.5}


def test_an_epoch_spans_several_readings():
    history = StepHistory(("loss",), capacity=2)
    for value in (1.0, 2.0, 6.0):
        if history.full:
            history.drain()
        add(history, [value])
    history.drain()
    assert history.end_epoch() == {"loss": pytest.approx(3.0)}
    assert history.end_epoch() == {}


def test_the_last_row_before_a_reading_is_due():
    history = StepHistory(("loss",), capacity=2)
    assert not history.due
    add(history, [1.0])
    assert history.due and not history.full
    add(history, [1.0])
    assert history.full


def test_what_was_not_measured_counts_for_nothing():
    history = StepHistory(("loss", "penalty"), capacity=3)
    add(history, [1.0, float("nan")], [10, 0])
    add(history, [4.0, 6.0], 30)
    assert history.drain() == {"loss": pytest.approx((10 * 1 + 30 * 4) / 40), "penalty": 6.0}
    add(history, [1.0, 0.0], [10, 0], step=2)
    assert history.drain() == {"loss": 1.0}
    assert history.end_epoch() == {"loss": pytest.approx((20 * 1 + 30 * 4) / 50), "penalty": 6.0}


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_the_first_step_and_term_that_is_not_finite_is_named(bad):
    history = StepHistory(("loss", "reconstruction", "penalty"), capacity=4)
    add(history, [1.0, 1.0, 1.0], step=7)
    add(history, [bad, bad, 1.0], step=8)
    add(history, [bad, bad, bad], step=9)
    with pytest.raises(NonFiniteLossError, match=r"train/reconstruction became (nan|inf) at step 8"):
        history.drain()


def test_other_processes_than_before_go_on_with_the_same_averages():
    unmeasured = float("nan")
    # Of each step the value and the number of examples of each process; the first has been read.
    steps = [[(3.0, 2), (8.0, 1)], [(1.0, 3), (2.0, 2)], [(5.0, 1), (unmeasured, 0)]]
    states = []
    for rank in range(2):
        history = StepHistory(("loss", "penalty"), capacity=9)
        for step, parts in enumerate(steps):
            value, n = parts[rank]
            add(history, [value, unmeasured], [n, 0], step=step)
            if step == 0:
                history.drain()
        states.append(history.state_dict())
    assert StepHistory.share(states, 0, 2) is states[0] and StepHistory.share(states, 1, 2) is states[1]
    found = []
    for rank in range(3):
        history = StepHistory(("loss", "penalty"), capacity=9)
        history.load_state_dict(StepHistory.share(states, rank, 3), torch.device("cpu"))
        found.append((history.drain(), history.end_epoch()))
    since, epoch = (3 * 1 + 2 * 2 + 5) / 6, (2 * 3 + 8 + 3 * 1 + 2 * 2 + 5) / 9
    assert found == [({"loss": pytest.approx(since)}, {"loss": pytest.approx(epoch)}), ({}, {}), ({}, {})]
    states[1]["steps"] = [3, 4]
    with pytest.raises(ValueError, match="of different steps"):
        StepHistory.share(states, 0, 3)
