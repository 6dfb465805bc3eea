"""Runs that are killed at random moments end as if they had never been stopped."""

import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "crash.py"


def test_ten_runs_are_killed_and_resumed():
    command = [sys.executable, str(BENCHMARK), "--trials=10", "--epochs=3", "--kinds", "probes", "stored"]
    done = subprocess.run(command, cwd=BENCHMARK.parents[1], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("5 of 5 as if never stopped") == 2
