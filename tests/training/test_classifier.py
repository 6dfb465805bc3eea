"""Heads: their objective by hand, what of a run they take over, and that they go on as if never stopped."""

import csv
import json
import logging
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from lightning import Callback, Trainer
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from torch import nn

from contractive import penalties
from contractive.data.examples import Examples
from contractive.data.labels import UNKNOWN
from contractive.data.loader import MemoryLoader
from contractive.diagnostics.tangents import estimated_tangents
from contractive.penalties import adversarial
from contractive.runs.checkpoints import load_autoencoder, read_checkpoint
from contractive.runs.reading import read_run
from contractive.sklearn import ContractiveTransformer
from contractive.training import classifier, fit
from contractive.training.callbacks.charts import Charts
from contractive.training.callbacks.geometry import Geometry
from contractive.training.callbacks.pictures import Pictures
from contractive.training.callbacks.projector import Projector
from contractive.training.callbacks.record import Record
from contractive.training.callbacks.samples import Samples
from contractive.training.callbacks.tangents import Tangents
from contractive.training.classifier import Classifier
from contractive.training.datamodule import DataModule
from contractive.training.encoders import taken_over
from contractive.training.fitting import GROUPS, figures_again
from contractive.training.history import NonFiniteLossError
from contractive.training.module import ContractiveAutoencoder
from contractive.training.recording import compared_settings, load_settings

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


@pytest.fixture
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def with_terms(size=6, code=4, **head):
    """A classifier in training, with batch normalisation, and a batch for it."""
    torch.manual_seed(0)
    head = {"hidden": [5], "batch_norm": True, **head}
    model = Classifier((size,), classes=3, head=head, hidden=[code], activation="sigmoid").train()
    for _ in range(3):
        model._terms((torch.rand(8, size), torch.zeros(8, dtype=torch.long)), 0.0, 0)
    return model, torch.rand(4, size), torch.tensor([2, UNKNOWN, 0, 1])


def written_out(model, x):
    """The logits of one example, layer by layer, normalised as the batch ``x`` is."""
    below, first, norm, last = model.encoder[1], model.head.layers[0], model.head.norms[0], model.head.last
    hidden = first(below(x).sigmoid())
    mean, variance = hidden.mean(0), (hidden - hidden.mean(0)).square().mean(0)

    def one(x):
        hidden = (first(below(x).sigmoid()) - mean) / (variance + norm.eps).sqrt() * norm.weight + norm.bias
        return last(hidden.relu())

    return one


def derivatives(model, x, outputs=lambda logits: logits):
    """``∂o/∂x`` of each example by ``jacrev``."""
    one = written_out(model, x)
    return torch.stack([torch.func.jacrev(lambda x: outputs(one(x)))(each) for each in x])


def frobenius(model, x):
    return derivatives(model, x).square().sum((1, 2))


def frobenius_of_probabilities(model, x):
    return derivatives(model, x, lambda logits: logits.softmax(0)).square().sum((1, 2))


def spectral(model, x):
    return torch.linalg.matrix_norm(derivatives(model, x), 2).square()


def check_term(model, batch, name, weight, wanted):
    """Value and gradient of one step: those of the cross-entropy and, so weighted, the wanted term.

    Dropout is on in the step, and off in the term.
    """
    state = {key: value.clone() for key, value in model.state_dict().items()}
    terms = model._terms(batch, 0.0, 7)
    terms["loss"].backward()
    weights = {key: each for key, each in model.named_parameters() if each.requires_grad}
    found = {key: each.grad.clone() for key, each in weights.items()}
    value = wanted(model, batch[0]).mean()
    model.zero_grad()
    (weight * value).backward()
    extra = {
        key: torch.zeros(each.shape) if each.grad is None else each.grad.clone()
        for key, each in weights.items()
    }
    model.zero_grad()
    model.load_state_dict(state)
    model.chosen = replace(model.chosen, contraction="none", lam=0.0, radius=0.0, tangents=0, beta=0.0)
    plain = model._terms(batch, 0.0, 7)["loss"]
    plain.backward()
    assert terms[name].item() == pytest.approx(value.item(), rel=1e-9)
    assert terms["loss"].item() == pytest.approx((plain + weight * value).item(), rel=1e-9)
    assert max(each.abs().max() for each in extra.values()) > 1e-5
    for key, each in weights.items():
        own = 0 if each.grad is None else each.grad
        assert torch.allclose(found[key], own + extra[key], rtol=1e-7, atol=1e-11), key


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize(
    ("of", "wanted"), [("logits", frobenius), ("probabilities", frobenius_of_probabilities)]
)
def test_the_outputs_contract_as_jacrev_says(of, wanted):
    dropping = {"dropout": 0.4, "dropout_input": 0.3}
    model, x, y = with_terms(contraction="frobenius", outputs=of, lam=0.3, **dropping)
    check_term(model, (x, y), "contraction", 0.3, wanted)


@pytest.mark.usefixtures("double")
def test_the_worst_direction_contracts_as_jacrev_says(monkeypatch):
    enough = partial(penalties.spectral_penalty, iterations=150)
    monkeypatch.setattr(classifier, "spectral_penalty", enough)
    model, x, y = with_terms(contraction="spectral", lam=0.3, dropout=0.4)
    check_term(model, (x, y), "contraction", 0.3, spectral)


@pytest.mark.usefixtures("double")
def test_the_worst_direction_of_probabilities_is_the_virtual_adversarial_one(monkeypatch):
    def fisher(model, x):
        p = written_out(model, x)(x).softmax(1)
        j = derivatives(model, x)
        information = torch.diag_embed(p) - p[:, :, None] * p[:, None]
        return torch.linalg.matrix_norm(j.mT @ information @ j, 2)

    enough = partial(penalties.spectral_penalty, iterations=150)
    monkeypatch.setattr(classifier, "spectral_penalty", enough)
    model, x, y = with_terms(contraction="spectral", outputs="probabilities", lam=0.3)
    term = model._terms((x, y), 0.0, 7)["contraction"]
    assert term.item() == pytest.approx(fisher(model, x).mean().item(), rel=1e-9)


@pytest.mark.usefixtures("double")
def test_with_a_radius_the_probabilities_are_compared_so_far_away(monkeypatch):
    worst = torch.nn.functional.normalize(torch.randn(4, 6))

    def divergence(model, x):
        logits = written_out(model, x)
        p, q = logits(x).softmax(1).detach(), logits(x + 1.5 * worst).softmax(1)
        return 2 / 1.5**2 * (p * (p / q).log()).sum(1)

    options = {"contraction": "spectral", "outputs": "probabilities", "radius": 1.5}
    model, x, y = with_terms(lam=0.3, dropout=0.4, **options)
    monkeypatch.setattr(adversarial, "worst_direction", lambda *_: worst)
    check_term(model, (x, y), "contraction", 0.3, divergence)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize(("size", "code"), [(6, 4), (50, 60)], ids=["by matrices", "by products"])
def test_the_logits_keep_still_along_the_tangents_that_the_encoder_brought(size, code):
    model, x, y = with_terms(size, code, tangents=2, beta=0.3, dropout=0.4)
    brought = ContractiveAutoencoder((size,), hidden=[code], activation="sigmoid")
    weight = brought.encoder[1].weight
    with torch.no_grad():
        # Singular values far from each other, whose directions are found to many digits.
        left, values, right = torch.linalg.svd(weight, full_matrices=False)
        weight.copy_(8 * (left * 0.5 ** torch.arange(len(values))) @ right)
    model.begin_with(brought)
    with torch.no_grad():
        model.encoder[1].weight.add_(torch.randn(code, size))
    jacobians = torch.stack([torch.func.jacrev(lambda x: brought.encoder(x[None])[0])(each) for each in x])
    leading = torch.linalg.svd(jacobians).Vh[:, :2].detach()
    moved = lambda model, x: (derivatives(model, x) @ leading.mT).square().sum((1, 2))  # noqa: E731
    check_term(model, (x, y), "tangents", 0.3, moved)


@pytest.mark.parametrize("radius", [0.0, 1.5])
def test_the_first_direction_is_the_steps_own(radius):
    model, x, y = with_terms(contraction="spectral", outputs="probabilities", radius=radius)
    found = [model._terms((x, y), 0.0, step)["contraction"].item() for step in (7, 7, 8)]
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize("kind", ["frobenius", "spectral"])
def test_smaller_weights_below_a_normalised_layer_do_not_lower_the_contraction(kind):
    model, x, y = with_terms(contraction=kind, lam=1.0)
    model.head.norms[0].eps = 1e-12
    before = model._terms((x, y), 0.0, 0)["contraction"]
    with torch.no_grad():
        for each in model.head.layers[0].parameters():
            each.mul_(0.5)
    assert model._terms((x, y), 0.0, 0)["contraction"].item() == pytest.approx(before.item(), rel=1e-4)


def test_in_use_the_contraction_is_that_of_what_is_in_use():
    model, x, y = with_terms(contraction="frobenius")
    model.eval()
    of_each = [torch.func.jacrev(lambda x: model.logits(x[None])[0])(each) for each in x]
    wanted = torch.stack(of_each).square().sum((1, 2)).mean()
    assert model._terms((x, y), 0.0, 0)["contraction"].item() == pytest.approx(wanted.item(), rel=1e-5)


def test_a_contraction_without_weight_is_looked_at_alone():
    model, x, y = with_terms(contraction="frobenius")
    terms = model._terms((x, y), 0.0, 0)
    assert terms["contraction"].item() > 0 and not terms["contraction"].requires_grad
    assert terms["loss"] is terms["cross_entropy"]
    assert "contraction" not in model._terms((x, y), 0.0, 0, unweighted=False)


@pytest.mark.parametrize(
    ("head", "advice"),
    [
        ({}, "lower optimizer.lr"),
        ({"contraction": "frobenius", "lam": 1.0}, "lower optimizer.lr or head.lam"),
        ({"tangents": 2, "beta": 1.0}, "lower optimizer.lr or head.beta"),
    ],
)
def test_a_loss_that_explodes_tells_of_the_weights_of_the_head(encoder, tmp_path, head, advice):
    optimizer = {"name": "SGD", "lr": 1e38}
    with pytest.raises(NonFiniteLossError, match=rf"(at|after) step \d+: {advice}(, or look|$)"):
        fit({**settings(encoder, **head), "optimizer": optimizer}, directory=tmp_path / "run")


def test_examples_that_lost_their_label_have_none():
    data = DataModule(source="digits", labels=50, seed=0)
    data.setup()
    train = data.split("train")
    x, y = train.x, train.y
    assert (y != UNKNOWN).sum() == 50 < len(y)
    model = Classifier((1, 8, 8), classes=10, hidden=[12])
    terms = model._terms((x, y), 0.0, 0)
    logits, y = model.logits(x[y != UNKNOWN]), y[y != UNKNOWN]
    assert terms["loss"].item() == pytest.approx(F.cross_entropy(logits, y).item(), rel=1e-5)
    assert terms["error"].item() == pytest.approx(100 * (logits.argmax(1) != y).double().mean().item())


def labelled_here_and_there(n, seed):
    """Examples of two classes of which about one in five has a label, none of the first five."""
    random = np.random.default_rng(seed)
    y = np.where(random.random(n) < 0.2, random.integers(0, 2, n), -1)
    y[:6] = [-1] * 5 + [1]
    return random.random((n, 6), dtype=np.float32), y


def test_figures_are_averages_over_the_examples_behind_them(tmp_path):
    """Nothing is learnt at this rate, so that those of the epoch are those of the model at its end."""
    paths = {}
    for seed, (name, n) in enumerate({"path": 43, "val_path": 17, "test_path": 11}.items()):
        x, y = labelled_here_and_there(n, seed)
        paths[name] = str(tmp_path / f"{name}.npz")
        np.savez(paths[name], x=x, y=y)
    head = {"enabled": True, "contraction": "frobenius", "lam": 0.5}
    data = {"source": "array", "batch_size": 5, "labelled": 0, **paths}
    others = {"trainer": {"max_epochs": 1}, "optimizer": {"name": "SGD", "lr": 1e-12}, **WITHOUT_PROBE}
    run = fit({"data": data, "model": {"hidden": [4]}, "head": head, **others}, directory=tmp_path / "run")
    wanted = {}
    for split in ("train", "val", "test"):
        x, y = run.data.split(split).x, run.data.split(split).y
        logits, seen = run.model.logits(x), y >= 0
        entropy = F.cross_entropy(logits[seen], y[seen]).item()
        contraction = run.model._contraction(run.model.scale(x), torch.Generator()).mean().item()
        wanted[f"{split}/cross_entropy"] = entropy
        wanted[f"{split}/error"] = 100 * (logits[seen].argmax(1) != y[seen]).double().mean().item()
        wanted[f"{split}/contraction"] = contraction
        wanted[f"{split}/loss"] = entropy + 0.5 * contraction
    found = dict(run.metrics)
    with (tmp_path / "run/curves.csv").open() as file:
        (row,) = csv.DictReader(file)
    found |= {name: float(value) for name, value in row.items() if name.startswith("train/")}
    assert {name: found[name] for name in wanted} == pytest.approx(wanted, rel=1e-5)


def test_it_begins_with_the_encoder_its_network_and_its_data(encoder, tmp_path):
    run = fit(settings(encoder, frozen=True, tangents=2), directory=tmp_path)
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


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "anew"])
def test_it_goes_on_as_if_never_stopped(encoder, tmp_path, kept):
    head = {"keep_tangents": kept, "hidden": [8], "batch_norm": True, "dropout": 0.3, "dropout_input": 0.1}
    head |= {"contraction": "spectral", "outputs": "probabilities", "lam": 0.1}
    head |= {"tangents": 3, "beta": 0.01}
    whole = fit(settings(encoder, 3, **head), directory=tmp_path / "whole")
    fit(settings(encoder, 1, **head), directory=tmp_path / "parts")
    resumed = {"ckpt_path": str(tmp_path / "parts/checkpoints/last.ckpt"), "model": {"hidden": [12]}}
    parts = fit({**settings(encoder, 3, **head), **resumed}, directory=tmp_path / "parts")
    ours, theirs = (read_checkpoint(run.last)["state_dict"] for run in (parts, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    brought = load_autoencoder(encoder / "checkpoints/best.ckpt").encoder[1].weight
    assert torch.equal(theirs["pretrained.1.weight"], brought)
    assert parts.metrics["val/tangents"] == whole.metrics["val/tangents"] > 0
    assert parts.metrics["val/contraction"] == whole.metrics["val/contraction"] > 0


def test_tangents_that_are_kept_are_those_of_the_examples(tmp_path, monkeypatch, caplog):
    data = {**FEW["data"], "scaling": "standard"}
    below = {"data": data, "model": {"hidden": [12]}, "trainer": {"max_epochs": 1}, **WITHOUT_PROBE}
    fit(below, directory=tmp_path / "below")
    asked = []

    def find(model, x, count):
        asked.append(len(x))
        return estimated_tangents(model, x, count)

    monkeypatch.setattr(classifier, "estimated_tangents", find)
    runs, found = {}, {}
    with caplog.at_level(logging.INFO):
        for kept in (True, False):
            asked.clear()
            given = settings(tmp_path / "below", 3, tangents=3, beta=0.01, keep_tangents=kept)
            runs[kept] = fit({**given, "data": data}, directory=tmp_path / str(kept))
            found[kept] = sum(asked)
    assert caplog.text.count("Finds 3 tangents of each of 1,617 examples, once") == 1
    # Once; and of both other splits, when the best epoch is tested, which is so without what was kept.
    assert found[True] == 1437 + 180 + 2 * 180
    # At each step, of which there are 23, with 20 examples that join it, and at each validation.
    assert found[False] == 3 * (1437 + 23 * 20 + 180) + 2 * 180
    curves = [curves_of(run.directory) for run in runs.values()]
    for kept, anew in zip(*curves, strict=True):
        for name in ("train/tangents", "val/tangents", "train/loss", "val/loss"):
            assert float(kept[name]) == pytest.approx(float(anew[name]), rel=1e-3)
    assert curves[0][0]["val/tangents"] != curves[1][0]["val/tangents"]
    weights = [run.model.state_dict() for run in runs.values()]
    assert all(torch.allclose(weights[0][name], weights[1][name], atol=1e-4) for name in weights[0])


@pytest.mark.parametrize("beta", [0.01, 0.0])
def test_of_a_file_tangents_are_found_anew_and_so_it_says(tmp_path, caplog, beta):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((400, 6), np.float32))
    np.save(tmp_path / "y.npy", np.arange(400) % 2)
    data = {"source": "array", "path": str(tmp_path / "x.npy"), "labels_path": str(tmp_path / "y.npy")}
    below = {"data": {**data, "in_memory_mib": 0.0}, "model": {"hidden": [4]}, "trainer": {"max_epochs": 1}}
    fit({**below, **WITHOUT_PROBE}, directory=tmp_path / "below")
    with caplog.at_level(logging.INFO):
        run = fit(settings(tmp_path / "below", 1, tangents=2, beta=beta), directory=tmp_path / "run")
    assert run.metrics["val/tangents"] > 0
    assert ("head.tangents=2: found anew for each batch" in caplog.text) == (beta > 0)


def test_tangents_that_do_not_fit_are_refused_before_training(encoder, tmp_path, monkeypatch):
    def little(*asked):
        raise ValueError(f"too many: {asked}")

    monkeypatch.setattr(classifier, "check_tangents", little)
    with pytest.raises(ValueError, match=r"too many: \(3, 1617, \(1, 8, 8\), 1\)"):
        fit(settings(encoder, 1, tangents=3, beta=0.01), directory=tmp_path)
    assert not (tmp_path / "checkpoints/last.ckpt").exists()
    fit(settings(encoder, 1, tangents=3, beta=0.01, keep_tangents=False), directory=tmp_path)


def test_tangents_of_a_training_that_failed_are_none_of_the_next():
    data, columns = DataModule("digits", batch_size=512), []

    class Counting(Callback):
        def on_train_batch_start(self, trainer, model, batch, batch_idx):
            columns.append(len(batch))

    def train(*callbacks, **head):
        head = {"tangents": 2, "beta": 0.01, **head}
        model = Classifier((1, 8, 8), classes=10, head=head, hidden=[12])
        quiet = {"logger": False, "enable_checkpointing": False, "enable_model_summary": False}
        callbacks = [Counting(), *callbacks]
        trainer = Trainer(
            max_epochs=1, accelerator="cpu", enable_progress_bar=False, callbacks=callbacks, **quiet
        )
        trainer.fit(model, datamodule=data)

    with pytest.raises(PowerCut):
        train(CutBefore(1))
    train(keep_tangents=False)
    assert columns == [3, 3, 2, 2, 2]


def test_it_goes_on_with_the_same_tangents_where_they_are_found_from_products(tmp_path):
    directory = tmp_path / "encoder"
    fit({"model": {"hidden": [64]}, "trainer": {"max_epochs": 1}, **WITHOUT_PROBE}, directory=directory)
    head = {"tangents": 2, "beta": 0.01}
    whole = fit(settings(directory, 2, **head), directory=tmp_path / "whole")
    fit(settings(directory, 1, **head), directory=tmp_path / "parts")
    resumed = {"ckpt_path": str(tmp_path / "parts/checkpoints/last.ckpt"), "model": {"hidden": [64]}}
    parts = fit({**settings(directory, 2, **head), **resumed}, directory=tmp_path / "parts")
    ours, theirs = (read_checkpoint(run.last)["state_dict"] for run in (parts, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert parts.metrics["val/tangents"] == whole.metrics["val/tangents"] > 0


def test_two_encoders_become_one_deep_one(encoder, tmp_path):
    upper = ContractiveAutoencoder((12,), hidden=[5])
    lower = ContractiveAutoencoder.load_from_checkpoint(encoder / "checkpoints/best.ckpt")
    deep = ContractiveAutoencoder.stack([lower, upper])
    model = Classifier(deep.input_shape, 10, hidden=[12, 5])
    model.begin_with(deep)
    x = torch.rand(3, 1, 8, 8)
    wanted = upper.encode(lower.encode(x))
    assert torch.allclose(model.logits(x), model.head.last(wanted))


def test_few_of_labels_that_are_none_to_a_head_are_refused(tmp_path):
    x, y = labelled_here_and_there(60, 0)
    np.savez(tmp_path / "x.npz", x=x, y=y)
    data = {"source": "array", "path": str(tmp_path / "x.npz"), "labels": 5}
    with pytest.raises(ValueError, match=r"data\.labels=5: some labels of the train split are negative"):
        fit({"data": data, "model": {"hidden": [4]}, "head": {"enabled": True}}, directory=tmp_path / "run")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": {"hidden": [5]}}, "model.hidden: the network is that of encoder="),
        ({"optimized_metric": "val/penalty"}, "optimized_metric=val/penalty is not measured .* val/error"),
        ({"encoder": "nowhere"}, "encoder: there is no run 'nowhere'"),
        ({"head": {}}, "only a head takes one"),
        ({"head": {"enabled": True, "lam": 0.1}}, "head.lam=0.1 has nothing to weigh while contraction=none"),
        (
            {"head": {"enabled": True, "contraction": "spectral", "radius": 1.5}},
            "head.radius=1.5 is of contraction=spectral with outputs=probabilities",
        ),
        (
            {"head": {"enabled": True, "outputs": "probabilities", "radius": 1.5}},
            "head.radius=1.5 is of contraction=spectral with outputs=probabilities",
        ),
        ({"head": {"enabled": True, "beta": 0.1}}, "head.beta=0.1 has nothing to weigh while tangents=0"),
        ({"head": {"enabled": True, "tangents": 13}}, "head.tangents=13: .* has 12 at most"),
        (
            {"encoder": None, "head": {"enabled": True, "tangents": 1}},
            "tangents=1 are those .* name one, encoder=RUN",
        ),
        ({"data": {"source": "mnist", "root": "nowhere"}}, "nowhere"),
    ],
)
def test_what_does_not_fit_is_refused(encoder, tmp_path, change, said):
    with pytest.raises((ValueError, FileNotFoundError, RuntimeError), match=said):
        fit({**settings(encoder), **change}, directory=tmp_path)


@pytest.mark.usefixtures("double")
def test_a_head_on_the_inputs_is_plain_torch_on_pixels_without_an_encoder():
    head = {"on": "inputs", "hidden": [5], "batch_norm": True, "contraction": "frobenius", "lam": 0.3}
    model = Classifier((2, 3), classes=3, head=head, hidden=[4]).train()
    x, y = torch.rand(8, 2, 3), torch.randint(3, (8,))
    first, norm, last = nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Linear(5, 3)
    for mine, own in ((first, model.head.layers[0]), (norm, model.head.norms[0]), (last, model.head.last)):
        mine.load_state_dict(own.state_dict())
    wanted = F.cross_entropy(last(norm(first(x.flatten(1))).relu()), y)
    hidden = first(x.flatten(1))
    mean, std = hidden.mean(0), (hidden.var(0, correction=0) + norm.eps).sqrt()

    def one(x):
        return last(((first(x.flatten()) - mean) / std * norm.weight + norm.bias).relu())

    jacobian = torch.stack([torch.func.jacrev(one)(each) for each in x])
    wanted = wanted + 0.3 * jacobian.square().sum((1, 2, 3)).mean()
    wanted.backward()
    loss = model._terms((x, y), 0.0, 0)["loss"]
    loss.backward()
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-9)
    assert torch.allclose(model.head.layers[0].weight.grad, first.weight.grad, rtol=1e-8, atol=1e-12)
    unused = (*model.encoder.parameters(), *model.decoder.parameters())
    assert not any(weight.requires_grad for weight in unused)
    assert torch.equal(model.eval().logits(x), model.head(x.flatten(1)))


def test_a_head_on_the_inputs_leaves_inputs_out_once():
    head = {"on": "inputs", "hidden": [5], "dropout_input": 0.0, "dropout": 0.6}
    model = Classifier((400,), classes=2, head=head, hidden=[4]).train()
    seen = []
    model.head.layers[0].register_forward_pre_hook(lambda layer, given: seen.append(given[0]))
    model.head.last.register_forward_pre_hook(lambda layer, given: seen.append(given[0]))
    x = torch.rand(50, 400) + 0.1
    model._terms((x, torch.zeros(50, dtype=torch.long)), 0.0, 0)
    assert torch.equal(seen[0], x)  # head.dropout is of the hidden units
    assert (seen[1] == 0).float().mean() > 0.5
    model.chosen = replace(model.chosen, dropout_input=0.25)
    model._terms((x, torch.zeros(50, dtype=torch.long)), 0.0, 0)
    assert (seen[2] == 0).float().mean().item() == pytest.approx(0.25, abs=0.02)


def test_a_head_on_the_inputs_goes_on_as_if_never_stopped_and_is_evaluated_again(tmp_path):
    head = {"on": "inputs", "hidden": [8], "batch_norm": True, "dropout": 0.3, "dropout_input": 0.1}
    head |= {"contraction": "spectral", "outputs": "probabilities", "lam": 0.1}
    given = {key: value for key, value in settings("", **head).items() if key != "encoder"}
    whole = fit({**given, "trainer": {"max_epochs": 2}}, directory=tmp_path / "whole")
    fit({**given, "trainer": {"max_epochs": 1}}, directory=tmp_path / "parts")
    last = str(tmp_path / "parts/checkpoints/last.ckpt")
    parts = fit({**given, "ckpt_path": last}, directory=tmp_path / "parts")
    ours, theirs = (read_checkpoint(run.last)["state_dict"] for run in (parts, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    again = figures_again(whole.best, {**load_settings(tmp_path / "whole")})
    assert again == {name: whole.metrics[name] for name in again} and "test/error" in again
    with pytest.raises(ValueError, match="is a classifier on the inputs, without an encoder"):
        load_autoencoder(whole.best)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"encoder": "any"}, "encoder: a head with head.on=inputs has no encoder"),
        ({"model": {"hidden": [5]}}, "model.hidden: a head with head.on=inputs has no encoder"),
        ({"head": {"frozen": True}}, "head.frozen=true is of an encoder, and on=inputs has none"),
        ({"head": {"tangents": 2}}, "head.tangents=2 is of an encoder, and on=inputs has none"),
        ({"head": {"on": "pixels"}}, "head.on must be one of code, inputs"),
        (
            {"optimized_metric": "val/probe_error", "probe": {"enabled": True}},
            "optimized_metric=val/probe_error is not measured of this head: choose from val/loss, val/error",
        ),
    ],
)
def test_what_a_head_on_the_inputs_has_no_use_for_is_refused(tmp_path, change, said):
    head = {"enabled": True, "on": "inputs"} | change.pop("head", {})
    with pytest.raises(ValueError, match=said):
        fit({"head": head, **change}, directory=tmp_path)


FEW = {"data": {"source": "digits", "labels": 20, "batch_size": 64}}


def test_examples_with_a_label_join_the_batches_of_a_head_alone(encoder, tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        run = fit({**settings(encoder, 1), **FEW}, directory=tmp_path)
    assert "Trains on 1437 examples in batches of 64, and 20 of 20 with a label in each" in caplog.text
    # What knows nothing of labels, or has nobody to ask, gets none twice.
    data = DataModule(**FEW["data"], labelled=20)
    data.setup()
    sizes = [next(len(x) for x, _ in data.train_dataloader())]
    for model in (run.model, ContractiveAutoencoder((1, 8, 8), hidden=[12])):
        data.trainer = SimpleNamespace(global_rank=0, world_size=1, lightning_module=model)
        sizes.append(next(len(x) for x, _ in data.train_dataloader()))
    assert sizes == [64, 84, 64]


class PowerCut(BaseException):
    """Nothing is left but what was saved."""


class CutBefore(Callback):
    def __init__(self, step):
        self.step = step

    def on_train_batch_start(self, trainer, *args):
        if trainer.global_step == self.step:
            raise PowerCut


def test_a_head_with_few_labels_goes_on_within_an_epoch_as_if_never_stopped(encoder, tmp_path):
    given = {**settings(encoder, 1, hidden=[8], batch_norm=True, dropout=0.3), **FEW, "save_every_seconds": 0}
    whole = fit(given, directory=tmp_path / "whole")
    with pytest.raises(PowerCut):
        fit(given, directory=tmp_path / "parts", callbacks=[Record(), CutBefore(10)])
    resumed = {"ckpt_path": str(tmp_path / "parts/checkpoints/last.ckpt"), "model": {"hidden": [12]}}
    parts = fit({**given, **resumed}, directory=tmp_path / "parts")
    ours, theirs = (read_checkpoint(run.last) for run in (parts, whole))
    assert ours["global_step"] == theirs["global_step"] == 23
    for name, weight in theirs["state_dict"].items():
        assert torch.equal(ours["state_dict"][name], weight), name
    assert (tmp_path / "parts/curves.csv").read_text() == (tmp_path / "whole/curves.csv").read_text()


def test_labelled_examples_that_join_nothing_are_told(tmp_path, caplog):
    data = {"source": "digits", "labelled": 5}
    given = {"data": data, "model": {"hidden": [4]}, "trainer": {"max_epochs": 1}, **WITHOUT_PROBE}
    fit({**given, "head": {"enabled": True}}, directory=tmp_path)
    assert "data.labelled=5: all training examples have a label" in caplog.text
    with pytest.raises(ValueError, match=r"data\.labelled=5: is for a head"):
        fit(given, directory=tmp_path)


def test_in_python_it_answers_in_kind():
    pandas = pytest.importorskip("pandas")
    model = Classifier((3,), classes=2, hidden=[4]).eval()
    model.classes = ["ant", "bee"]
    x = torch.rand(5, 3)
    logits = model.logits(x)
    assert torch.equal(model(x), logits) and logits.requires_grad
    assert torch.allclose(model.probabilities(x), logits.exp() / logits.exp().sum(1, keepdim=True))
    assert torch.equal(model.classify(x), logits.argmax(1))
    assert (model.classify(x.numpy()) == logits.argmax(1).numpy()).all()
    frame = pandas.DataFrame(x.numpy(), index=list("abcde"))
    told = model.probabilities(frame)
    assert list(told) == ["ant", "bee"] and list(told.index) == list("abcde")
    assert torch.equal(model.predict_step((x,)), model.probabilities(x))


def test_a_classifier_rebuilds_nothing_and_has_no_code_of_inputs():
    x = torch.rand(5, 3)
    model = Classifier((3,), classes=2, hidden=[4])
    for use in (model.reconstruct, lambda x: model.decode(model.encode(x))):
        with pytest.raises(ValueError, match="a classifier rebuilds nothing"):
            use(x)
    with pytest.raises(ValueError, match="has no encoder and no codes"):
        Classifier((3,), classes=2, head={"on": "inputs"}).encode(x)


def test_one_kind_of_run_is_not_taken_for_the_other(encoder, tmp_path):
    run = fit(settings(encoder, epochs=1), directory=tmp_path / "head")
    for use in (ContractiveAutoencoder.load_from_checkpoint, ContractiveTransformer.from_run):
        with pytest.raises(ValueError, match="was trained to tell classes, without a decoder"):
            use(run.best)
    with pytest.raises(ValueError, match=r"encoder: .* was trained to tell classes, without a decoder"):
        fit(settings(tmp_path / "head"), directory=tmp_path / "next")
    with pytest.raises(ValueError, match="is an autoencoder, without a head"):
        Classifier.load_from_checkpoint(encoder / "checkpoints/best.ckpt")


def test_processes_that_normalise_their_own_batches_are_told(caplog):
    loader = MemoryLoader(Examples(torch.rand(8, 6), torch.arange(8) % 2), torch.arange(8), 4, shuffle=True)
    told = []
    for world_size, batch_norm in ((2, True), (2, False), (1, True)):
        model = Classifier((6,), 2, {"hidden": [4], "batch_norm": batch_norm}, hidden=[3])
        source = SimpleNamespace(settings=SimpleNamespace(labelled=None))
        trainer = {"train_dataloader": loader, "datamodule": source, "log_every_n_steps": 1}
        model._trainer = SimpleNamespace(is_global_zero=True, world_size=world_size, **trainer)
        caplog.clear()
        model.on_train_start()
        told.append("each of the 2 processes normalises its own share" in caplog.text)
    assert told == [True, False, False]


def curves_of(directory):
    lines = [line.split(",") for line in (directory / "curves.csv").read_text().splitlines()]
    return [dict(zip(lines[0], line)) for line in lines[1:]]


def test_the_curves_have_the_weights_of_the_head_and_none_of_the_autoencoder(tmp_path):
    given = {"model": {"hidden": [12], "lam": 0.7, "lam_warmup_epochs": 4}, "trainer": {"max_epochs": 1}}
    fit({**given, **WITHOUT_PROBE}, directory=tmp_path / "below")
    own = {"contraction": "frobenius", "lam": 0.2, "tangents": 2, "beta": 0.01}
    logged = CSVLogger(tmp_path / "log")  # in which only weights that move are curves
    fit(settings(tmp_path / "below", 1, **own), directory=tmp_path / "head", loggers=[logged])
    assert "train/lam" not in Path(logged.log_dir, "metrics.csv").read_text()
    (row,) = curves_of(tmp_path / "head")
    assert (row["lam"], row["beta"]) == ("0.2", "0.01")
    run = fit(settings(tmp_path / "below", 1), directory=tmp_path / "plain")
    (row,) = curves_of(tmp_path / "plain")
    assert not {"lam", "beta"} & row.keys()
    assert read_run(run.directory, "run").lam is None and read_run(tmp_path / "head", "head").lam == 0.2


def test_what_a_head_does_not_use_is_refused_and_compared_by_nobody(tmp_path):
    with pytest.raises(ValueError, match=r"model\.lam: it is of an autoencoder's objective, .* head\.lam"):
        fit({"head": {"enabled": True}, "model": {"lam": 0.1}}, directory=tmp_path)
    given = {name: vars(group.of({})) for name, group in GROUPS.items()} | {"data": {"source": "digits"}}
    given["model"] |= {"lam": 0.3, "lam_warmup_epochs": 2}
    assert {"model.lam", "model.lam_warmup_epochs"} <= compared_settings(given, []).keys()
    given["head"] |= {"enabled": True, "lam": 0.2, "contraction": "spectral"}
    compared = compared_settings(given, [])
    assert compared["head.lam"] == 0.2 and not [name for name in compared if name.startswith("model.")]


def test_the_seed_of_an_encoder_on_codes_decides_no_split(encoder, tmp_path, caplog):
    codes = {"data": {"source": "codes", "run": str(encoder)}, "model": {"hidden": [5]}, "seed": 7}
    fit({**codes, "trainer": {"max_epochs": 1}, **WITHOUT_PROBE}, directory=tmp_path / "upper")
    both = [str(encoder), str(tmp_path / "upper")]
    caplog.set_level(logging.INFO)
    plain = {"head": {"enabled": True}, "seed": 0}
    assert taken_over({**plain, "encoder": both}, [])["model"]["hidden"] == [12, 5]
    taken_over({**plain, "encoder": both[1], "seed": 3}, [])
    assert "splits" not in caplog.text
    taken_over({**plain, "encoder": both, "seed": 7}, [])
    assert "may be others than those of the encoder, whose seed was 0" in caplog.text


@pytest.mark.parametrize("on", ["code", "inputs"])
def test_of_a_classifier_only_what_was_trained_is_drawn(encoder, tmp_path, caplog, on):
    caplog.set_level(logging.INFO)
    given = settings(encoder, 1, on=on)
    if on == "inputs":
        del given["encoder"]
    callbacks = [Pictures(), Geometry(), Tangents(), Samples(), Projector(), Charts()]
    logger = TensorBoardLogger(tmp_path, name="", version="")
    fit(given, directory=tmp_path, callbacks=callbacks, loggers=[logger])
    drawn = {path.stem for path in tmp_path.glob("pictures/*.png")}
    assert drawn == ({"filters", "spectrum", "contraction_ratio", "tangents"} if on == "code" else set())
    assert (tmp_path / "geometry.json").is_file() == (on == "code")
    said = {
        "code": "classifier, which has no decoder: reconstructions, walks along tangents, samples",
        "inputs": "Nothing is drawn: a head on the inputs has no encoder",
    }
    assert caplog.text.count(said[on]) == 1 and "not drawn in epoch" not in caplog.text


def test_an_encoder_beside_a_checkpoint_is_said_to_be_left_out(caplog):
    given = {"encoder": "RUN", "ckpt_path": "last.ckpt", "head": {"enabled": True}}
    assert taken_over(given, []) == {}
    assert "encoder=RUN is left out: the weights are those of ckpt_path" in caplog.text
