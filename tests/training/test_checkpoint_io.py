"""Checkpoints on disk: whole, and best and last always a pair."""

import os

import pytest
import torch

from contractive.training.checkpoint_io import KEEP, PairedCheckpointIO, pending


def of_step(step):
    return {"step": step, "weights": torch.full((3,), float(step)), "settings": [(1, "a")]}


def steps(folder):
    """What lies in a folder: file name -> step."""
    return {path.name: torch.load(path, weights_only=True)["step"] for path in folder.iterdir()}


@pytest.fixture
def saved(tmp_path):
    """Best and last of step 1 on disk, the best of step 2 in memory."""
    files = PairedCheckpointIO()
    files.save_checkpoint(of_step(1), tmp_path / "best.ckpt", KEEP)
    files.save_checkpoint(of_step(1), tmp_path / "last.ckpt")
    files.save_checkpoint(of_step(2), tmp_path / "best.ckpt", KEEP)
    assert steps(tmp_path) == {"best.ckpt": 1, "last.ckpt": 1}
    return files


def test_what_is_kept_is_written_with_the_next_one(saved, tmp_path):
    saved.save_checkpoint(of_step(3), tmp_path / "last.ckpt")
    assert steps(tmp_path) == {"best.ckpt": 2, "last.ckpt": 3}
    saved.save_checkpoint(of_step(4), tmp_path / "last.ckpt")
    assert steps(tmp_path) == {"best.ckpt": 2, "last.ckpt": 4}


def test_what_has_been_written_is_not_kept_any_longer(saved, tmp_path):
    saved.save_checkpoint(of_step(3), tmp_path / "last.ckpt")
    (tmp_path / "best.ckpt").unlink()
    saved.save_checkpoint(of_step(4), tmp_path / "last.ckpt")
    assert steps(tmp_path) == {"last.ckpt": 4}


def test_what_is_kept_does_not_change_with_the_training(tmp_path):
    files, checkpoint = PairedCheckpointIO(), of_step(1)
    files.save_checkpoint(checkpoint, tmp_path / "best.ckpt", KEEP)
    checkpoint["weights"] += 1
    files.save_checkpoint(checkpoint, tmp_path / "last.ckpt")
    best = torch.load(tmp_path / "best.ckpt", weights_only=True)
    assert torch.equal(best["weights"], torch.ones(3)) and best["settings"] == [(1, "a")]


@pytest.mark.parametrize("renamed", range(3))
def test_whenever_the_process_dies_last_finds_its_best(saved, tmp_path, monkeypatch, renamed):
    class PowerCut(BaseException):
        pass

    original, done = os.replace, []

    def replace(self, target):
        if len(done) == renamed:
            raise PowerCut
        done.append(target)
        original(self, target)
        return target

    monkeypatch.setattr("pathlib.Path.replace", replace)
    with pytest.raises(PowerCut):
        saved.save_checkpoint(of_step(3), tmp_path / "last.ckpt")
    found = steps(tmp_path)
    best = {1: 1, 3: 2}[found["last.ckpt"]]
    assert best in (found["best.ckpt"], found.get(pending(tmp_path / "best.ckpt").name))


@pytest.mark.parametrize("written", [0, 1], ids=["best", "last"])
def test_on_a_full_disk_what_was_whole_stays_and_nothing_else(saved, tmp_path, monkeypatch, written):
    original, done = os.fsync, []

    def fsync(descriptor):
        if len(done) == written:
            raise OSError(28, "No space left on device")
        done.append(descriptor)
        original(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    file = ["best.ckpt.next", "last.ckpt"][written]
    with pytest.raises(OSError, match=f"could not write .*/{file}: No space left on device"):
        saved.save_checkpoint(of_step(3), tmp_path / "last.ckpt")
    assert steps(tmp_path) == {"best.ckpt": 1, "last.ckpt": 1}
    monkeypatch.undo()
    saved.save_checkpoint(of_step(4), tmp_path / "last.ckpt")
    assert steps(tmp_path) == {"best.ckpt": 2, "last.ckpt": 4}


def test_of_a_run_that_failed_the_best_epoch_becomes_the_last(saved, tmp_path):
    saved.save_kept(tmp_path / "last.ckpt")
    assert steps(tmp_path) == {"best.ckpt": 2, "last.ckpt": 2}
    saved.save_kept(tmp_path / "last.ckpt")


def test_nothing_goes_through_the_folder_for_temporary_files(saved, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", "/nowhere")
    monkeypatch.setattr("tempfile.tempdir", None)
    saved.save_checkpoint(of_step(3), tmp_path / "last.ckpt")
    assert steps(tmp_path) == {"best.ckpt": 2, "last.ckpt": 3}


def test_a_checkpoint_is_removed_once(saved, tmp_path):
    for _ in range(2):
        saved.remove_checkpoint(tmp_path / "last.ckpt")
    assert steps(tmp_path) == {"best.ckpt": 1}
