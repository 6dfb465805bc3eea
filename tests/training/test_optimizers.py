"""Optimisers and schedules by name, and what they make of a run."""

import math

import pytest
import torch
from lightning import Callback
from torch.optim import lr_scheduler

from contractive import ContractiveAutoencoder
from contractive.training import fit
from contractive.training.optimizers import make_optimizer, make_scheduler
from contractive.training.settings import OPTIMIZERS, PLATEAU, SCHEDULES, Scheduler

BASE = {"model": {"hidden": [8]}, "data": {"source": "digits", "batch_size": 256}}
STEPS = 6  # of an epoch


class Rates(Callback):
    """The learning rate of every step."""

    def __init__(self):
        self.seen = []

    def on_train_batch_start(self, trainer, *args):
        self.seen.append(trainer.optimizers[0].param_groups[0]["lr"])


def rates(directory, scheduler, *, epochs=3, lr=1e-3, optimizer="Adam", **settings):
    seen = Rates()
    settings = {
        **BASE,
        "scheduler": scheduler,
        "optimizer": {"name": optimizer, "lr": lr},
        "trainer": {"max_epochs": epochs},
        **settings,
    }
    run = fit(settings, directory=directory, callbacks=[seen])
    return run, seen.seen


ARGUMENTS = {
    "LinearLR": {"start_factor": 1.0, "end_factor": 0.01, "total_iters": 3},
    "ConstantLR": {"total_iters": 2},
    "StepLR": {"step_size": 1},
    "MultiStepLR": {"milestones": [1, 3]},
    "ExponentialLR": {"gamma": 0.5},
    "PolynomialLR": {"total_iters": 4},
    "CosineAnnealingLR": {"T_max": 4},
    "CosineAnnealingWarmRestarts": {"T_0": 2},
    "CyclicLR": {"base_lr": 1e-4, "max_lr": 1e-2, "step_size_up": 2, "cycle_momentum": False},
    "OneCycleLR": {"max_lr": 1e-2, "total_steps": 5},
    "SequentialLR": {
        "schedulers": [
            {"name": "LinearLR", "total_iters": 2},
            {"name": "CosineAnnealingLR", "T_max": 2},
        ],
        "milestones": [2],
    },
    "ChainedScheduler": {
        "schedulers": [{"name": "ConstantLR"}, {"name": "ExponentialLR", "gamma": 0.5}],
    },
    "ReduceLROnPlateau": {"patience": 0, "factor": 0.5, "threshold": 1e9, "threshold_mode": "abs"},
}


def test_every_schedule_of_torch_that_takes_no_function_has_a_name():
    classes = {name for name, c in vars(lr_scheduler).items() if hasattr(c, "step") and name[0] != "_"}
    assert {*SCHEDULES, PLATEAU} == classes - {"Optimizer", "LRScheduler", "LambdaLR", "MultiplicativeLR"}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_resumed_schedule_goes_on_bit_for_bit(tmp_path, name):
    schedule = {"name": name, **ARGUMENTS[name]}
    whole, expected = rates(tmp_path / "whole", schedule, epochs=4)
    half, before = rates(tmp_path / "half", schedule, epochs=2)
    resumed, after = rates(tmp_path / "resumed", schedule, epochs=4, ckpt_path=str(half.last))
    assert before + after == expected
    assert len(set(expected)) > 1
    a, b = (torch.load(run.last, weights_only=True)["state_dict"] for run in (whole, resumed))
    assert all(torch.equal(a[key], b[key]) for key in a)


def test_a_rate_falls_to_where_it_was_asked_to(tmp_path):
    schedule = {"name": "LinearLR", "start_factor": 1.0, "end_factor": 0.01, "total_iters": 2}
    _, seen = rates(tmp_path, schedule)
    assert seen == pytest.approx([1e-3] * STEPS + [0.505e-3] * STEPS + [1e-5] * STEPS)


def test_a_schedule_by_steps(tmp_path):
    schedule = {"name": "CosineAnnealingLR", "T_max": 2 * STEPS, "interval": "step"}
    _, seen = rates(tmp_path, schedule, epochs=2, lr=0.1)
    expected = [0.05 * (1 + math.cos(math.pi * step / (2 * STEPS))) for step in range(2 * STEPS)]
    assert seen == pytest.approx(expected)


def test_a_plateau_lowers_the_rate_by_what_it_looks_at(tmp_path):
    # No loss ever gets lower by so much.
    schedule = {"name": PLATEAU, **ARGUMENTS[PLATEAU]}
    _, seen = rates(tmp_path, schedule, epochs=3)
    assert seen[::STEPS] == pytest.approx([1e-3, 1e-3, 0.5e-3])
    _, seen = rates(tmp_path / "b", {"name": PLATEAU, "patience": 0, "monitor": "val/loss"}, epochs=3)
    assert seen[::STEPS] == [1e-3] * 3
    _, seen = rates(
        tmp_path / "c",
        schedule,
        epochs=5,
        trainer={"max_epochs": 5, "check_val_every_n_epoch": 2},
    )
    assert seen[::STEPS] == pytest.approx([1e-3] * 4 + [0.5e-3])


@pytest.mark.parametrize("interval", ["epoch", "step"])
@pytest.mark.parametrize(
    "before", [{}, {"name": "StepLR", "step_size": 1}, {"name": "CosineAnnealingLR", "T_max": 2}]
)
def test_what_a_resumed_run_was_asked_for_has_the_last_word(tmp_path, before, interval):
    half, _ = rates(tmp_path / "half", before, epochs=2)
    now = {"name": "CosineAnnealingLR", "T_max": 100, "interval": interval}
    _, expected = rates(tmp_path / "whole", now, epochs=3, lr=0.02)
    _, seen = rates(tmp_path / "resumed", now, epochs=3, lr=0.02, ckpt_path=str(half.last))
    assert seen == expected[2 * STEPS :]
    _, seen = rates(tmp_path / "constant", {}, epochs=3, lr=0.02, ckpt_path=str(half.last))
    assert seen == [0.02] * STEPS


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimiser_trains(tmp_path, name):
    run, _ = rates(tmp_path, {}, epochs=1, optimizer=name)
    assert math.isfinite(run.metrics["val/loss"])


def test_adam_is_fused_unless_told_otherwise():
    weights = [torch.zeros(1)]
    assert make_optimizer(weights, {"name": "Adam", "lr": 1.0}).defaults["fused"]
    assert not make_optimizer(weights, {"name": "Adam", "lr": 1.0, "fused": False}).defaults["fused"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"name": "RMSprop", "fused": True},
            r"^optimizer\.fused: RMSprop takes no such argument; it takes lr, ",
        ),
        ({"name": "SGD", "momentun": 0.9}, r"momentun: SGD takes no such argument; did you mean momentum\?"),
        ({"name": "SGD", "momentum": -1}, r"^optimizer: SGD does not take .*: Invalid momentum value: -1$"),
    ],
)
def test_arguments_that_an_optimiser_does_not_take(settings, said):
    with pytest.raises(ValueError, match=said):
        make_optimizer([torch.zeros(1)], settings)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"name": "CosineAnealingLR"}, r"^name must be one of .*; did you mean CosineAnnealingLR\?"),
        ({"name": "LambdaLR"}, r"^name must be one of"),
        ({"name": "StepLR", "interval": "day"}, r"^interval must be one of epoch, step; got 'day'"),
        ({"name": PLATEAU, "interval": "step"}, r"^interval must be one of epoch; got 'step'"),
        (
            {"name": "SequentialLR", "schedulers": [{"name": "StpLR"}]},
            r"^schedulers\[0\]\.name must .*StepLR\?",
        ),
        (
            {"name": "ChainedScheduler", "schedulers": [{"name": PLATEAU}]},
            r"^schedulers\[0\]\.name must be one",
        ),
    ],
)
def test_schedules_that_do_not_exist(settings, said):
    with pytest.raises(ValueError, match=said):
        Scheduler.of(settings)
    with pytest.raises(ValueError, match=said.replace("^", r"^scheduler\.")):
        ContractiveAutoencoder((4,), scheduler=settings)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"name": "CosineAnnealingLR"}, r"^scheduler: CosineAnnealingLR does not take {}: .*T_max"),
        (
            {"name": "StepLR", "step": 1},
            r"^scheduler\.step: StepLR takes no such argument; did you mean step_size",
        ),
        (
            {"name": "ChainedScheduler", "schedulers": [{"name": "ConstantLR", "interval": "step"}]},
            r"^scheduler\.schedulers\[0\]\.interval: ConstantLR takes no such argument",
        ),
        (
            {"name": "StepLR", "step_size": 1, "schedulers": [{"name": "ConstantLR"}]},
            r"^scheduler\.schedulers: StepLR",
        ),
        ({"name": "SequentialLR", "milestones": [1]}, r"^scheduler: SequentialLR does not take"),
    ],
)
def test_arguments_that_a_schedule_does_not_take(settings, said):
    with pytest.raises(ValueError, match=said) as caught:
        make_scheduler(torch.optim.SGD([torch.zeros(1)], lr=1.0), settings)
    assert "\n" not in str(caught.value)
