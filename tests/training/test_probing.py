"""The probe of a model: its figures against scikit-learn's on the codes, and when there are none."""

import logging

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from contractive import ContractiveAutoencoder, DataModule
from contractive.diagnostics.classifiers import error, linear_probe, standard_error
from contractive.training.fitting import fit
from contractive.training.probing import check_probed, probe_figures
from contractive.training.settings import Probe
from tests.training.test_fitting import metrics

SMALL = ("model.hidden=[16]", "trainer.max_epochs=2", "probe.labels=[100]")


@pytest.fixture(scope="module")
def digits():
    data = DataModule("digits", seed=3)
    data.setup()
    return data


def untrained(data, size=16, **settings):
    torch.manual_seed(0)
    return ContractiveAutoencoder(data.input_shape, hidden=[size], **settings).eval()


def test_the_figures_of_a_run_are_those_of_scikit_learn_on_its_codes(train):
    run = train(*SMALL, "seed=3")
    figures = metrics(run)
    model = ContractiveAutoencoder.load_from_checkpoint(run / "checkpoints" / "best.ckpt")
    data = DataModule("digits", seed=3)
    data.setup()
    with torch.no_grad():
        codes = {
            name: (model.encode(data.split(name).x).numpy(), data.split(name).y.numpy())
            for name in ("train", "val", "test")
        }
    linear = linear_probe(codes["train"], codes["val"], 3)
    nearest = KNeighborsClassifier(5).fit(*codes["train"])
    for stage in ("val", "test"):
        x, y = codes[stage]
        assert figures[f"{stage}/probe_error"] == pytest.approx(100 * np.mean(linear.predict(x) != y))
        assert figures[f"{stage}/knn_error"] == pytest.approx(100 * np.mean(nearest.predict(x) != y))
        assert figures[f"{stage}/probe_error_se"] == standard_error(figures[f"{stage}/probe_error"], 180)
    assert figures["train/probe_examples"] == 1437 and figures["test/knn_examples"] == 180
    assert 0 < figures["test/probe_error_raw"] < 15


def test_the_inputs_themselves_are_what_the_encoder_sees(digits):
    class Identity(ContractiveAutoencoder):
        pass

    model = Identity(digits.input_shape, hidden=[64], activation="identity").eval()
    with torch.no_grad():
        model.encoder[1].weight.copy_(torch.eye(64))
    figures = probe_figures(model, digits, Probe(labels=[100]))
    for name in ("val/probe_error", "test/probe_error_noisy", "test/probe_error_100", "test/knn_error"):
        assert figures[name] == figures[f"{name}_raw"] > 0
    x, y = (digits.split("test").x.flatten(1), digits.split("test").y.numpy())
    train, val = ((digits.split(s).x.flatten(1).numpy(), digits.split(s).y.numpy()) for s in ("train", "val"))
    linear = linear_probe(train, val, 3)
    assert figures["test/probe_error"] == pytest.approx(error(linear, (x.numpy(), y)))
    # Another draw of the same noise, on the inputs before they are encoded.
    noisy = (x + 0.3 * torch.randn(x.shape, generator=torch.Generator().manual_seed(99))).numpy()
    assert figures["test/probe_error_noisy"] == pytest.approx(error(linear, (noisy, y)), abs=7)
    assert figures["test/probe_error_noisy"] > figures["test/probe_error"] + 3


def test_noise_is_added_after_the_scaling_of_the_data():
    random = np.random.default_rng(0)
    y = random.integers(0, 2, 400)
    x = (1000 * (y[:, None] + random.normal(0, 0.3, (400, 3)))).astype(np.float32)
    data = DataModule((x, y), scaling="standard")
    data.setup()
    model = untrained(data, scaled=True)
    model.scaler.load_state_dict(data.scaler.state_dict())
    mild, strong = (probe_figures(model, data, Probe(noise=noise, labels=[2])) for noise in (0.01, 30.0))
    assert mild["test/probe_error_noisy_raw"] < 10
    assert strong["test/probe_error_noisy_raw"] > 25


def test_the_probe_of_a_seed_is_the_same_whatever_else_is_drawn(digits):
    model = untrained(digits)
    first = probe_figures(model, digits, Probe(labels=[50]))
    state = torch.get_rng_state()
    torch.rand(5), np.random.rand(5)
    assert probe_figures(model, digits, Probe(labels=[50])) == first
    torch.set_rng_state(state)


def test_nothing_is_probed_where_there_are_no_labels_and_that_is_said_at_most_once(caplog):
    data = DataModule(np.eye(50, dtype=np.float32))
    data.setup()
    with caplog.at_level(logging.DEBUG):
        assert probe_figures(untrained(data), data, Probe()) == {}
    assert len(caplog.records) == 1 and caplog.records[0].levelno == logging.DEBUG
    assert "have no labels" in caplog.text


def test_it_can_be_switched_off(digits, train):
    assert probe_figures(untrained(digits), digits, Probe(enabled=False)) == {}
    assert not [name for name in metrics(train(*SMALL[:2], "probe=none")) if "probe" in name or "knn" in name]


def test_labels_that_are_all_alike_are_no_labels(caplog):
    data = DataModule((np.random.default_rng(0).random((50, 4), np.float32), np.ones(50, int)))
    data.setup()
    with caplog.at_level(logging.INFO):
        assert probe_figures(untrained(data), data, Probe()) == {}
    assert "all training examples have the same label" in caplog.text


def test_whole_numbers_that_hardly_repeat_are_measurements(caplog):
    x = np.random.default_rng(0).normal(size=(400, 3)).astype(np.float32)
    data = DataModule((x, np.round(1000 * x[:, 0] + 5000).astype(int)))
    data.setup()
    model = untrained(data, scaled=True)
    model.scaler.load_state_dict(data.scaler.state_dict())
    with caplog.at_level(logging.INFO):
        figures = probe_figures(model, data, Probe())
    assert figures["test/probe_r2_raw"] > 0.999
    # Noise of 0.3 on a feature of variance 1, which alone decides.
    assert figures["test/probe_r2_noisy_raw"] == pytest.approx(1 - 0.09, abs=0.08)
    assert {name for name in figures if "error" in name} == set()
    assert "takes labels for measurements" in caplog.text


def test_of_continuous_labels_the_figure_is_the_r2_of_a_ridge_regression(tmp_path, caplog):
    x = np.random.default_rng(0).normal(size=(400, 3)).astype(np.float32)
    table = np.column_stack([x, x @ [1.0, 2.0, 0.0] + 0.25])
    np.savetxt(tmp_path / "t.csv", table, delimiter=",", header="a,b,c,target", comments="")
    settings = {
        "data": {"source": "table", "path": str(tmp_path / "t.csv"), "label": "target"},
        "model": {"hidden": [8]},
        "trainer": {"max_epochs": 1},
        "optimized_metric": "val/probe_r2",
    }
    figures = fit(settings, directory=tmp_path / "run").metrics
    assert figures["val/probe_r2_raw"] > 0.999 and figures["test/probe_r2_raw"] > 0.999
    assert 0 < figures["test/probe_r2"] < figures["test/probe_r2_raw"]
    assert "a ridge regression explains" in caplog.text and "probe_error" not in " ".join(figures)


def test_large_splits_are_cut_and_that_is_said_in_one_line(digits, caplog, monkeypatch):
    monkeypatch.setattr("contractive.diagnostics.probe.LINEAR_WORK", 64 * 10 * 500)
    monkeypatch.setattr("contractive.diagnostics.probe.NEAR_MOST", {"train": 300, "val": 50, "test": 60})
    with caplog.at_level(logging.INFO):
        figures = probe_figures(untrained(digits), digits, Probe(labels=[50]))
    assert (figures["train/probe_examples"], figures["train/knn_examples"]) == (500, 300)
    assert figures["test/probe_examples"] == 180 and figures["test/knn_examples"] == 60
    (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.INFO]
    assert "learnt from 500 of 1437" in line and "tested on 60 of 180" in line


@pytest.mark.parametrize("lam", [0.0, 5.0])
def test_a_code_that_is_worth_less_than_the_inputs_is_warned_of(digits, caplog, lam):
    probe_figures(untrained(digits, size=1, lam=lam), digits, Probe(labels=[50]))
    (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert line.startswith(
        f"With model.lam={lam:g} the code is worth less than the inputs: a linear probe errs in"
    )
    assert ("lower model.lam" in line) == (lam > 0)


def test_a_code_as_good_as_the_inputs_is_not(digits, caplog):
    probe_figures(untrained(digits, size=200), digits, Probe(labels=[50]))
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_splits_larger_than_memory_are_probed_a_few_examples_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr("contractive.data.parts.PIECE", 50)
    random = np.random.default_rng(0)
    y = np.repeat(np.arange(3), 500)  # in the order of the classes
    x = (3 * np.eye(3, 5)[y] + random.normal(size=(1500, 5))).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    paths = {"path": str(tmp_path / "x.npy"), "labels_path": str(tmp_path / "y.npy")}
    data = DataModule("array", **paths, in_memory_mib=0, scaling="none")
    data.setup()
    monkeypatch.setattr("contractive.diagnostics.probe.LINEAR_MOST", {"train": 200, "val": 100, "test": 100})
    figures = probe_figures(untrained(data), data, Probe(labels=[30]))
    assert figures["train/probe_examples"] == 200
    assert figures["test/probe_error_raw"] < 12


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("val/probe_error", {"enabled": False}, "which probe=none switches off"),
        ("test/probe_r2", {}, "test/probe_r2 needs continuous labels"),
    ],
)
def test_a_run_is_not_judged_by_what_will_not_be_measured(digits, name, settings, said):
    with pytest.raises(ValueError, match=said):
        check_probed([name], digits, settings)
    check_probed(["val/knn_error", "val/loss"], digits, {})


def test_a_run_without_labels_cannot_be_judged_by_the_probe():
    data = DataModule(np.eye(50, dtype=np.float32))
    data.setup()
    with pytest.raises(ValueError, match="val/probe_error needs labels that are classes"):
        check_probed(["val/probe_error"], data, {})
