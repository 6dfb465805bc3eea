"""The curves that a run keeps of itself, whatever loggers there are."""

import math

import pytest
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.strategies import SingleDeviceStrategy
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.data import DataLoader

from contractive import ContractiveAutoencoder
from contractive.runs.curves import read_curves
from contractive.training.callbacks.record import Record

STEPS = 4  # in an epoch
TERMS = ("loss", "reconstruction", "penalty")


def loader():
    return DataLoader(torch.rand(40, 6, generator=torch.Generator().manual_seed(0)), batch_size=10)


def fit(
    directory, *callbacks, epochs=3, logger=False, ckpt_path=None, model=None, strategy="auto", **settings
):
    torch.manual_seed(0)
    trainer = Trainer(
        max_epochs=epochs,
        default_root_dir=directory,
        callbacks=[Record(), *callbacks],
        logger=logger,
        accelerator="cpu",
        strategy=strategy,
        enable_checkpointing=any(isinstance(callback, ModelCheckpoint) for callback in callbacks),
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
    )
    model = model or ContractiveAutoencoder((6,), hidden=[3], **{"lam": 0.5, **settings})
    trainer.fit(model, loader(), loader(), ckpt_path=ckpt_path)
    return model


def curves(directory):
    rows, problem = read_curves(directory)
    assert problem == ""
    return rows


def saved(directory, **when):
    return ModelCheckpoint(directory / "checkpoints", filename="{epoch}", save_top_k=-1, **when)


@pytest.mark.parametrize("logger", ["none", "csv", "tensorboard"])
def test_a_row_for_each_epoch_whatever_logger_there_is(tmp_path, logger):
    classes = {"csv": CSVLogger, "tensorboard": TensorBoardLogger}
    fit(tmp_path, logger=classes[logger](tmp_path, "", "") if logger in classes else False)
    rows = curves(tmp_path)
    assert [(row["epoch"], row["step"]) for row in rows] == [(1, 4), (2, 8), (3, 12)]
    measured = {f"val/{term}" for term in TERMS} | {f"train/{term}" for term in TERMS}
    for row in rows:
        assert row.keys() == {"epoch", "step", "lam", "lr"} | measured
        assert row["lam"] == 0.5
        assert row["lr"] == 1e-3
        for stage in ("val/{}", "train/{}"):
            loss = row[stage.format("reconstruction")] + 0.5 * row[stage.format("penalty")]
            assert row[stage.format("loss")] == pytest.approx(loss, rel=1e-5)


def test_the_rows_are_what_tensorboard_shows(tmp_path):
    logger = TensorBoardLogger(tmp_path, "", "")
    fit(tmp_path, logger=logger)
    logger.finalize("success")
    events = EventAccumulator(str(tmp_path)).Reload()
    rows = curves(tmp_path)
    for term in TERMS:
        logged = [point.value for point in events.Scalars(f"val/{term}")]
        assert [row[f"val/{term}"] for row in rows] == pytest.approx(logged, rel=1e-6)
        # Of training every step of these is logged; a row is their mean.
        steps = torch.tensor([point.value for point in events.Scalars(f"train/{term}")]).view(-1, STEPS)
        assert [row[f"train/{term}"] for row in rows] == pytest.approx(steps.mean(1).tolist(), rel=1e-5)


def test_the_last_row_is_that_of_the_model(tmp_path):
    model = fit(tmp_path)
    x = torch.cat(list(loader()))
    with torch.no_grad():
        reconstruction = (model(x) - x).square().sum(1).mean()
    assert curves(tmp_path)[-1]["val/reconstruction"] == pytest.approx(reconstruction.item(), rel=1e-5)


def test_lam_is_that_of_the_epochs_last_step(tmp_path):
    fit(tmp_path, lam=2.0, lam_warmup_epochs=2)
    weights = [row["lam"] for row in curves(tmp_path)]
    assert weights == pytest.approx([2.0 * 0.75 / 2, 2.0 * 1.75 / 2, 2.0])


def test_lr_is_that_of_the_epochs_last_step(tmp_path):
    class Halving(ContractiveAutoencoder):
        def configure_optimizers(self):
            optimizer = super().configure_optimizers()
            return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)]

    fit(tmp_path, model=Halving((6,), hidden=[3]))
    assert [row["lr"] for row in curves(tmp_path)] == pytest.approx([1e-3, 5e-4, 2.5e-4])


def test_a_resumed_run_goes_on_in_its_directory_and_drops_what_the_checkpoint_does_not_know(tmp_path):
    fit(tmp_path / "whole", epochs=5)
    fit(tmp_path / "run", saved(tmp_path), epochs=4)
    fit(tmp_path / "run", epochs=5, ckpt_path=tmp_path / "checkpoints" / "epoch=1.ckpt")
    rows = curves(tmp_path / "run")
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5]
    for row, whole in zip(rows, curves(tmp_path / "whole")):
        assert row == pytest.approx(whole)


def test_in_another_directory_the_curves_begin_where_the_run_does(tmp_path):
    fit(tmp_path / "run", saved(tmp_path), epochs=2)
    fit(tmp_path / "resumed", epochs=4, ckpt_path=tmp_path / "checkpoints" / "epoch=1.ckpt")
    assert [row["epoch"] for row in curves(tmp_path / "resumed")] == [3, 4]
    assert [row["epoch"] for row in curves(tmp_path / "run")] == [1, 2]


def test_a_run_that_begins_anew_drops_the_rows_of_the_one_before(tmp_path):
    fit(tmp_path, epochs=3)
    fit(tmp_path, epochs=1)
    assert [row["epoch"] for row in curves(tmp_path)] == [1]


def test_no_checkpoint_is_ahead_of_the_curves(tmp_path):
    seen = []

    class Look(Callback):
        def on_save_checkpoint(self, trainer, pl_module, checkpoint):
            seen.append((checkpoint["epoch"] + 1, curves(tmp_path)[-1]["epoch"]))

    fit(tmp_path, Look(), saved(tmp_path, save_on_train_epoch_end=True))
    assert seen == [(1, 1), (2, 2), (3, 3)]


def test_only_the_first_process_writes(tmp_path):
    class Second(SingleDeviceStrategy):
        is_global_zero = False

    fit(tmp_path, strategy=Second("cpu"))
    assert not (tmp_path / "curves.csv").exists()


def test_epochs_before_an_error_are_kept(tmp_path):
    class Fail(Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            if trainer.global_step == 2 * STEPS + 1:
                raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        fit(tmp_path, Fail())
    assert [row["epoch"] for row in curves(tmp_path)] == [1, 2]


def test_of_another_model_what_it_logs_is_kept(tmp_path):
    losses = []

    class Regression(LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(6, 1)

        def training_step(self, x):
            loss = self.layer(x).square().mean()
            losses.append(loss.item())
            self.log("train/loss", loss, on_epoch=True, on_step=True)
            return loss

        def validation_step(self, x):
            self.log("val/size", math.e)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.25)

    fit(tmp_path, model=Regression())
    for row in curves(tmp_path):
        assert row.keys() == {"epoch", "step", "train/loss", "val/size", "lr"}
        assert row["val/size"] == pytest.approx(math.e)
        assert row["train/loss"] == pytest.approx(sum(losses[:STEPS]) / STEPS)
        del losses[:STEPS]
        assert row["lr"] == 0.25
