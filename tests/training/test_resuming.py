"""What a run finds where it goes on."""

import shutil

import pytest
import torch
from lightning.pytorch.callbacks import Callback

from benchmarks.crash import content, differences
from contractive.training import fit
from contractive.training.callbacks.record import Record
from contractive.training.checkpoint_io import pending

TINY = {
    "model": {"hidden": [8]},
    "data": {"source": "digits", "batch_size": 256},
    "trainer": {"max_epochs": 3},
}


class PowerCut(BaseException):
    pass


class CutAt(Callback):
    """Ends the run at a hook, in a way that nobody catches."""

    def __init__(self, hook, epoch=0):
        self.epoch = epoch
        setattr(self, hook, self.cut)

    def cut(self, trainer, *args):
        if trainer.current_epoch >= self.epoch:
            raise PowerCut


class Steps(Callback):
    """Counts the steps of training."""

    taken = 0

    def on_train_batch_start(self, *args):
        self.taken += 1


def cut(directory, hook, epoch=0, *callbacks, **settings):
    with pytest.raises(PowerCut):
        fit(TINY | settings, directory=directory, callbacks=[Record(), *callbacks, CutAt(hook, epoch)])
    return directory / "checkpoints"


def resume(path, directory, *callbacks, **settings):
    return fit(
        TINY | settings | {"ckpt_path": str(path)}, directory=directory, callbacks=[Record(), *callbacks]
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that was never stopped."""
    return fit(TINY, directory=tmp_path_factory.mktemp("whole") / "run")


@pytest.mark.parametrize("hook", ["on_train_end", "on_validation_start", "on_test_start"])
def test_what_is_trained_is_only_looked_at(whole, tmp_path, hook):
    # The last epoch's validation is one of training, which comes first.
    folder = cut(tmp_path, hook, 3)
    steps = Steps()
    resume(folder / "last.ckpt", tmp_path, steps)
    assert steps.taken == 0
    assert differences(content(whole.directory), content(tmp_path)) == []


def test_in_another_directory_too_which_can_be_resumed_itself(whole, tmp_path):
    folder = cut(tmp_path / "a", "on_test_start")
    run = resume(folder / "last.ckpt", tmp_path / "b")
    assert run.metrics["test/loss"] == whole.metrics["test/loss"]
    assert run.last.read_bytes() == (folder / "last.ckpt").read_bytes()
    assert resume(run.last, tmp_path / "b", trainer={"max_epochs": 4}).epochs == 4


def test_what_was_stopped_early_is_not_trained_further(tmp_path):
    class StopAt2(Callback):
        def on_train_epoch_end(self, trainer, *args):
            trainer.should_stop = trainer.current_epoch == 1

    whole = fit(TINY, directory=tmp_path / "whole", callbacks=[Record(), StopAt2()])
    assert whole.epochs == 2
    folder = cut(tmp_path / "run", "on_test_start", 0, StopAt2())
    steps = Steps()
    resume(folder / "last.ckpt", tmp_path / "run", steps)
    assert steps.taken == 0
    assert differences(content(whole.directory), content(tmp_path / "run")) == []


@pytest.mark.parametrize("epochs", [3, 2])
def test_of_a_finished_run_nothing_is_left_to_do(whole, tmp_path, epochs):
    said = rf"trained for 3 epochs, and there is nothing left to do: .* more than trainer.max_epochs={epochs}"
    with pytest.raises(ValueError, match=said):
        resume(whole.last, whole.directory, trainer={"max_epochs": epochs})
    assert (whole.directory / "metrics.json").is_file()


def test_the_best_epoch_may_still_lie_beside_its_place(whole, tmp_path):
    folder = cut(tmp_path, "on_test_start")
    (folder / "best.ckpt").rename(pending(folder / "best.ckpt"))
    older = torch.load(pending(folder / "best.ckpt"), weights_only=True)
    older["progress"]["best"]["epoch"] -= 1
    torch.save(older, folder / "best.ckpt")
    resume(folder / "last.ckpt", tmp_path)
    assert differences(content(whole.directory), content(tmp_path)) == []


def test_a_broken_best_epoch_is_found_out_before_training(tmp_path):
    folder = cut(tmp_path, "on_train_batch_start", 2, save_every_seconds=0)
    best = folder / "best.ckpt"
    best.write_bytes(best.read_bytes()[:-100])
    steps = Steps()
    with pytest.raises(ValueError, match=r"best\.ckpt.*remove it to go on without the best epoch so far"):
        resume(folder / "last.ckpt", tmp_path, steps)
    assert steps.taken == 0
    best.unlink()
    assert resume(folder / "last.ckpt", tmp_path).best_epoch == 3


def test_a_best_epoch_that_is_gone_or_another_is_said(tmp_path, caplog):
    folder = cut(tmp_path / "run", "on_train_batch_start", 2, save_every_seconds=0)
    other = cut(tmp_path / "other", "on_train_batch_start", 2, save_every_seconds=0, seed=1)
    shutil.copy(other / "best.ckpt", folder / "best.ckpt")
    run = resume(folder / "last.ckpt", tmp_path / "run")
    assert "Epoch 2 was the best so far, but" in caplog.text
    assert run.best_epoch == 3


def test_the_best_of_another_objective_does_not_count_even_in_its_own_directory(tmp_path, caplog):
    folder = cut(tmp_path, "on_train_batch_start", 2, save_every_seconds=0)
    run = resume(folder / "last.ckpt", tmp_path, model={"hidden": [8], "lam": 5.0})
    assert "does not count: its objective was another" in caplog.text
    assert run.best_epoch == 3


def test_what_a_killed_process_left_half_written_is_removed_and_nothing_else(tmp_path):
    folder = cut(tmp_path, "on_test_start")
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    stale = [
        *(folder / ".last.123.tmp.ckpt", folder / "best.ckpt.next", tmp_path / ".metrics.9.tmp.json"),
        pictures / ".filters.77.tmp.png",
    ]
    mine = [tmp_path / "notes.tmp", tmp_path / ".tmp", pictures / "a.1.tmp.png"]
    for path in (*stale, *mine):
        path.write_text("half")
    resume(folder / "last.ckpt", tmp_path)
    assert not any(path.exists() for path in stale)
    assert all(path.exists() for path in mine)


def test_a_run_that_begins_anew_leaves_nothing_of_the_one_before(tmp_path):
    fit(TINY, directory=tmp_path)
    assert (tmp_path / "metrics.json").is_file()
    with pytest.raises(PowerCut):
        fit(TINY, directory=tmp_path, callbacks=[CutAt("on_train_start")])
    assert not list(tmp_path.rglob("*.ckpt")) and not (tmp_path / "metrics.json").exists()
