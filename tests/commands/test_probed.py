"""The probe's figures in words and tables."""

import io

from rich.console import Console

from contractive.commands.probed import is_probed, probe_table
from contractive.commands.sweep import print_table
from contractive.commands.train import value_of

METRICS = {
    "test/loss": 3.0,
    "train/probe_examples": 1000,
    "val/probe_error": 3.125,
    "test/probe_error": 4.0,
    "val/probe_error_se": 1.25,
    "test/probe_error_se": 1.5,
    "test/probe_error_noisy": 18.0,
    "test/probe_error_100": 23.0,
    "val/knn_error": 2.0,
    "test/knn_error": 2.5,
    "val/probe_error_raw": 7.0,
    "test/probe_error_100_raw": 31.0,
}


def rows(metrics):
    shown = io.StringIO()
    Console(width=100, file=shown).print(probe_table(metrics))
    lines = shown.getvalue().splitlines()
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines if line.startswith("│")]


def test_the_table_has_code_and_inputs_side_by_side_with_what_is_chance():
    assert rows(METRICS) == [
        ["linear", "3.12 ± 1.2", "4 ± 1.5", "7", ""],
        ["linear, noise", "", "18", "", ""],
        ["linear, 100 labels", "", "23", "", "31"],
        ["neighbours", "2", "2.5", "", ""],
    ]


def test_of_a_regression_too():
    assert rows({"val/probe_r2": 0.5, "test/probe_r2_noisy": 0.25}) == [
        ["ridge, R²", "0.5", "", "", ""],
        ["ridge, R², noise", "", "0.25", "", ""],
    ]


def test_without_a_probe_there_is_no_table():
    assert probe_table({"test/loss": 1.0, "val/loss": 2.0}) is None
    assert is_probed("val/knn_error_raw") and not is_probed("val/penalty")


def test_the_table_of_a_sweep_shows_them_with_a_word_on_chance(capsys):
    rows = [{"job": str(job), "status": "finished", "lam": job} | METRICS for job in range(2)]
    print_table(rows)
    printed = " ".join(capsys.readouterr().out.split())
    assert "2.5" in printed and "chance alone moves each by up to ± 1.5" in printed
    print_table([{"job": "0", "status": "finished", "test/loss": 1.0}])
    printed = capsys.readouterr().out
    assert "chance" not in printed and "probe" not in printed


def test_a_run_has_the_value_or_the_values_that_were_named():
    assert value_of(METRICS, "val/knn_error") == 2.0
    assert value_of(METRICS, ["test/loss", "val/knn_error"]) == (3.0, 2.0)
    missing = value_of({}, ["test/loss", "val/loss"])
    assert len(missing) == 2 and all(value != value for value in missing)
