"""The LightningModule: what a step minimises."""

import json
import logging

import numpy as np
import pandas as pd
import pytest
import torch
from lightning import Callback, LightningDataModule, Trainer
from lightning.pytorch.loggers import Logger
from torch.func import jacrev, vmap
from torch.utils.data import DataLoader, TensorDataset

from contractive import ContractiveAutoencoder, DataModule
from contractive.nn.scaling import Scaler
from contractive.training import fit
from contractive.training.settings import Model, Optimizer

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
    import contractive.objective

    original = contractive.objective.contraction_penalty

    def watched(*args, **kwargs):
        with_gradient.append(torch.is_grad_enabled())
        return original(*args, **kwargs)

    monkeypatch.setattr(contractive.objective, "contraction_penalty", watched)
    run = train("model.lam=0", "model.hidden=[8]", "trainer.max_epochs=1")
    assert with_gradient and not any(with_gradient)
    figures = json.loads((run / "metrics.json").read_text())
    assert figures["val/penalty"] > 0 and figures["test/penalty"] > 0
    assert figures["test/loss"] == figures["test/reconstruction"]


class Log(Logger):
    """What a model logs, in memory."""

    name, version = "log", 0

    def __init__(self):
        super().__init__()
        self.rows = []

    def log_metrics(self, metrics, step=None):
        self.rows.append(dict(metrics) | {"step": step})

    def log_hyperparams(self, params=None):
        pass

    def of(self, name):
        return [row[name] for row in self.rows if name in row]


def fitted(model, x, *, epochs=1, batch_size=None, data=None, every=1):
    """The log of so many epochs of training on ``x``."""
    log = Log()
    trainer = Trainer(
        max_epochs=epochs,
        logger=log,
        log_every_n_steps=every,
        accelerator="cpu",
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model, data or DataLoader(TensorDataset(x), batch_size=batch_size or len(x)))
    return log


SGD = {"name": "SGD", "lr": 0.1}


def test_a_warmup_rises_from_step_to_step_to_lam_and_stays_there():
    model = ContractiveAutoencoder((4,), hidden=[3], lam=0.2, lam_warmup_epochs=2)
    log = fitted(model, torch.rand(8, 4), epochs=3, batch_size=2)
    # Four steps an epoch: an eighth of the way each.
    by_hand = [0.2 * step / 8 for step in range(8)] + [0.2] * 4
    assert log.of("train/lam") == pytest.approx(by_hand)


def test_a_loader_that_does_not_know_its_length_will_do():
    class Unknown:
        def __iter__(self):
            return iter(torch.rand(4, 2, 4, generator=torch.Generator().manual_seed(0)))

    model = ContractiveAutoencoder((4,), hidden=[3], lam=0.2, lam_warmup_epochs=2)
    log = fitted(model, None, epochs=3, data=Unknown())
    assert log.of("train/lam") == pytest.approx([0.0] * 4 + [0.1] * 4 + [0.2] * 4)
    log = fitted(ContractiveAutoencoder((4,), hidden=[3], lam=0), None, epochs=2, data=Unknown(), every=50)
    assert len(log.of("train/penalty")) == 2 and min(log.of("train/penalty")) > 0


@pytest.mark.parametrize("lam", [0.0, 0.7])
def test_the_penalty_of_a_corrupted_input_is_taken_where_the_encoder_stood(lam):
    """All values masked: the encoder sees 0, whatever x is."""
    torch.manual_seed(0)
    corruption = {"kind": "masking", "amount": 1.0}
    model = ContractiveAutoencoder((4,), hidden=[3], lam=lam, corruption=corruption, optimizer=SGD)
    torch.nn.init.normal_(model.encoder[1].bias)
    weight, bias = (p.detach().double().requires_grad_() for p in model.encoder[1].parameters())
    visible = model.decoder.biases[0].detach().double()
    x = torch.rand(8, 4)
    log = fitted(model, x)

    h = torch.sigmoid(bias)
    penalty = ((h * (1 - h)) ** 2 * weight.square().sum(1)).sum()
    reconstruction = ((h @ weight + visible - x) ** 2).sum(1).mean()
    assert log.of("train/penalty") == pytest.approx([penalty.item()], rel=1e-5)
    assert log.of("train/reconstruction") == pytest.approx([reconstruction.item()], rel=1e-5)
    gradients = torch.autograd.grad(reconstruction + lam * penalty, (weight, bias))
    for before, gradient, after in zip((weight, bias), gradients, model.encoder[1].parameters()):
        torch.testing.assert_close(after.double(), before - 0.1 * gradient, rtol=1e-4, atol=1e-6)


def test_the_higher_order_term_is_taken_there_too():
    """All values masked: whatever x is, it is the term at 0."""

    def term(x):
        torch.manual_seed(0)
        settings = {"lam_hessian": 1.0, "corruption": {"kind": "masking", "amount": 1.0}}
        model = ContractiveAutoencoder((4,), hidden=[3], optimizer=SGD, **settings)
        return fitted(model, x).of("train/hessian")

    assert term(torch.zeros(8, 4)) == term(5 * torch.rand(8, 4))
    assert term(torch.zeros(8, 4))[0] > 0


class Ranked(ContractiveAutoencoder):
    """As another process would train it."""

    rank = 0

    @property
    def global_rank(self):
        return self.rank


def noises(rank, *, epochs=3):
    """What the encoder sees of zeros, one row for each different batch."""
    torch.manual_seed(0)
    model = Ranked((5,), hidden=[3], lam=0, corruption={"kind": "gaussian", "amount": 1.0})
    model.rank = rank
    seen = []
    model.encoder.register_forward_pre_hook(lambda module, args: seen.append(args[0].clone()))
    torch.manual_seed(0)
    fitted(model, torch.zeros(4, 5), epochs=epochs, batch_size=2, every=50)
    return torch.stack(seen).flatten(1).unique(dim=0)


def test_noise_repeats_in_no_step_no_epoch_and_on_no_other_process():
    assert len(noises(0)) == len(noises(1)) == 6
    assert not (noises(0)[:, None] == noises(1)[None]).any()
    assert torch.equal(noises(0), noises(0))


@pytest.mark.parametrize("every", [1, 2, 20])
def test_without_a_weight_the_penalty_is_that_of_the_last_step_before_it_is_seen(every):
    torch.manual_seed(0)
    model = ContractiveAutoencoder((4,), hidden=[3], lam=0.0, optimizer={"name": "SGD", "lr": 0.5})
    x, weights, epochs = torch.rand(6, 4), [], []

    class Weights(Callback):
        def on_train_batch_start(self, *args):
            weights.append([p.detach().clone() for p in model.encoder[1].parameters()])

        def on_train_epoch_start(self, trainer, *args):
            epochs.append(trainer.callback_metrics.get("train/penalty"))

        on_train_end = on_train_epoch_start

    model.configure_callbacks = lambda: [Weights()]
    log = fitted(model, x, epochs=2, batch_size=2, every=every)

    def penalty(step):
        weight, bias = weights[step]
        h = torch.sigmoid(x[2 * (step % 3) :][:2] @ weight.T + bias)
        return ((h * (1 - h)) ** 2 * weight.square().sum(1)).sum(1).mean().item()

    # Three steps an epoch; they are read after every so many, and when the epoch is over.
    read = {1: [[0, 1, 2], [3, 4, 5]], 2: [[1, 2], [4, 5]], 20: [[2], [5]]}[every]
    assert epochs[1:] == pytest.approx([sum(map(penalty, steps)) / len(steps) for steps in read])
    # Of two steps a window, the third of an epoch is none: it is not logged.
    logged = {1: [0, 1, 2, 3, 4, 5], 2: [1, 4], 20: [2, 5]}[every]
    assert log.of("train/penalty") == pytest.approx([penalty(step) for step in logged])
    assert len(log.of("train/loss")) == len(logged)


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
    assert not model.training


def test_what_is_left_out_is_as_on_the_command_line():
    model = ContractiveAutoencoder((4,))
    for name, value in vars(Model()).items():
        assert model.hparams[name] == value
    assert model.hparams["optimizer"] == vars(Optimizer()) and model.lam == 0.1
    with pytest.raises(ValueError, match=r"lamda: there is no such setting; did you mean lam\?"):
        ContractiveAutoencoder((4,), lamda=1)


class Scaled(LightningDataModule):
    """Somebody else's data module: numbers around ``centre``, with a scaler where there is a ``kind``."""

    def __init__(self, kind, centre=1000.0):
        super().__init__()
        self.x = centre + 10 * torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
        self.scaler = None
        if kind:
            self.scaler = Scaler((6,))
            self.scaler.fit(self.x, kind)

    def train_dataloader(self):
        return DataLoader(TensorDataset(self.x), batch_size=20)

    val_dataloader = test_dataloader = predict_dataloader = train_dataloader


def trainer():
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    return Trainer(max_epochs=1, logger=False, accelerator="cpu", **quiet)


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("stage", ["fit", "validate", "test", "predict"])
def test_the_scaling_of_the_data_reaches_the_model_whoever_calls_the_trainer(stage, scaled, tmp_path):
    data = Scaled("standard")
    model, run = ContractiveAutoencoder((6,), hidden=[3], scaled=scaled), trainer()
    getattr(run, stage)(model, datamodule=data)
    torch.testing.assert_close(model.scale(data.x), (data.x - data.x.mean(0)) / data.x.std(0, correction=0))
    if stage == "predict":
        return
    assert (
        run.callback_metrics[{"fit": "train/loss", "validate": "val/loss", "test": "test/loss"}[stage]] < 20
    )
    run.strategy.connect(model)
    run.save_checkpoint(tmp_path / "a.ckpt", weights_only=True)
    loaded = ContractiveAutoencoder.load_from_checkpoint(tmp_path / "a.ckpt")
    torch.testing.assert_close(loaded.encode(data.x), model.encode(data.x))


def test_a_trained_model_knows_columns_and_range_as_a_loaded_one_does(tmp_path):
    rows = Scaled(None).x[:, :3].numpy()
    frame = pd.DataFrame(rows, columns=list("abc"))
    frame.to_csv(tmp_path / "x.csv", index=False)
    data = {"source": "table", "path": str(tmp_path / "x.csv")}
    settings = {"data": data, "model": {"hidden": [2]}, "trainer": {"max_epochs": 1}}
    run = fit(settings, directory=tmp_path / "run")
    own = ContractiveAutoencoder((3,), hidden=[2])
    trainer().fit(own, DataModule("table", path=data["path"]))
    loaded = ContractiveAutoencoder.load_from_checkpoint(run.best)
    assert loaded.columns == list("abc") and loaded.trained_range[1] > 1000
    for model in (run.model, own):
        assert model.columns == loaded.columns and model.trained_range == loaded.trained_range
        np.testing.assert_array_equal(model.encode(frame[["c", "a", "b"]]), model.encode(rows))
    assert ContractiveAutoencoder.stack([loaded, ContractiveAutoencoder((2,))]).columns == list("abc")


def test_a_scaler_that_nothing_has_fitted_is_refused():
    data = Scaled(None)
    for stage in ("fit", "validate", "test", "predict"):
        with pytest.raises(
            ValueError, match=r"scaled=True, but nothing has fitted model\.scaler: give"
        ) as caught:
            getattr(trainer(), stage)(ContractiveAutoencoder((6,), hidden=[3], scaled=True), datamodule=data)
        assert "\n" not in str(caught.value)
    model = ContractiveAutoencoder((6,), hidden=[3], scaled=True)
    model.scaler.fit(data.x, "unit")
    trainer().fit(model, datamodule=data)


def test_a_trained_model_keeps_its_scaling_and_says_so_once_where_the_data_have_another(caplog):
    model, data = ContractiveAutoencoder((6,), hidden=[3]), Scaled("standard")
    with caplog.at_level(logging.WARNING, logger="contractive"):
        trainer().fit(model, datamodule=data)
        trainer().test(model, datamodule=data)
        assert not caplog.messages
        trainer().test(model, datamodule=Scaled("unit"))
        trainer().fit(model, datamodule=Scaled("unit"))
    assert caplog.messages == ["The model keeps its own scaling; that of these data is another"]
    assert torch.equal(model.scaler.shift, data.scaler.shift)


def test_a_loaded_model_without_scaling_takes_none(tmp_path, caplog):
    run = trainer()
    run.fit(ContractiveAutoencoder((6,), hidden=[3]), datamodule=Scaled(None, centre=0.0))
    run.save_checkpoint(tmp_path / "a.ckpt")
    model = ContractiveAutoencoder.load_from_checkpoint(tmp_path / "a.ckpt")
    trainer().validate(model, datamodule=Scaled("unit"))
    assert model.scaler is None
    assert sum("keeps its own scaling" in message for message in caplog.messages) == 1


def test_a_prediction_is_the_code():
    model, data = ContractiveAutoencoder((6,), hidden=[3]), Scaled("standard")
    codes = torch.cat(trainer().predict(model, datamodule=data))
    torch.testing.assert_close(codes, model.encode(data.x))
    assert codes.shape == (40, 3)


def test_bytes_travel_as_they_are_stored():
    x = torch.randint(0, 256, (8, 4), dtype=torch.uint8)
    logs = []
    for stored in (x, x.double() / 255):
        torch.manual_seed(0)
        logs.append(fitted(ContractiveAutoencoder((4,), hidden=[3]), stored, epochs=2).of("train/loss"))
    assert logs[0] == pytest.approx(logs[1])
