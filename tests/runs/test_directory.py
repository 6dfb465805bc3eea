"""Directories of runs: each claimed by one run, all found again."""

import pytest

from contractive.runs.directory import find_runs, unused_directory


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
