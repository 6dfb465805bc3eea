"""Runs on each other: the second is trained on the codes of the first, and a head is put on both."""

import json

import numpy as np
import pytest
import torch

from contractive import ContractiveAutoencoder, contraction_penalty, load_autoencoder
from contractive.runs.checkpoints import read_checkpoint
from tests.penalties.dense import dense_jacobian

QUICK = ["trainer.max_epochs=1", "callbacks=minimal", "probe=none"]


@pytest.fixture
def layers(train, contractive, tmp_path):
    """A run on the digits, and one on the codes that ``encode`` wrote of it."""
    lower = train("model.hidden=[12]", "trainer.max_epochs=1", to="lower")
    contractive("encode", lower, "digits", "-o", tmp_path / "codes.npy")
    own = ["data=array", f"data.path={tmp_path / 'codes.npy'}", "data.scaling=none"]
    return lower, train(*own, "model.hidden=[5]", "trainer.max_epochs=1", to="upper")


def test_two_runs_make_one_deep_encoder_under_the_head(layers, contractive, tmp_path):
    first, second = (load_autoencoder(run / "checkpoints/best.ckpt").double() for run in layers)
    models = [ContractiveAutoencoder.load_from_checkpoint(run / "checkpoints/best.ckpt") for run in layers]
    deep = ContractiveAutoencoder.stack(models).double()
    x = torch.rand(6, 1, 8, 8, dtype=torch.double)
    torch.testing.assert_close(deep.encode(x), second.encode(first.encode(x)), rtol=1e-12, atol=1e-14)
    jacobian = dense_jacobian(lambda x: second.encoder(first.encoder(x)), x)
    penalty = contraction_penalty(deep.encoder, x, "layerwise")[1]
    torch.testing.assert_close(penalty, jacobian.square().sum((1, 2)), rtol=1e-10, atol=0)

    on_both, run = f"encoder=[{layers[0]},{layers[1]}]", tmp_path / "head"
    contractive("finetune", on_both, "head.frozen=true", *QUICK, f"hydra.run.dir={run}")
    tuned = load_autoencoder(run / "checkpoints/best.ckpt").double()
    torch.testing.assert_close(tuned.encode(x), deep.encode(x), rtol=0, atol=0)
    figures = json.loads((run / "metrics.json").read_text())
    assert 0 <= figures["test/error"] <= 100 and np.isfinite(figures["test/cross_entropy"])
    assert read_checkpoint(run / "checkpoints/best.ckpt")["hyper_parameters"]["hidden"] == [12, 5]


def test_the_next_layer_is_trained_on_the_codes_of_a_run_and_is_a_run_like_others(
    train, contractive, tmp_path
):
    lower = train("model.hidden=[12]", "seed=4", "trainer.max_epochs=1", to="lower")
    cross_entropy = "model.reconstruction=cross_entropy"  # codes of sigmoid units are in [0, 1]
    upper = train(
        "data=codes", f"data.run={lower}", "model.hidden=[5]", cross_entropy, *QUICK[:1], to="upper"
    )
    figures = json.loads((upper / "metrics.json").read_text())
    told = contractive("evaluate", upper)
    assert dict(line.split() for line in told.splitlines())["test/loss"] == repr(figures["test/loss"])

    contractive("encode", lower, "-o", tmp_path / "codes.npz")
    contractive("encode", upper, "-o", tmp_path / "next.npz")
    below, above = (np.load(tmp_path / name) for name in ("codes.npz", "next.npz"))
    model = load_autoencoder(upper / "checkpoints/best.ckpt")
    np.testing.assert_allclose(above["codes"], model.encode(below["codes"]), atol=1e-6)
    assert (above["label"] == below["label"]).all()
    with pytest.raises(ValueError, match=r"digits: an example is \(1, 8, 8\), .* trained on \(12,\)"):
        contractive("encode", upper, "digits", "-o", tmp_path / "no.npy")
    with pytest.raises(FileNotFoundError, match="codes"):
        contractive("encode", upper, "codes", "-o", tmp_path / "no.npy")

    for number, encoder in enumerate((upper, f"[{lower},{upper}]")):
        run = tmp_path / f"head{number}"
        contractive("finetune", f"encoder={encoder}", *QUICK, f"hydra.run.dir={run}")
        assert "test/error" in json.loads((run / "metrics.json").read_text())
