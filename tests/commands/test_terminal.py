"""What a run and a sweep look like, at several widths of a terminal and in a file: see ``terminal/``."""

import json
import logging
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import contractive.training.fitting
from contractive.commands import train as command
from contractive.commands.console import ToStdout
from contractive.commands.summary import print_summary
from contractive.training import lines
from contractive.training.callbacks import progress
from contractive.training.callbacks.progress import Progress
from train import main

TEXTS = Path(__file__).parent / "terminal"
OUTPUTS = ["60", "80", "140", "file"]


@pytest.fixture(params=OUTPUTS)
def output(request, monkeypatch, capsys):
    """Sets the output to a terminal of a width, or to a file; checks what was written against the text."""
    for name in ("COLUMNS", "FORCE_COLOR", "NO_COLOR", "TTY_INTERACTIVE", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    if request.param != "file":
        monkeypatch.setenv("COLUMNS", request.param)
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm-256color")

    def check(name, **replaced):
        written = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().out).replace("\r", "\n")
        for new, old in replaced.items():
            written = written.replace(old, new)
        shown = "\n".join(line.rstrip() for line in written.splitlines() if line.strip()) + "\n"
        assert shown == (TEXTS / f"{name}-{request.param}.txt").read_text(encoding="utf-8")
        if request.param != "file":
            assert max(map(len, shown.splitlines())) <= int(request.param) or "DIR" in shown

    return check


METRICS = {
    f"{stage}/{term}": value
    for stage in ("val", "test")
    for term, value in {"loss": 4.3271, "reconstruction": 4.3234, "penalty": 0.39832}.items()
} | {"epochs": 12, "best_epoch": 11, "seconds": 95.0}


def test_one_run(output, monkeypatch, tmp_path):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    monkeypatch.setattr("contractive.commands.summary.advice_on", lambda run: "Advice, if there is any")
    monkeypatch.setattr(sys, "argv", ["train.py"])
    monkeypatch.setattr(progress, "surroundings", lines.Surroundings())
    trainer = SimpleNamespace(num_training_batches=10, max_epochs=12, current_epoch=0)
    current = SimpleNamespace(ready=0)
    trainer.fit_loop = SimpleNamespace(
        epoch_loop=SimpleNamespace(batch_progress=SimpleNamespace(current=current))
    )
    model = SimpleNamespace(latest={})
    handler = ToStdout()
    bar = Progress()
    bar.on_train_start(trainer, model)
    handler.emit(logging.makeLogRecord({"msg": "penalty by closed_form: a notice comes before the bar"}))
    for epoch, ready, seconds in ((0, 1, 0.1), (0, 5, 4.0), (4, 5, 36.0), (11, 10, 95.0)):
        now[0], trainer.current_epoch, current.ready = seconds, epoch, ready
        bar.on_train_batch_end(trainer, model, None, None, ready)
        model.latest = {"loss": 10 / (epoch + 1), "reconstruction": 9.5 / (epoch + 1), "penalty": 0.0123456}
        if epoch == 4:
            print("What is printed meanwhile comes above the bar")
    bar.on_train_end(trainer, model)
    last = tmp_path / "checkpoints" / "last.ckpt"
    last.parent.mkdir()
    last.touch()
    print_summary(SimpleNamespace(metrics=METRICS, epochs=12, best_epoch=11, directory=tmp_path, last=last))
    output("run", DIR=str(tmp_path))


def test_a_sweep(output, monkeypatch, tmp_path):
    def fit(config, directory):
        if config.model.lam > 99:
            raise ValueError("train/penalty became nan at step 3: lower optimizer.lr or model.lam")
        logging.getLogger("contractive").warning("a message of the run's own")
        better = {name: value + config.model.lam / 10 for name, value in METRICS.items()}
        (directory / "metrics.json").write_text(json.dumps(better))
        (directory / "curves.csv").write_text("epoch,step\n1,23\n")
        return SimpleNamespace(metrics=better)

    monkeypatch.setattr(contractive.training.fitting, "fit", fit)
    monkeypatch.setattr(command, "FULL_ERROR", False)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    monkeypatch.setattr("contractive.report.write_report", lambda directory: directory / "report.html")
    arguments = ["model.lam=0.1,100,0.3", "optimizer=adam,sgd", "seed=3", "model.hidden=[8]"]
    monkeypatch.setattr(sys, "argv", ["train.py", "-m", f"hydra.sweep.dir={tmp_path}/sweep", *arguments])
    with pytest.raises(SystemExit, match="2 of 6 runs did not finish"):
        main()
    output("sweep", DIR=str(tmp_path))


def test_runs_that_share_a_terminal_write_lines(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(progress, "surroundings", lines.Surroundings(name="run 1/2, ", alone=False))
    loop = SimpleNamespace(batch_progress=SimpleNamespace(current=SimpleNamespace(ready=5)))
    trainer = SimpleNamespace(num_training_batches=10, max_epochs=12, current_epoch=0)
    trainer.fit_loop = SimpleNamespace(epoch_loop=loop)
    bar = Progress(every_seconds_in_a_file=1e-9)
    bar.on_train_start(trainer, None)
    bar.on_train_batch_end(trainer, SimpleNamespace(latest={"loss": 1.0}))
    assert capsys.readouterr().out == "run 1/2, epoch 1/12  loss 1\n"
