"""A signal ends the program quietly, whatever it is about."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from contractive.commands.signals import last_words, leaving_quietly

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("module", ["omegaconf", "torch"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_during_the_imports(module, number, tmp_path):
    (tmp_path / f"{module}.py").write_text(
        f"import os\nos.kill(os.getpid(), {int(number)})\nraise SystemError"
    )
    done = subprocess.run(
        [sys.executable, "train.py", f"hydra.run.dir={tmp_path}/run"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT / "src")])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (128 + number, "")


def test_during_an_import_that_goes_on_whatever_happens(tmp_path):
    stubborn = (
        "import os, time\ntry:\n  os.kill(os.getpid(), 15)\n  time.sleep(1)\nexcept BaseException: pass"
    )
    (tmp_path / "stubborn.py").write_text(stubborn)
    code = "from contractive.commands.signals import leaving_quietly\nwith leaving_quietly(): import stubborn"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT / "src")])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (143, b"")


def test_afterwards_what_is_left_to_say_is_said():
    said = []
    last_words.append(lambda: said.append("the table"))
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as left, leaving_quietly():
        os.kill(os.getpid(), signal.SIGTERM)
    assert (left.value.code, said) == (143, ["the table"])
    assert signal.getsignal(signal.SIGTERM) == before


def test_what_others_make_of_it_on_its_way_does_not_count():
    def clean_up():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            raise AttributeError("left half way")

    with pytest.raises(SystemExit) as left, leaving_quietly():
        clean_up()
    assert left.value.code == 143
    with pytest.raises(AttributeError), leaving_quietly():
        raise AttributeError


def test_what_cannot_be_said_on_a_terminal_that_is_gone_does_not_count_either(monkeypatch):
    def say():
        raise OSError(5, "Input/output error")

    last_words.append(say)
    before = signal.getsignal(signal.SIGHUP)
    with pytest.raises(SystemExit) as left, leaving_quietly():
        os.kill(os.getpid(), signal.SIGHUP)
    assert left.value.code == 129
    assert signal.getsignal(signal.SIGHUP) == before


def test_a_signal_that_the_shell_has_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with leaving_quietly():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
