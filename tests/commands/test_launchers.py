"""A sweep is the same whoever starts its runs."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from contractive.commands.launching import threads_of_a_run

ROOT = Path(__file__).parents[2]
SWEEP = ["-m", "model.lam=0.1,-1", "model.hidden=[8]", "trainer.max_epochs=1", "probe.enabled=false"]
SMALL = ["logger=none", "callbacks=minimal"]
LAUNCHERS = {
    "joblib": ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"],
    "submitit": ["hydra/launcher=submitit_local", "hydra.launcher.timeout_min=5"],
}


def rows(sweep):
    with (sweep / "sweep.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_table_report_resume_and_exit_code_are_the_same(launcher, train, tmp_path):
    pytest.importorskip(f"hydra_plugins.hydra_{launcher}_launcher", reason=f"needs contractive[{launcher}]")
    with pytest.raises(SystemExit, match="1 of 2 runs did not finish: 1_lam=-1"):
        train(*SWEEP, *SMALL[:1], to="one")
    command = [sys.executable, "train.py", *SWEEP, *SMALL, *LAUNCHERS[launcher]]
    command.append(f"hydra.sweep.dir={tmp_path}/other")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert done.stderr.endswith("1 of 2 runs did not finish: 1_lam=-1\n")
    assert "Traceback" not in done.stdout + done.stderr
    assert (tmp_path / "other" / "report.html").is_file()
    for mine, theirs in zip(rows(tmp_path / "one"), rows(tmp_path / "other"), strict=True):
        assert mine.keys() == theirs.keys()
        assert (mine["job"], mine["status"]) == (theirs["job"], theirs["status"])
        if mine["status"] == "finished":
            assert float(mine["test/loss"]) == pytest.approx(float(theirs["test/loss"]), rel=1e-4)


@pytest.mark.parametrize(
    ("launcher", "available", "threads"),
    [
        ({"_target_": "hydra._internal.core_plugins.basic_launcher.BasicLauncher"}, 8, None),
        ({"_target_": "x.JoblibLauncher", "n_jobs": 2}, 8, 4),
        ({"_target_": "x.JoblibLauncher", "n_jobs": 16}, 8, 1),
        ({"_target_": "x.JoblibLauncher", "n_jobs": -2}, 8, 1),
        ({"_target_": "x.LocalLauncher", "cpus_per_task": None}, 8, 1),
        ({"_target_": "x.LocalLauncher", "cpus_per_task": 3}, 8, 3),
        ({"_target_": "x.SlurmLauncher", "cpus_per_task": 3}, 8, None),
    ],
)
def test_runs_beside_one_another_share_the_cores(launcher, available, threads):
    assert threads_of_a_run(launcher, available) == threads
