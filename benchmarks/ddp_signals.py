"""Stops runs of two processes at random moments, resumes them, and compares them with the run never stopped.

    python benchmarks/ddp_signals.py               # 20 signals
    python benchmarks/ddp_signals.py --trials 6 --seed 1

A signal goes to both processes, or to one alone; half of them come while it trains. A clean end is one with
the exit code of the signal, of both processes and within 30 seconds. Compared bit for bit as in ``crash.py``.
Exit code 1 if a run does not end cleanly or differs.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from crash import content, differences

REPOSITORY = Path(__file__).parents[1]
RUN = [
    *("trainer=ddp", "trainer.accelerator=cpu", "trainer.max_epochs=40", "model.hidden=[8]", "logger=none"),
    *("callbacks=minimal", "~callbacks.progress", "probe=none", "save_every_seconds=0.5"),
]
WHO = ("both", "first", "second")
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL)
MOST = 30.0  # seconds from the signal to the end of both processes


def start(arguments: list[str], log: Path) -> "subprocess.Popen[bytes]":
    """``python train.py …`` in a process group of its own."""
    with log.open("wb") as file:
        command = [sys.executable, str(REPOSITORY / "train.py"), *arguments]
        return subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True)


def second(first: int) -> int | None:
    """The process that the first one started."""
    for number in Path(f"/proc/{first}/task/{first}/children").read_text().split():
        with suppress(OSError):
            if b"train.py" in Path(f"/proc/{number}/cmdline").read_bytes():
                return int(number)
    return None


def group_is_gone(group: int) -> bool:
    """Whether no process of it is there any more."""
    with suppress(ProcessLookupError):
        os.killpg(group, 0)
        return False
    return True


def trial(whole: dict[str, object], seconds: float, folder: Path, draw: random.Random) -> tuple[str, str]:
    """Stop a run and resume it: what was done, and what is wrong, empty if nothing is."""
    folder.mkdir()
    directory, log = folder / "run", folder / "log"
    begun = [*RUN, f"hydra.run.dir={directory}"]
    who, number = draw.choice(WHO), draw.choice(SIGNALS)
    if number == signal.SIGKILL:
        who = draw.choice(WHO[1:])
    trains = draw.random() < 0.5
    process = start(begun, log)
    after = time.monotonic() + draw.uniform(0.0, seconds)
    while process.poll() is None and time.monotonic() < after and not trains:
        time.sleep(0.01)
    while process.poll() is None and trains and not (directory / "curves.csv").is_file():
        time.sleep(0.01)
    time.sleep(draw.uniform(0.0, 1.5) if trains else 0.0)
    saved = (directory / "checkpoints" / "last.ckpt").is_file()
    story = f"{number.name} to {who}, {'in training' if trains else 'any time'}{', saved' if saved else ''}"
    if process.poll() is None:
        other = second(process.pid)
        with suppress(ProcessLookupError):
            if who == "both":
                os.killpg(process.pid, number)
            else:
                os.kill(process.pid if who == "first" or other is None else other, number)
    sent = time.monotonic()
    with suppress(subprocess.TimeoutExpired):
        process.wait(MOST)
    while not group_is_gone(process.pid) and time.monotonic() - sent < MOST:
        time.sleep(0.05)
    took = time.monotonic() - sent
    hangs = not group_is_gone(process.pid)
    if hangs:
        os.killpg(process.pid, signal.SIGKILL)
    code = process.wait()
    code = 128 - code if code < 0 else code
    story += f": exit {code} after {took:.1f} s"
    finished = (directory / "metrics.json").is_file()
    stopped = (1, 137) if number == signal.SIGKILL else (128 + number,)
    clean = code in stopped or (code == 0 and finished)
    if hangs or not clean:
        return story, f"{'hangs' if hangs else 'exit code'}: {log.read_text(errors='replace')[-600:]}"
    if not finished:  # else the signal came when all was done
        taken_up = (directory / ".hydra" / "config.yaml").is_file()
        resumed = start([f"resume={directory}"] if taken_up else begun, log)
        try:
            code = resumed.wait(300)
        except subprocess.TimeoutExpired:
            os.killpg(resumed.pid, signal.SIGKILL)
            return story, "the resumed run hangs"
        if code != 0:
            return story, f"resumed, exit {code}: {log.read_text(errors='replace')[-600:]}"
    wrong = differences(whole, content(directory))
    return story, f"differs in {', '.join(wrong)}" if wrong else ""


def main() -> int:
    """Print a table; 1 if a run differs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        folder, began = Path(name), time.monotonic()
        if start([*RUN, f"hydra.run.dir={folder / 'whole'}"], folder / "log").wait() != 0:
            raise RuntimeError((folder / "log").read_text())
        seconds, whole = time.monotonic() - began, content(folder / "whole")
        print(f"never stopped: {seconds:.1f} s")
        for number in range(asked.trials):
            story, wrong = trial(
                whole, seconds, folder / str(number), random.Random(f"{asked.seed} {number}")
            )
            failed += bool(wrong)
            print(f"{number + 1:3}  {story}  {'FAILED ' + wrong if wrong else 'the same'}", flush=True)
    print(f"{asked.trials - failed} of {asked.trials} ended cleanly and came to the same when resumed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
