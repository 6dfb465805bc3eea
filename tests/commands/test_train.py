"""The command line, in processes of its own where it has to be."""

import errno
import os
import sys
from types import SimpleNamespace

import pytest
import torch
from omegaconf import OmegaConf

import contractive.training.fitting
from contractive.commands import summary
from contractive.commands import train as command
from contractive.commands.errors import one_line
from contractive.runs.directory import only_run_in
from train import main


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--help"], 0, "model.lam=0,0.1,1"),
        (["data=table", "-h"], 0, "data.drop_constant=false"),
        (["model.lam=-1"], 1, "error: model.lam must be a finite number >= 0; got -1"),
        (["model.lam=abc"], 1, "error: model.lam must be a number; got 'abc'"),
        (["model.lamb=1"], 1, "error: there is no setting 'model.lamb'; did you mean model.lam?"),
        (["+lamda=5"], 1, "error: there is no setting 'lamda'; did you mean model.lam?"),
        (["-m", "model.lam=0.1,abc"], 1, "error: model.lam must be a number; got 'abc'"),
        (["--help", "model.lamb=1"], 1, "error: there is no setting 'model.lamb'; did you mean model.lam?"),
        (["hydra.run.dir=/dev/null/run"], 1, "error: hydra.run.dir: '/dev/null/run' cannot be written to"),
    ],
)
def test_help_and_mistakes_are_answered_before_the_heavy_imports(arguments, code, said, run_without_torch):
    done = run_without_torch("train.py", *arguments)
    assert done.returncode == code
    assert said in (done.stdout if code == 0 else done.stderr)
    if code:
        assert len(done.stderr.strip().splitlines()) == 1


def test_a_single_run_that_fails_exits_with_1_and_one_line(run_without_torch, tmp_path):
    done = run_without_torch("train.py", f"hydra.run.dir={tmp_path}")
    line = "error: SystemError: torch was imported (HYDRA_FULL_ERROR=1 shows the traceback)"
    assert (done.returncode, done.stderr.strip()) == (1, line)
    assert (tmp_path / "error.txt").read_text().strip() == line


@pytest.mark.parametrize("argument", ["+lamda=5", "+model.colour=true"])
def test_a_sweep_refuses_an_unknown_key_in_every_run(argument, run_without_torch, tmp_path):
    done = run_without_torch("train.py", "-m", f"hydra.sweep.dir={tmp_path}", "seed=1,2", argument)
    assert done.returncode == 1
    jobs = ("0_seed=1", "1_seed=2")
    assert done.stderr.strip().endswith(f"2 of 2 runs did not finish: {', '.join(jobs)}")
    for job in jobs:
        assert (
            argument.split("=")[0].rsplit(".", 1)[-1].lstrip("+")
            in (tmp_path / job / "error.txt").read_text()
        )


def test_a_directory_in_which_a_run_is_under_way_is_refused_in_one_line(run_without_torch, tmp_path):
    with only_run_in(tmp_path):
        done = run_without_torch("train.py", f"hydra.run.dir={tmp_path}")
    said = f"error: another run is under way in '{tmp_path}': wait for it to end, or choose another directory"
    assert (done.returncode, done.stdout, done.stderr.strip()) == (1, "", said)
    assert {file.name for file in tmp_path.iterdir()} <= {".lock", "train.log"}


@pytest.fixture
def failing_fit(monkeypatch, tmp_path):
    """A training that fails, and what the command line then ends with."""

    def fit(*args, **kwargs):
        raise FloatingPointError("train/penalty\nbecame nan")

    monkeypatch.setattr(contractive.training.fitting, "fit", fit)
    monkeypatch.setattr(command, "FULL_ERROR", False)
    monkeypatch.setattr(sys, "argv", ["train.py", f"hydra.run.dir={tmp_path}"])
    return tmp_path


def test_what_training_raises_ends_the_process_with_its_one_line(failing_fit):
    with pytest.raises(SystemExit) as left:
        main()
    # A text is what sys.exit prints to stderr before it ends with 1.
    assert left.value.code == "error: train/penalty became nan"
    assert (failing_fit / "error.txt").read_text() == "error: train/penalty became nan\n"


def test_the_saved_configuration_of_a_run_refuses_an_unknown_key_too(failing_fit, monkeypatch):
    with pytest.raises(SystemExit, match="became nan"):
        main()
    saved = ["-cp", str(failing_fit / ".hydra"), "-cn", "config"]
    monkeypatch.setattr(sys, "argv", ["train.py", *saved, "+lamda=5", f"hydra.run.dir={failing_fit}"])
    with pytest.raises(SystemExit, match="there is no setting 'lamda'; did you mean"):
        main()


@pytest.fixture
def trained(monkeypatch, tmp_path):
    """``train.py …`` whose training has been done already."""
    metrics = {f"{stage}/loss": value for stage, value in (("val", 1.25), ("test", 2.5))}
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    last.parent.mkdir(parents=True)
    last.touch()
    (tmp_path / "run" / "events.out.tfevents.1").touch()
    metrics |= {"best_epoch": 3, "seconds": 7.2}
    run = SimpleNamespace(metrics=metrics, epochs=4, best_epoch=3, directory=tmp_path / "run", last=last)
    monkeypatch.setattr(summary, "advice_on", lambda run: "")
    monkeypatch.setattr(contractive.training.fitting, "fit", lambda config, directory: run)
    arguments = ["model.lam=0.5", "trainer.max_epochs=4", "optimized_metric=test/loss"]
    monkeypatch.setattr(sys, "argv", ["train.py", *arguments, f"hydra.run.dir={tmp_path}/run"])
    return run


def test_the_summary_has_the_figures_and_what_to_type_next(trained, capsys):
    main()
    printed = capsys.readouterr().out
    assert "Best of 4 epochs: 3" in printed
    assert "1.25" in printed and "2.5" in printed
    assert f"Written to {trained.directory} in 7 s" in printed
    assert f"python train.py resume={trained.directory} trainer.max_epochs=8\n" in printed
    assert f"tensorboard --logdir {trained.directory}\n" in printed


def test_what_is_not_there_is_not_offered(trained, capsys):
    trained.last.unlink()
    (trained.directory / "events.out.tfevents.1").unlink()
    main()
    printed = capsys.readouterr().out
    assert "Written to" in printed and "tensorboard" not in printed and "Resume" not in printed


def test_of_several_processes_only_the_first_prints(trained, capsys, monkeypatch):
    from lightning.pytorch.utilities import rank_zero_only

    monkeypatch.setattr(rank_zero_only, "rank", 1)
    main()
    assert capsys.readouterr().out == ""


def test_the_value_of_a_run_is_the_metric_that_was_named(trained, monkeypatch):
    monkeypatch.setattr(command, "print_summary", lambda run: None)
    config = OmegaConf.create({"optimized_metric": "test/loss"})
    assert command.train(config, trained.directory) == 2.5


def test_an_error_of_several_lines_becomes_one():
    assert one_line(ValueError("a\n  b")) == "error: a b"
    assert one_line(ValueError("a\x1b[2J: b")) == r"error: a\x1b[2J: b"
    assert one_line(FileNotFoundError(2, "No such file or directory", "x.npy")) == (
        "error: No such file or directory: 'x.npy'"
    )
    assert "HYDRA_FULL_ERROR=1" in one_line(KeyError("x"))


def test_on_a_full_disk_the_file_is_named_and_no_half_written_one_is_left(train, monkeypatch, tmp_path):
    original = torch.save

    def save(*arguments):
        def full(descriptor):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        original(*arguments)

    monkeypatch.setattr(torch, "save", save)
    with pytest.raises(OSError, match=r"^could not write .*/best\.ckpt\.next: No space left on device$"):
        train("model.hidden=[4]", "trainer.max_epochs=1", "trainer.limit_train_batches=1", to="run")
    left = {path.name for path in (tmp_path / "run").rglob("*")}
    assert not any(".tmp" in name or name.endswith((".ckpt", ".next", "error.txt")) for name in left)
