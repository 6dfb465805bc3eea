"""What a run says at its end."""

from types import SimpleNamespace

import pytest
import torch

from contractive import ContractiveAutoencoder, DataModule
from contractive.commands.summary import advice_on, error_of_the_mean


@pytest.fixture
def ended():
    """A run of so many epochs, as it ended, on data whose mean is wrong by 4 on average."""
    x = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [3.0, 0.0], [-3.0, 0.0]]).repeat(10, 1)
    data = DataModule(x, scaling="none", val_fraction=0.5)
    data.setup("fit")

    def ended(best, epochs, reconstruction=1.0, lr=1e-3, lam=0.01):
        model = ContractiveAutoencoder((2,), hidden=[2], lam=lam, optimizer={"lr": lr})
        metrics = {"val/reconstruction": reconstruction}
        return SimpleNamespace(model=model, data=data, metrics=metrics, best_epoch=best, epochs=epochs)

    return ended


@pytest.mark.parametrize(
    ("run", "said"),
    [
        ({"best": 3, "epochs": 5}, ""),
        ({"best": 5, "epochs": 5}, "The best epoch is the last: ask for more than trainer.max_epochs=5"),
        (
            {"best": 1, "epochs": 5, "lam": 1e30},
            "Validation never improved after the first epoch: lower model.lam=1e+30",
        ),
        (
            {"best": 1, "epochs": 5},
            "Validation never improved after the first epoch: lower optimizer.lr=0.001 or model.lam=0.01",
        ),
        (
            {"best": 3, "epochs": 5, "reconstruction": 1e12, "lr": 1e6},
            "The reconstruction is no better than the mean of the data (1e+12, the mean 5):"
            " lower optimizer.lr=1e+06",
        ),
        (
            {"best": 5, "epochs": 5, "reconstruction": 6.0, "lr": 0.5},
            "The best epoch is the last, its reconstruction still no better than the mean of the data"
            " (6, the mean 5): ask for more than trainer.max_epochs=5, or lower optimizer.lr=0.5",
        ),
    ],
)
def test_what_the_figures_say_of_the_settings(ended, run, said, monkeypatch):
    monkeypatch.setattr("contractive.commands.summary.error_of_the_mean", lambda run: 5.0)
    assert advice_on(ended(**run)) == said


def test_the_error_of_the_mean_is_the_variance_of_what_the_model_sees(ended):
    run = ended(1, 1)
    x = run.data.split("val").x
    expected = ((x - x.mean(0)) ** 2).sum(1).mean().item()
    assert expected > 1
    assert error_of_the_mean(run) == pytest.approx(expected)


def test_with_the_cross_entropy_it_is_the_entropy_of_the_mean(ended):
    run = ended(1, 1)
    run.data = DataModule(torch.tensor([[1.0], [0.0], [0.0], [0.0]]).repeat(20, 1), scaling="none")
    run.data.setup("fit")
    run.model = ContractiveAutoencoder((1,), hidden=[2], reconstruction="cross_entropy")
    p = run.data.split("val").x.mean()
    expected = -(p * p.log() + (1 - p) * (1 - p).log()).item()
    assert error_of_the_mean(run) == pytest.approx(expected, rel=1e-5)
