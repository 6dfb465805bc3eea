"""The table of a sweep."""

import csv
import json

import pytest

from contractive.commands.sweep import print_table, write_table


@pytest.fixture
def sweep(tmp_path):
    for job, lam in enumerate(["0", "1e-3", "0.1"]):
        run = tmp_path / str(job)
        (run / ".hydra").mkdir(parents=True)
        (run / ".hydra" / "overrides.yaml").write_text(f"- model.lam={lam}\n- +trainer.max_steps=5\n")
        figures = {"test/loss": 3.0 + job, "test/reconstruction": 2.0, "test/penalty": 1.0, "epochs": 4}
        if job != 1:
            (run / "metrics.json").write_text(json.dumps(figures))
    (tmp_path / "1" / "error.txt").write_text("error: train/penalty became nan at step 3\n")
    return tmp_path


def test_overridden_values_stand_beside_the_figures(sweep):
    write_table(sweep)
    with (sweep / "sweep.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["job"] for row in rows] == ["0", "1", "2"]
    assert [row["model.lam"] for row in rows] == ["0", "1e-3", "0.1"]
    assert rows[2]["trainer.max_steps"] == "5"
    assert float(rows[2]["test/loss"]) == 5.0


def test_a_run_that_failed_says_why(sweep):
    rows = write_table(sweep)
    assert [row["status"] for row in rows] == [
        "finished",
        "error: train/penalty became nan at step 3",
        "finished",
    ]
    (sweep / "1" / "error.txt").unlink()
    assert write_table(sweep)[1]["status"] == "not finished"


def test_the_printed_table_has_the_overridden_values_and_the_test_figures(sweep, capsys):
    print_table(write_table(sweep))
    printed = capsys.readouterr().out
    assert "model.lam" in printed and "0.1" in printed and "test/penalty" in printed
    assert "epochs" not in printed
