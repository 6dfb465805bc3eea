"""A run that is interrupted goes on as if nothing had happened."""

import os
import signal

import pytest
import torch

from contractive import ContractiveAutoencoder

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
