"""A run that is stopped, whenever that is, goes on as if nothing had happened."""

import math
import os
import signal
import sys

import pytest
import torch
from lightning import Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger

from benchmarks.crash import content, differences
from contractive import ContractiveAutoencoder, DataModule
from contractive.data.loader import MemoryLoader
from contractive.training import fit
from contractive.training.callbacks.checkpoints import Checkpoints
from contractive.training.callbacks.progress import Progress
from contractive.training.callbacks.record import Record
from contractive.training.signals import Signals

TINY = {
    "model": {"hidden": [8]},
    "data": {"source": "digits", "batch_size": 256},  # six steps an epoch
    "trainer": {"max_epochs": 3, "log_every_n_steps": 4},
}
PLATEAU = {"name": "ReduceLROnPlateau", "patience": 0, "threshold": 1e9, "threshold_mode": "abs"}


class SignalAt(Callback):
    """Lets a signal come at a hook, in the middle of things, as it does in life."""

    def __init__(self, hook, step, *numbers):
        self.step, self.numbers = step, numbers
        setattr(self, hook, self.send)

    def send(self, trainer, *args, **kwargs):
        if trainer.global_step >= self.step:
            numbers, self.numbers = self.numbers, ()
            for number in numbers:
                os.kill(os.getpid(), number)


def stopped(settings, directory, *where):
    """Let signals stop a run, and return its exit code."""
    with pytest.raises((SystemExit, KeyboardInterrupt)) as left:
        fit(settings, directory=directory, callbacks=[Record(), SignalAt(*where)])
    assert not (directory / "metrics.json").exists()
    return 130 if left.type is KeyboardInterrupt else left.value.code


def resumed(settings, directory):
    return fit(settings | {"ckpt_path": str(directory / "checkpoints" / "last.ckpt")}, directory=directory)


def last_of(directory):
    return torch.load(directory / "checkpoints" / "last.ckpt", weights_only=True)


def assert_goes_on_as_if_never_stopped(settings, tmp_path, *where):
    fit(settings, directory=tmp_path / "whole")
    code = stopped(settings, tmp_path / "run", *where)
    resumed(settings, tmp_path / "run")
    assert differences(content(tmp_path / "whole"), content(tmp_path / "run")) == []
    return code


@pytest.mark.parametrize(
    "step", [2, 3, 5, 8], ids=["in an epoch", "when logged", "at its end", "in the next"]
)
@pytest.mark.parametrize(
    "settings",
    [
        {"scheduler": {"name": "CosineAnnealingLR", "T_max": 3}},
        {"scheduler": {"name": "ExponentialLR", "gamma": 0.9, "interval": "step"}, "model": {"lam": 0.0}},
        {
            "scheduler": PLATEAU,
            "model": {
                "penalty": {"method": "hutchinson"},
                "corruption": {"kind": "masking", "amount": 0.3},
                "lam_warmup_epochs": 2,
            },
        },
    ],
    ids=["schedule", "schedule by steps, no penalty", "plateau, random probes, corruption, warm-up"],
)
def test_it_goes_on_with_the_very_next_step(tmp_path, settings, step):
    settings = TINY | settings | {"model": TINY["model"] | settings.get("model", {})}
    assert_goes_on_as_if_never_stopped(settings, tmp_path, "on_train_batch_start", step, signal.SIGINT)


def trained(**trainer):
    return TINY | {"trainer": TINY["trainer"] | trainer}


@pytest.mark.parametrize(
    ("settings", "step"),
    [
        (trained(accumulate_grad_batches=2), 1),
        (trained(val_check_interval=4), 3),
        (trained(val_check_interval=4) | {"scheduler": PLATEAU}, 4),
        (trained(val_check_interval=4), 5),
        (trained(check_val_every_n_epoch=2), 8),
        (trained(max_steps=15), 14),
        (TINY, 17),
    ],
    ids=[
        "gradients gathered",
        "to be validated within",
        "validated within",
        "at the end, after one within",
        "not validated",
        "the last step",
        "the last epoch",
    ],
)
def test_wherever_lightning_itself_would_lose_something(tmp_path, settings, step):
    where = ("on_train_batch_start", step, signal.SIGHUP)
    assert assert_goes_on_as_if_never_stopped(settings, tmp_path, *where) == 129


@pytest.mark.parametrize(
    ("hook", "step"),
    [
        ("on_validation_batch_start", 6),
        ("on_train_epoch_end", 6),  # where pictures are drawn
        ("on_save_checkpoint", 6),
        ("on_train_end", 18),
        ("on_test_batch_start", 0),
        ("on_test_end", 0),
    ],
)
def test_outside_of_the_steps_too(tmp_path, hook, step):
    assert assert_goes_on_as_if_never_stopped(TINY, tmp_path, hook, step, signal.SIGTERM) == 143


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("call", [1, 2, 3])  # a look whether it can be had, the real one, and the first epoch
def test_while_lightning_sets_up_a_loader_and_cannot_tidy_up(tmp_path, monkeypatch, caplog, call, number):
    begin, calls = MemoryLoader.__iter__, []

    def interrupted(loader):
        calls.append(loader)
        if len(calls) == call:
            os.kill(os.getpid(), number)
        return begin(loader)

    class InWait(Callback):
        def on_fit_start(self, trainer, pl_module):
            monkeypatch.setattr(MemoryLoader, "__iter__", interrupted)

    with pytest.raises((SystemExit, KeyboardInterrupt)):
        fit(TINY, directory=tmp_path, callbacks=[Record(), InWait()])
    assert f"Interrupted by {number.name}" in caplog.text
    assert "Resume it" in caplog.text


class Gone:
    """The output of a terminal that was closed."""

    encoding = "utf-8"

    def write(self, text):
        raise OSError(5, "Input/output error")

    flush = write

    def isatty(self):
        return True


@pytest.mark.parametrize("moves", ["1", "0"], ids=["a bar", "lines"])
def test_a_terminal_that_is_closed_takes_nothing_along(tmp_path, monkeypatch, caplog, moves):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("TTY_COMPATIBLE", moves)
    shown = Progress(every_seconds=1e-9, every_seconds_in_a_file=1e-9)

    class Close(SignalAt):
        def send(self, trainer, *args, **kwargs):
            if trainer.global_step == 4:
                monkeypatch.setattr(sys, "stdout", Gone() if shown._live is None else sys.stdout)
                shown._console.file = Gone()
            super().send(trainer)

    closed = Close("on_train_batch_start", 4, signal.SIGHUP)
    with pytest.raises(SystemExit) as left:
        fit(TINY, directory=tmp_path, callbacks=[Record(), closed, shown])
    assert left.value.code == 129
    assert last_of(tmp_path)["global_step"] == 5
    assert "Nothing more is shown of how far it is" in caplog.text


def test_a_run_that_has_finished_has_nothing_to_resume(tmp_path, caplog):
    class Late(TensorBoardLogger):
        def log_hyperparams(self, *args, **kwargs):
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit) as left:
        fit(TINY, directory=tmp_path, loggers=[Late(tmp_path)])
    assert left.value.code == 143 and (tmp_path / "metrics.json").is_file()
    assert "Interrupted by SIGTERM, when the run had finished" in caplog.text
    assert "Resume it" not in caplog.text


def test_before_anything_is_saved_it_leaves_nothing_and_says_so(tmp_path, caplog):
    where = ("on_sanity_check_start", 0, signal.SIGTERM)
    assert stopped(trained(num_sanity_val_steps=1), tmp_path, *where) == 143
    assert "Interrupted by SIGTERM, before anything was saved" in caplog.text
    assert not list(tmp_path.rglob("*.ckpt"))


def test_a_second_signal_leaves_at_once_from_the_best_epoch(tmp_path):
    where = ("on_train_batch_start", 14, signal.SIGINT, signal.SIGINT)
    assert assert_goes_on_as_if_never_stopped(TINY, tmp_path, *where) == 130


def test_a_second_signal_leaves_the_step_at_hand(tmp_path):
    stopped(TINY, tmp_path, "on_train_batch_start", 14, signal.SIGINT, signal.SIGINT)
    assert last_of(tmp_path)["global_step"] == 12


class Watch(Callback):
    """Notes the step of ``last.ckpt`` after every step."""

    def __init__(self):
        self.seen = []

    def on_train_batch_start(self, trainer, *args):
        path = f"{trainer.default_root_dir}/checkpoints/last.ckpt"
        step = torch.load(path, weights_only=True)["global_step"] if os.path.exists(path) else None
        self.seen.append(step)


@pytest.mark.parametrize(
    ("seconds", "saved"),
    [(30, [None] * 18), (0, [None, *range(1, 18)])],
    ids=["a run that is shorter", "no time at all"],
)
def test_it_is_saved_after_so_much_work_and_at_the_end(tmp_path, seconds, saved):
    watch = Watch()
    run = fit(TINY | {"save_every_seconds": seconds}, directory=tmp_path, callbacks=[watch])
    # At the last step of an epoch its validation comes first.
    assert watch.seen == saved
    assert torch.load(run.last, weights_only=True)["global_step"] == 18
    assert torch.load(run.best, weights_only=True)["epoch"] + 1 == run.best_epoch


def test_what_fails_leaves_the_best_epoch_to_go_on_from(tmp_path):
    class PowerCut(Callback):
        def on_train_batch_start(self, trainer, *args):
            if trainer.global_step == 14:
                raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        fit(TINY, directory=tmp_path / "run", callbacks=[Record(), PowerCut()])
    fit(TINY, directory=tmp_path / "whole")
    resumed(TINY, tmp_path / "run")
    assert differences(content(tmp_path / "whole"), content(tmp_path / "run")) == []


def test_what_is_not_finite_is_not_saved(tmp_path):
    class Spoil(Callback):
        def on_train_batch_start(self, trainer, pl_module, *args):
            if trainer.global_step == 8:
                next(pl_module.parameters()).data.fill_(math.nan)

    with pytest.raises(ArithmeticError, match="became nan"):
        fit(TINY | {"save_every_seconds": 0}, directory=tmp_path, callbacks=[Spoil()])
    assert last_of(tmp_path)["global_step"] == 8


def test_what_is_only_looked_at_is_left_at_once(tmp_path):
    class Tested(SignalAt):
        ended = False

        def on_test_end(self, *args):
            self.ended = True

    tested = Tested("on_test_batch_start", 0, signal.SIGTERM)
    with pytest.raises(SystemExit):
        fit(TINY, directory=tmp_path, callbacks=[tested])
    assert not tested.ended


def test_other_batches_do_not_go_on_within_an_epoch(tmp_path):
    stopped(TINY, tmp_path, "on_train_batch_start", 2, signal.SIGINT)
    other = TINY | {"data": TINY["data"] | {"batch_size": 128}}
    said = r"last.ckpt.* within an epoch of 1437 examples in batches of 256, .* in batches of 128: go on with"
    with pytest.raises(ValueError, match=said):
        resumed(other, tmp_path)


def test_a_trainer_that_cannot_keep_the_best_epoch_is_refused_before_it_trains(tmp_path):
    with Signals() as signals:
        trainer = Trainer(
            callbacks=[Checkpoints(300, signals)], max_epochs=1, accelerator="cpu", default_root_dir=tmp_path
        )
        with pytest.raises(ValueError, match=r"by TorchCheckpointIO: Trainer\(plugins=\[PairedCheckpointIO"):
            trainer.fit(ContractiveAutoencoder((1, 8, 8), hidden=[8]), DataModule("digits"))
    assert trainer.global_step == 0
