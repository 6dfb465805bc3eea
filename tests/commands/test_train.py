"""The command line, in processes of its own where it has to be."""

import os
import subprocess
import sys

import pytest

from contractive.commands.train import one_line, unused_directory


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


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--help"], 0, "model.lam=0,1e-4,1e-3,1e-2"),
        (["model.lam=-1"], 1, "error: model.lam must be a finite number >= 0; got -1"),
        (["model.lamb=1"], 1, "error: there is no setting 'model.lamb'; did you mean model.lam?"),
        (["hydra.run.dir=/dev/null/run"], 1, "error: hydra.run.dir: '/dev/null/run' cannot be written to"),
    ],
)
def test_help_and_mistakes_are_answered_before_the_heavy_imports(arguments, code, said, tmp_path):
    # A torch that cannot be imported shows that nobody tried.
    (tmp_path / "torch.py").write_text("raise SystemError('torch was imported')")
    done = subprocess.run(
        [sys.executable, "train.py", *arguments],
        env=os.environ | {"PYTHONPATH": str(tmp_path), "HYDRA_FULL_ERROR": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    assert said in (done.stdout if code == 0 else done.stderr)
    if code:
        assert len(done.stderr.strip().splitlines()) == 1


def test_an_error_of_several_lines_becomes_one():
    assert one_line(ValueError("a\n  b")) == "error: a b"
    assert one_line(FileNotFoundError(2, "No such file or directory", "x.npy")) == (
        "error: No such file or directory: 'x.npy'"
    )
    assert "HYDRA_FULL_ERROR=1" in one_line(KeyError("x"))
