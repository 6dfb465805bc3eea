"""The record of training steps."""

import pytest
import torch

from contractive.training.history import NonFiniteLossError, StepHistory


def add(history, values, batch_size=1, step=0):
    history.add(torch.tensor(values), batch_size=batch_size, step=step)


def test_averages_weigh_every_example_alike():
    history = StepHistory(("loss",), capacity=3)
    add(history, [1.0], batch_size=30)
    add(history, [4.0], batch_size=10)
    assert history.drain() == {"loss": pytest.approx((30 * 1 + 10 * 4) / 40)}


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
    history.add(torch.tensor([1.0, float("nan")]), batch_size=10, step=0, unknown=("penalty",))
    add(history, [4.0, 6.0], batch_size=30)
    assert history.drain() == {"loss": pytest.approx((10 * 1 + 30 * 4) / 40), "penalty": 6.0}
    history.add(torch.tensor([1.0, 0.0]), batch_size=10, step=2, unknown=("penalty",))
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
    whole, states = StepHistory(("loss", "penalty"), capacity=9), []
    for parts in ([(1.0, 3), (2.0, 2)], [(5.0, 1), (0.0, 0)]):
        mean = sum(value * n for value, n in parts) / sum(n for _, n in parts)
        whole.add(
            torch.tensor([mean, 9.0]), batch_size=sum(n for _, n in parts), step=0, unknown=("penalty",)
        )
    for rank in range(2):
        history = StepHistory(("loss", "penalty"), capacity=9)
        for step, parts in enumerate(([(1.0, 3), (2.0, 2)], [(5.0, 1), (0.0, 0)])):
            value, n = parts[rank]
            history.add(torch.tensor([value, 7.0]), batch_size=n, step=step, unknown=("penalty",))
        states.append(history.state_dict())
    assert [StepHistory.share(states, rank, 2) for rank in range(2)] == states
    shares = [StepHistory.share(states, rank, 3) for rank in range(3)]
    found = []
    for state in shares:
        history = StepHistory(("loss", "penalty"), capacity=9)
        history.load_state_dict(state, torch.device("cpu"))
        found.append(history.drain())
    assert found == [{"loss": pytest.approx(whole.drain()["loss"])}, {}, {}]
    states[1]["steps"] = [3, 4]
    with pytest.raises(ValueError, match="of different steps"):
        StepHistory.share(states, 0, 3)
