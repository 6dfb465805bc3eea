"""Directories of runs: each claimed by one run, all found again."""

import subprocess
import sys
import threading
from contextlib import nullcontext

import pytest

from contractive.runs.directory import find_runs, only_run_in, unused_directory


def test_a_directory_is_claimed_once(tmp_path):
    wanted = str(tmp_path / "2026-01-01" / "12-00-00")
    claimed = [unused_directory(wanted) for _ in range(3)]
    assert claimed == [wanted, f"{wanted}-1", f"{wanted}-2"]


def test_a_directory_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        unused_directory(str(tmp_path / "file" / "run"))
    with pytest.raises(OSError, match="file"):
        unused_directory(str(tmp_path / "file"))


@pytest.mark.parametrize("mark", ["metrics.json", "error.txt", "curves.csv", ".hydra/config.yaml"])
def test_a_run_is_known_by_any_of_its_files(tmp_path, mark):
    path = tmp_path / "sweep" / "7" / mark
    path.parent.mkdir(parents=True)
    path.touch()
    (tmp_path / "sweep" / "empty").mkdir()
    assert find_runs(tmp_path) == [tmp_path / "sweep" / "7"]


HOLD = """
import sys, time
from pathlib import Path
from contractive.runs.directory import only_run_in
with only_run_in(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the directory of a run."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "run")], stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        yield process
        process.kill()


def test_a_directory_that_another_run_holds_is_refused_until_that_run_is_dead(holder, tmp_path):
    run = tmp_path / "run"
    with pytest.raises(BlockingIOError, match=f"another run is under way in '{run}'"), only_run_in(run):
        pass
    holder.kill()
    holder.wait()
    with only_run_in(run), only_run_in(run):
        assert find_runs(tmp_path) == []  # being held makes it no run


def test_two_threads_do_not_hold_one_directory(tmp_path):
    refused = []

    def hold():
        try:
            with only_run_in(tmp_path):
                pass
        except BlockingIOError:
            refused.append(True)

    with only_run_in(tmp_path):
        other = threading.Thread(target=hold)
        other.start()
        other.join()
    hold()
    assert refused == [True]


@pytest.mark.parametrize(
    ("ranks", "first"),
    [
        ({}, True),
        ({"RANK": "0", "LOCAL_RANK": "1"}, True),
        ({"LOCAL_RANK": "1"}, False),
        ({"RANK": "3"}, False),
    ],
)
def test_of_several_processes_of_one_run_the_first_holds_its_directory(
    holder, tmp_path, monkeypatch, ranks, first
):
    for name, rank in ranks.items():
        monkeypatch.setenv(name, rank)
    with pytest.raises(BlockingIOError) if first else nullcontext(), only_run_in(tmp_path / "run"):
        pass


def test_runs_come_in_the_order_of_their_numbers_whatever_follows(tmp_path):
    names = ["0_lam=0.1", "2_lam=0.01", "10_lam=0", "11"]
    for name in names[::-1]:
        (tmp_path / name / ".hydra").mkdir(parents=True)
    assert [path.name for path in find_runs(tmp_path)] == names


def test_whoever_holds_it_once_more_leaves_the_lock_to_the_first(tmp_path):
    with only_run_in(tmp_path):
        with only_run_in(tmp_path):
            pass
        assert (tmp_path / ".lock").exists()
    assert not (tmp_path / ".lock").exists()


def test_what_lies_in_a_run_is_no_run(tmp_path):
    for folder in (tmp_path / "run", tmp_path / "run" / "inner"):
        folder.mkdir()
        (folder / "metrics.json").touch()
    assert find_runs(tmp_path) == [tmp_path / "run"]
