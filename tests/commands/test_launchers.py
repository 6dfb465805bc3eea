"""A sweep is the same whoever starts its runs."""

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from contractive.commands.launching import rounds_after, threads_of_a_run

ROOT = Path(__file__).parents[2]
SWEEP = ["-m", "model.lam=0.1,-1,0.2,0.3", "model.hidden=[8]", "trainer.max_epochs=1", "probe=none"]
SMALL = ["logger=none", "callbacks=minimal"]
LAUNCHERS = {
    "joblib": ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"],
    "submitit": ["hydra/launcher=submitit_local", "hydra.launcher.timeout_min=5"],
}


def rows(sweep):
    with (sweep / "sweep.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_table_report_take_up_and_exit_code_are_the_same(launcher, train, tmp_path):
    pytest.importorskip(f"hydra_plugins.hydra_{launcher}_launcher", reason=f"needs contractive[{launcher}]")
    for name in ("one", "other"):
        with pytest.raises(SystemExit, match="1 of 4 runs did not finish: 1_lam=-1"):
            train(*SWEEP, *SMALL[:1], to=name)
    # As if the other had been stopped: one run done, one on its way, one not begun.
    other = tmp_path / "other"
    done, on_its_way, not_begun = (other / f"{job}" for job in ("0_lam=0.1", "2_lam=0.2", "3_lam=0.3"))
    figures = (done / "metrics.json").read_text()
    (done / "metrics.json").write_text(figures.replace("{", '{"mark": 7,', 1))
    curves = (on_its_way / "curves.csv").read_text().splitlines()
    (on_its_way / "curves.csv").write_text(f"{curves[0]},mark\n{curves[1]},7\n")
    (done / "checkpoints" / "last.ckpt").unlink()  # so that it could only begin anew
    (on_its_way / "metrics.json").unlink()
    shutil.rmtree(not_begun)
    command = [sys.executable, "train.py", *SWEEP, *SMALL, *LAUNCHERS[launcher]]
    command.append(f"hydra.sweep.dir={other}")
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 1, ended.stderr
    assert ended.stderr.endswith("1 of 4 runs did not finish: 1_lam=-1\n")
    assert "Traceback" not in ended.stdout + ended.stderr
    assert (other / "report.html").is_file()
    assert "mark" in (done / "metrics.json").read_text()
    assert "mark" in (on_its_way / "curves.csv").read_text()
    for mine, theirs in zip(rows(tmp_path / "one"), rows(other), strict=True):
        assert mine.keys() == theirs.keys() - {"mark"}
        assert (mine["job"], mine["status"]) == (theirs["job"], theirs["status"])
        if mine["status"] == "finished":
            assert float(mine["test/loss"]) == pytest.approx(float(theirs["test/loss"]), rel=1e-4)


@pytest.mark.parametrize(
    ("at_once", "rounds"), [(1, [4, 3, 2, 1, 0]), (2, [2, 2, 1, 1, 0]), (8, [0] * 5), (None, [0] * 5)]
)
def test_what_comes_after_a_run_is_counted_in_runs_of_its_length(at_once, rounds):
    assert [rounds_after(number, 5, at_once) for number in range(5)] == rounds


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
