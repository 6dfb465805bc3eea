"""Processes that train together end together; the slow test, with two real ones, needs CONTRACTIVE_DDP=1."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from lightning.fabric.plugins.environments import LightningEnvironment
from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher

from contractive.runs.directory import FIRST, unused_directory
from contractive.training.processes import agreed, together
from contractive.training.signals import Interrupted, Signals


@pytest.fixture
def first(monkeypatch):
    """A trainer of a first process."""
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    monkeypatch.setenv(FIRST, "")
    launcher = _SubprocessScriptLauncher(LightningEnvironment(), 2, 1)
    return SimpleNamespace(strategy=SimpleNamespace(launcher=launcher), world_size=1)


def run_beside(trainer, line, do):
    """What a run does, beside another process that runs a line of Python."""
    with Signals() as signals, together(trainer, signals):
        signals.patient = True
        trainer.strategy.launcher.procs = [subprocess.Popen([sys.executable, "-c", line])]
        do(signals, trainer.strategy.launcher.procs[0])


def test_the_error_of_a_collective_becomes_that_another_process_died(first):
    def do(signals, other):
        raise RuntimeError("Connection closed by peer")

    with pytest.raises(ChildProcessError, match=r"process 1 .*killed by SIGKILL"):
        run_beside(first, "import os; os.kill(os.getpid(), 9)", do)


def test_an_error_of_its_own_stays_what_it_is_and_ends_the_other(first):
    others = []

    def do(signals, other):
        others.append(other)
        raise RuntimeError("my own")

    with pytest.raises(RuntimeError, match="my own"):
        run_beside(first, "import time; time.sleep(60)", do)
    assert others[0].returncode == -signal.SIGKILL


def test_a_signal_that_ended_another_one_ends_the_first_even_while_it_trains(first):
    with pytest.raises(Interrupted) as left:
        run_beside(first, "raise SystemExit(143)", lambda *args: time.sleep(10))
    assert left.value.number == signal.SIGTERM


def test_a_signal_that_ends_the_first_at_once_is_passed_on(first, tmp_path):
    told = tmp_path / "told"
    block = "import signal, time; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])"
    heard = "signal.sigwait([signal.SIGHUP]); path.write_text('heard')"
    line = f"{block}; from pathlib import Path; path = Path({str(told)!r}); path.touch(); {heard}"

    def do(signals, other):
        signals.patient = False
        while not told.is_file() or first.strategy.launcher.procs:
            time.sleep(0.01)
        try:
            os.kill(os.getpid(), signal.SIGHUP)
        finally:
            other.wait(10)

    with pytest.raises(Interrupted):
        run_beside(first, line, do)
    assert told.read_text() == "heard"


def test_one_process_agrees_with_itself(first):
    assert agreed(first, signal.SIGINT, False) == (signal.SIGINT, False)


@pytest.mark.parametrize(("count", "rank"), [("WORLD_SIZE", "RANK"), ("SLURM_NTASKS", "SLURM_PROCID")])
def test_processes_that_others_start_are_told_their_directory(monkeypatch, tmp_path, count, rank):
    monkeypatch.setenv(count, "2")
    monkeypatch.setenv(rank, "1")
    with pytest.raises(ValueError, match=r"hydra.run.dir: .*=2 .*name one for all"):
        unused_directory(str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(os.environ.get("CONTRACTIVE_DDP") != "1", reason="two processes: set CONTRACTIVE_DDP=1")
def test_a_signal_to_the_second_process_alone_saves_and_ends_both(tmp_path):
    program = Path(__file__).parents[2] / "train.py"
    settings = ["trainer=ddp", "trainer.accelerator=cpu", "model.hidden=[8]", "logger=none", "probe=none"]
    settings += ["callbacks=minimal", "~callbacks.progress", "trainer.max_epochs=100000"]
    command = [sys.executable, str(program), *settings, f"hydra.run.dir={tmp_path / 'run'}"]
    first = subprocess.Popen(command, start_new_session=True)
    try:
        while not (tmp_path / "run" / "curves.csv").is_file():
            assert first.poll() is None
            time.sleep(0.1)
        children = Path(f"/proc/{first.pid}/task/{first.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGTERM)
        assert first.wait(30) == 128 + signal.SIGTERM
        assert (tmp_path / "run" / "checkpoints" / "last.ckpt").is_file()
        deadline = time.monotonic() + 10
        while Path(f"/proc/{children[0]}").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not Path(f"/proc/{children[0]}").exists()
    finally:
        if first.poll() is None:
            os.killpg(first.pid, signal.SIGKILL)
