"""The curves of a run: written a row at a time, read back whatever became of the run."""

import csv

import pytest

from contractive.runs.curves import CurveWriter, read_curves


def row(epoch, **values):
    return {"epoch": epoch, "step": 10 * epoch, **values}


def test_what_was_written_is_read(tmp_path):
    rows = [row(1, loss=0.1), row(2, loss=1e-30), row(3, loss=float("inf"))]
    curves = CurveWriter(tmp_path, step=0)
    for each in rows:
        curves.add(each)
    assert read_curves(tmp_path) == (rows, "")
    with (tmp_path / "curves.csv").open(newline="") as file:
        assert next(csv.DictReader(file)) == {"epoch": "1", "step": "10", "loss": "0.1"}


def test_each_row_is_there_at_once(tmp_path):
    curves = CurveWriter(tmp_path, step=0)
    for epoch in (1, 2, 3):
        curves.add(row(epoch))
        assert len(read_curves(tmp_path)[0]) == epoch


def test_a_row_is_appended_without_writing_the_others_again(tmp_path):
    curves = CurveWriter(tmp_path, step=0)
    curves.add(row(1, loss=1.0))
    file = (tmp_path / "curves.csv").stat().st_ino
    curves.add(row(2, loss=2.0))
    assert (tmp_path / "curves.csv").stat().st_ino == file


def test_a_column_may_come_later_and_a_cell_be_missing(tmp_path):
    rows = [row(1, loss=1.0), row(2, loss=2.0, hessian=3.0), row(3, hessian=4.0)]
    curves = CurveWriter(tmp_path, step=0)
    for each in rows:
        curves.add(each)
    assert read_curves(tmp_path) == (rows, "")


@pytest.mark.parametrize(("step", "kept"), [(0, []), (19, [1]), (20, [1, 2]), (99, [1, 2, 3])])
def test_a_run_goes_on_from_the_rows_up_to_its_step(tmp_path, step, kept):
    curves = CurveWriter(tmp_path, step=0)
    for epoch in (1, 2, 3):
        curves.add(row(epoch, loss=0.5))
    resumed = CurveWriter(tmp_path, step)
    assert (tmp_path / "curves.csv").is_file() == bool(kept)
    resumed.add(row(4, loss=0.1))
    assert [each["epoch"] for each in read_curves(tmp_path)[0]] == [*kept, 4]


def test_a_resumed_run_leaves_the_row_out_that_was_cut_off(tmp_path):
    CurveWriter(tmp_path, step=0).add(row(1, loss=0.5))
    with (tmp_path / "curves.csv").open("a") as file:
        file.write("2,20,0.12")
    resumed = CurveWriter(tmp_path, step=20)
    resumed.add(row(3, loss=0.1))
    assert read_curves(tmp_path) == ([row(1, loss=0.5), row(3, loss=0.1)], "")


@pytest.mark.parametrize(
    "content", ["", "\n", "epoch,step,loss\r\n", "epoch,step\r\n,10\r\n", "a,b\r\n1,2\r\n"]
)
def test_a_file_without_rows_is_told(tmp_path, content):
    (tmp_path / "curves.csv").write_text(content)
    rows, problem = read_curves(tmp_path)
    assert rows == []
    assert problem
