"""Heads: their objective by hand, what of a run they take over, and that they go on as if never stopped."""

import json

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from contractive.runs.checkpoints import load_autoencoder, read_checkpoint
from contractive.training import fit
from contractive.training.classifier import Classifier
from contractive.training.fitting import figures_again
from contractive.training.module import ContractiveAutoencoder
from contractive.training.recording import load_settings

WITHOUT_PROBE = {"probe": {"enabled": False}}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    directory = tmp_path_factory.mktemp("encoder") / "run"
    fit({"model": {"hidden": [12]}, "trainer": {"max_epochs": 1}, **WITHOUT_PROBE}, directory=directory)
    return directory


def settings(encoder, epochs=2, **head):
    head = {"enabled": True, **head}
    return {"encoder": str(encoder), "head": head, "trainer": {"max_epochs": epochs}, **WITHOUT_PROBE}


def test_a_step_is_that_of_plain_torch_on_the_examples_with_labels():
    model = Classifier((6,), classes=3, head={"hidden": [5]}, hidden=[4], activation="sigmoid").train()
    x, y = torch.rand(4, 6), torch.tensor([2, -1, 0, 1])
    plain = nn.Sequential(nn.Linear(6, 4), nn.Sigmoid(), nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))
    plain[0].load_state_dict(model.encoder[1].state_dict())
    plain[2].load_state_dict(model.head.layers[0].state_dict())
    plain[4].load_state_dict(model.head.last.state_dict())
    seen = y >= 0
    wanted = F.cross_entropy(plain(x[seen]), y[seen])
    wanted.backward()
    terms = model._terms((x, y), 0.0, 0)
    terms["loss"].backward()
    assert terms["loss"].item() == pytest.approx(wanted.item(), rel=1e-6)
    assert torch.allclose(model.encoder[1].weight.grad, plain[0].weight.grad, atol=1e-7)
    wrong = (plain(x[seen]).argmax(1) != y[seen]).double().mean().item()
    assert terms["error"].item() == pytest.approx(100 * wrong, rel=1e-6)


def test_it_begins_with_the_encoder_its_network_and_its_data(encoder, tmp_path):
    run = fit(settings(encoder, frozen=True), directory=tmp_path)
    before = load_autoencoder(encoder / "checkpoints/best.ckpt")
    after = load_autoencoder(run.best)
    assert run.model.hparams["hidden"] == [12]
    # Frozen: to the last bit.
    assert all(torch.equal(a, b) for a, b in zip(before.parameters(), after.parameters(), strict=True))
    assert {"val/error", "test/error", "test/cross_entropy"} <= run.metrics.keys()


def test_what_is_not_frozen_moves(encoder, tmp_path):
    run = fit(settings(encoder), directory=tmp_path)
    before = load_autoencoder(encoder / "checkpoints/best.ckpt")
    assert not torch.equal(before.encoder[1].weight, run.model.encoder[1].weight)


def test_the_figures_are_found_again_to_the_last_digit(encoder, tmp_path):
    run = fit(settings(encoder, hidden=[8], batch_norm=True, dropout=0.2), directory=tmp_path)
    again = figures_again(run.best, {**load_settings(tmp_path)})
    written = json.loads((tmp_path / "metrics.json").read_text())
    assert again == {name: written[name] for name in again} and "test/error" in again
    # Those of plain torch on the test pictures.
    test = run.data.split("test")
    with torch.no_grad():
        wrong = (run.model.logits(test.x).argmax(1) != test.y).double().mean().item()
    assert again["test/error"] == pytest.approx(100 * wrong, rel=1e-6)


def test_it_goes_on_as_if_never_stopped(encoder, tmp_path):
    head = {"hidden": [8], "batch_norm": True, "dropout": 0.3, "dropout_input": 0.1}
    whole = fit(settings(encoder, 3, **head), directory=tmp_path / "whole")
    fit(settings(encoder, 1, **head), directory=tmp_path / "parts")
    resumed = {"ckpt_path": str(tmp_path / "parts/checkpoints/last.ckpt"), "model": {"hidden": [12]}}
    parts = fit({**settings(encoder, 3, **head), **resumed}, directory=tmp_path / "parts")
    ours, theirs = (read_checkpoint(run.last)["state_dict"] for run in (parts, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_two_encoders_become_one_deep_one(encoder, tmp_path):
    upper = ContractiveAutoencoder((12,), hidden=[5])
    lower = ContractiveAutoencoder.load_from_checkpoint(encoder / "checkpoints/best.ckpt")
    deep = ContractiveAutoencoder.stack([lower, upper])
    model = Classifier(deep.input_shape, 10, hidden=[12, 5])
    model.begin_with(deep)
    x = torch.rand(3, 1, 8, 8)
    wanted = upper.encode(lower.encode(x))
    assert torch.allclose(model.logits(x), model.head.last(wanted))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": {"hidden": [5]}}, "model.hidden: the network is that of encoder="),
        ({"encoder": "nowhere"}, "encoder: there is no run 'nowhere'"),
        ({"head": {}}, "only a head takes one"),
        ({"data": {"source": "mnist", "root": "nowhere"}}, "nowhere"),
    ],
)
def test_what_does_not_fit_is_refused(encoder, tmp_path, change, said):
    with pytest.raises((ValueError, FileNotFoundError, RuntimeError), match=said):
        fit({**settings(encoder), **change}, directory=tmp_path)
