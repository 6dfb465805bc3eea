"""A run that is interrupted goes on as if nothing had happened."""

import os
import signal

import pytest
import torch

from contractive import ContractiveAutoencoder
from contractive.training import fit

SMALL = ("model.hidden=[16]", "trainer.max_epochs=3")


def interrupt_at(monkeypatch, step, number):
    """Let the signal come in the middle of a step, as it does in life."""
    original = ContractiveAutoencoder.training_step

    def training_step(self, batch, batch_idx):
        if self.global_step == step:
            os.kill(os.getpid(), number)
        return original(self, batch, batch_idx)

    monkeypatch.setattr(ContractiveAutoencoder, "training_step", training_step)


@pytest.mark.parametrize(
    ("step", "number"), [(30, signal.SIGINT), (22, signal.SIGTERM)], ids=["in an epoch", "at its end"]
)
@pytest.mark.parametrize(
    "settings", [["model.lam=0.1"], ["model/penalty=hutchinson", "model/corruption=masking"]]
)
def test_it_ends_with_the_weights_of_a_run_that_was_never_interrupted(
    train, monkeypatch, step, number, settings
):
    whole = train(*SMALL, *settings, to="whole")
    with monkeypatch.context() as patch:
        interrupt_at(patch, step, number)
        with pytest.raises(SystemExit):
            train(*SMALL, *settings, to="stopped")
    last = whole.parent / "stopped" / "checkpoints" / "last.ckpt"
    assert torch.load(last, weights_only=True)["global_step"] == step + 1
    resumed = train(*SMALL, *settings, f"ckpt_path={last}", to="resumed")
    a, b = (torch.load(run / "checkpoints/last.ckpt", weights_only=True) for run in (whole, resumed))
    assert a["global_step"] == b["global_step"]
    for name, weight in a["state_dict"].items():
        assert torch.equal(weight, b["state_dict"][name]), name


@pytest.mark.parametrize("step", [2, 5, 8], ids=["in an epoch", "at its end", "in the next"])
@pytest.mark.parametrize(
    "schedule",
    [
        {"name": "CosineAnnealingLR", "T_max": 3},
        {"name": "ExponentialLR", "gamma": 0.9, "interval": "step"},
        {"name": "ReduceLROnPlateau", "patience": 0, "threshold": 1e9, "threshold_mode": "abs"},
    ],
    ids=lambda schedule: schedule["name"],
)
def test_a_schedule_goes_on_where_it_stopped(monkeypatch, tmp_path, step, schedule):
    if schedule["name"] == "ReduceLROnPlateau" and step == 5:
        pytest.skip("Lightning does not repeat the validation of an epoch that was interrupted at its end")
    settings = {
        "model": {"hidden": [8]},
        "data": {"source": "digits", "batch_size": 256},  # six steps an epoch
        "scheduler": schedule,
        "trainer": {"max_epochs": 3},
    }
    whole = fit(settings, directory=tmp_path / "whole")
    with monkeypatch.context() as patch:
        interrupt_at(patch, step, signal.SIGINT)
        with pytest.raises(SystemExit):
            fit(settings, directory=tmp_path / "stopped")
    last = tmp_path / "stopped" / "checkpoints" / "last.ckpt"
    resumed = fit(settings | {"ckpt_path": str(last)}, directory=tmp_path / "resumed")
    a, b = (torch.load(run.last, weights_only=True) for run in (whole, resumed))
    assert a["lr_schedulers"][0]["last_epoch"] == b["lr_schedulers"][0]["last_epoch"]
    for name, weight in a["state_dict"].items():
        assert torch.equal(weight, b["state_dict"][name]), name
