"""Processes that train together end together; the slow test, with two real ones, needs CONTRACTIVE_DDP=1."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
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


TORCHRUN = [str(Path(sys.executable).with_name("torchrun")), "--nproc-per-node", "2"]


def settings_of(folder, labels):
    """A tiny run over files of 101, 13 and 11 examples, with labels or without."""
    draw = np.random.default_rng(0)
    settings = ["data=array", "model.hidden=[8]", "logger=none", "probe=none", "callbacks=minimal"]
    for name, n in {"path": 101, "val_path": 13, "test_path": 11}.items():
        arrays = {"x": draw.random((n, 6), dtype=np.float32)}
        if labels:
            # In some places many have a label, in others few or none.
            arrays["y"] = np.where(draw.random(n) < np.linspace(0, 0.6, n), draw.integers(0, 3, n), -1)
        np.savez(folder / f"{name}.npz", **arrays)
        settings.append(f"data.{name}={folder / name}.npz")
    return [*settings, "~callbacks.progress", "trainer.max_epochs=4", "trainer.log_every_n_steps=4"]


def check_alike(folder, compared):
    """The runs ``one`` and ``two`` came to the same weights, figures and curves."""
    runs = [folder / name for name in ("one", "two")]
    for which in ("best", "last"):
        a, b = (torch.load(run / "checkpoints" / f"{which}.ckpt", weights_only=True) for run in runs)
        torch.testing.assert_close(a["state_dict"], b["state_dict"], rtol=1e-6, atol=1e-7)
    a, b = (json.loads((run / "metrics.json").read_text()) for run in runs)
    assert {k: v for k, v in a.items() if k != "seconds"} == pytest.approx(
        {k: v for k, v in b.items() if k != "seconds"}, rel=1e-6
    )
    a, b = (np.genfromtxt(run / "curves.csv", delimiter=",", names=True) for run in runs)
    assert a.dtype.names == b.dtype.names and set(compared) <= set(a.dtype.names)
    for name in a.dtype.names:
        np.testing.assert_allclose(a[name], b[name], rtol=1e-6)


def run_two(launch, program, *arguments):
    path = str(Path(__file__).parents[2] / program)
    two = [*launch, path, "trainer=ddp", "trainer.accelerator=cpu", *arguments]
    done = subprocess.run(two, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(os.environ.get("CONTRACTIVE_DDP") != "1", reason="two processes: set CONTRACTIVE_DDP=1")
@pytest.mark.parametrize(
    ("launch", "batch_size"),
    [([sys.executable], 12), (TORCHRUN, 10)],
    ids=["a last batch of 3 and 2", "torchrun, a last batch of 0 and 1"],
)
def test_two_processes_come_to_what_one_does(tmp_path, train, launch, batch_size):
    settings = settings_of(tmp_path, labels=False)
    run_two(launch, "train.py", *settings, f"data.batch_size={batch_size}", f"hydra.run.dir={tmp_path}/two")
    train(*settings, f"data.batch_size={2 * batch_size}", to="one")
    check_alike(tmp_path, ["trainloss"])


HEAD = ["head=default", "head.hidden=[5]", "head.contraction=frobenius", "head.lam=0.3"]


@pytest.mark.skipif(os.environ.get("CONTRACTIVE_DDP") != "1", reason="two processes: set CONTRACTIVE_DDP=1")
@pytest.mark.parametrize("labelled", [0, 1])
def test_two_processes_train_a_head_as_one_does(tmp_path, train, labelled):
    """Of a batch they have labels unlike many; at the epoch's end one has an example, the other none."""
    settings = [*settings_of(tmp_path, labels=True), *HEAD]
    own = ["data.batch_size=10", f"data.labelled={labelled}"]
    run_two([sys.executable], "train.py", *settings, *own, f"hydra.run.dir={tmp_path}/two")
    train(*settings, "data.batch_size=20", f"data.labelled={2 * labelled}", to="one")
    check_alike(tmp_path, ["trainloss", "traincross_entropy", "trainerror", "traincontraction", "valerror"])
