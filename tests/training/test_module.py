"""The LightningModule: what a step minimises."""

import json

import pytest
import torch
from torch.func import jacrev, vmap

from contractive import ContractiveAutoencoder, DataModule

STEP = (
    "model.hidden=[8]",
    "optimizer=sgd",
    "optimizer.momentum=0",
    "trainer.max_epochs=1",
    "trainer.limit_train_batches=1",
)


def encoder_weight(run):
    checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    return checkpoint["state_dict"]["encoder.1.weight"].double()


def first_batch():
    data = DataModule("digits", batch_size=64, seed=0)
    data.setup("fit")
    return next(iter(data.train_dataloader()))[0].double()


def test_lam_is_multiplied_into_the_gradient_of_the_mean_penalty(train):
    lam, lr = 0.5, 1e-2
    start = encoder_weight(train(*STEP, "optimizer.lr=1e-30", to="start")).requires_grad_()
    plain = encoder_weight(train(*STEP, "model.lam=0", f"optimizer.lr={lr}", to="plain"))
    penalised = encoder_weight(train(*STEP, f"model.lam={lam}", f"optimizer.lr={lr}", to="penalised"))
    # The biases are still zero. A dense Jacobian, example by example:
    jacobians = vmap(jacrev(lambda x: torch.sigmoid(start @ x)))(first_batch().flatten(1))
    penalty = jacobians.square().sum((1, 2)).mean()
    (gradient,) = torch.autograd.grad(penalty, start)
    torch.testing.assert_close(penalised - plain, -lr * lam * gradient, rtol=1e-3, atol=1e-6)


def test_without_a_weight_the_penalty_costs_no_gradient(train, monkeypatch):
    with_gradient = []
    import contractive.training.module

    original = contractive.training.module.contraction_penalty

    def watched(*args, **kwargs):
        with_gradient.append(torch.is_grad_enabled())
        return original(*args, **kwargs)

    monkeypatch.setattr(contractive.training.module, "contraction_penalty", watched)
    run = train("model.lam=0", "model.hidden=[8]", "trainer.max_epochs=1")
    assert with_gradient and not any(with_gradient)
    figures = json.loads((run / "metrics.json").read_text())
    assert figures["val/penalty"] > 0 and figures["test/penalty"] > 0
    assert figures["test/loss"] == figures["test/reconstruction"]


def test_a_warmup_rises_from_zero_to_lam(train, monkeypatch):
    seen = []
    original = ContractiveAutoencoder._lam_now
    monkeypatch.setattr(
        ContractiveAutoencoder, "_lam_now", lambda *args: seen.append(original(*args)) or seen[-1]
    )
    train(
        "lam=warmup", "model.lam=0.2", "model.lam_warmup_epochs=2", "model.hidden=[8]", "trainer.max_epochs=3"
    )
    assert seen[0] == 0
    assert max(seen) == seen[-1] == 0.2
    assert seen == sorted(seen)


def test_the_higher_order_term_is_part_of_the_loss(train):
    run = train("model.lam_hessian=0.3", "model.lam=0.1", "model.hidden=[8]", "trainer.max_epochs=1")
    figures = json.loads((run / "metrics.json").read_text())
    loss = figures["test/reconstruction"] + 0.1 * figures["test/penalty"] + 0.3 * figures["test/hessian"]
    assert figures["test/hessian"] > 0
    assert figures["test/loss"] == pytest.approx(loss, rel=1e-5)


def test_a_denoising_autoencoder_reconstructs_the_clean_input(train):
    run = train("model.lam=0", "model/corruption=masking", "model.hidden=[64]", "trainer.max_epochs=20")
    model = ContractiveAutoencoder.load_from_checkpoint(run / "checkpoints" / "best.ckpt")
    x = first_batch().float()
    keep = torch.rand(x.shape, generator=torch.Generator().manual_seed(0)) >= 0.25
    with torch.no_grad():
        error = (model(x * keep) - x).square().mean()
    assert error < (x * keep - x).square().mean()


def test_inputs_of_another_shape_are_refused():
    model = ContractiveAutoencoder(input_shape=(1, 8, 8), hidden=[4])
    with pytest.raises(
        ValueError, match=r"x has the shape \(5, 64\); this model was built for \(batch, 1, 8, 8\)"
    ):
        model(torch.rand(5, 64))


def test_bytes_mean_the_same_as_floats_in_the_unit_interval():
    model = ContractiveAutoencoder(input_shape=(1, 4, 4), hidden=[4])
    x = torch.randint(0, 256, (3, 1, 4, 4), dtype=torch.uint8)
    torch.testing.assert_close(model.encode(x), model.encode(x / 255))


def test_any_saved_setting_comes_back_and_can_be_replaced(train):
    run = train("model.hidden=[8]", "model.activation=tanh", "model.tied=false", "trainer.max_epochs=1")
    model = ContractiveAutoencoder.load_from_checkpoint(run / "checkpoints" / "last.ckpt", lam=0.7)
    assert model.hparams["activation"] == "tanh" and not model.hparams["tied"]
    assert model.lam == 0.7
