"""A run that is stopped, whenever that is, goes on as if nothing had happened."""

import os
import signal

import pytest
import torch
from lightning.pytorch.callbacks import Callback

from benchmarks.crash import content, differences
from contractive.training import fit

TINY = {
    "model": {"hidden": [8]},
    "data": {"source": "digits", "batch_size": 256},  # six steps an epoch
    "trainer": {"max_epochs": 3, "log_every_n_steps": 4},
}
PLATEAU = {"name": "ReduceLROnPlateau", "patience": 0, "threshold": 1e9, "threshold_mode": "abs"}


class SignalAt(Callback):
    """Lets a signal come at a hook, in the middle of things, as it does in life."""

    def __init__(self, hook, step, *numbers):
        self.step, self.numbers = step, numbers
        setattr(self, hook, self.send)

    def send(self, trainer, *args, **kwargs):
        if trainer.global_step >= self.step:
            numbers, self.numbers = self.numbers, ()
            for number in numbers:
                os.kill(os.getpid(), number)


def stopped(settings, directory, *where):
    """Let a signal stop a run, and return its exit code."""
    with pytest.raises((SystemExit, KeyboardInterrupt)) as left:
        fit(settings, directory=directory, callbacks=[*fit_callbacks(), SignalAt(*where)])
    assert not (directory / "metrics.json").exists()
    return 130 if left.type is KeyboardInterrupt else left.value.code


def fit_callbacks():
    from contractive.training.callbacks.record import Record

    return [Record()]


def last_of(directory):
    return torch.load(directory / "checkpoints" / "last.ckpt", weights_only=True)


def assert_goes_on_as_if_never_stopped(settings, tmp_path, *where):
    whole = tmp_path / "whole"
    fit(settings, directory=whole)
    stopped(settings, tmp_path / "run", *where)
    fit(settings | {"ckpt_path": str(tmp_path / "run/checkpoints/last.ckpt")}, directory=tmp_path / "run")
    assert differences(content(whole), content(tmp_path / "run")) == []


@pytest.mark.parametrize(
    "step", [2, 3, 5, 8], ids=["in an epoch", "when logged", "at its end", "in the next"]
)
@pytest.mark.parametrize(
    "settings",
    [
        {"scheduler": {"name": "CosineAnnealingLR", "T_max": 3}},
        {"scheduler": {"name": "ExponentialLR", "gamma": 0.9, "interval": "step"}, "model": {"lam": 0.0}},
        {
            "scheduler": PLATEAU,
            "model": {
                "penalty": {"method": "hutchinson"},
                "corruption": {"kind": "masking", "amount": 0.3},
                "lam_warmup_epochs": 2,
            },
        },
    ],
    ids=["schedule", "schedule by steps, no penalty", "plateau, random probes, corruption, warm-up"],
)
def test_it_goes_on_with_the_very_next_step(tmp_path, settings, step):
    settings = TINY | settings | {"model": TINY["model"] | settings.get("model", {})}
    assert_goes_on_as_if_never_stopped(settings, tmp_path, "on_train_batch_start", step, signal.SIGINT)
    assert last_of(tmp_path / "run")["global_step"] == 18
