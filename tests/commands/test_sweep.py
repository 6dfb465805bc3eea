"""The table of a sweep."""

import csv
import io
import json
import subprocess
import sys
from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf

import contractive.training.fitting
from contractive.commands import train as command
from contractive.commands.signals import last_words, say_last_words
from contractive.commands.sweep import SweepTable
from contractive.commands.table import best_rows, job_line, print_table, write_table
from contractive.runs.directory import only_run_in
from train import main


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


def test_where_there_is_little_room_what_decides_stays(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "60")
    names = [
        "test/loss",
        "test/penalty",
        "test/reconstruction",
        "test/knn_error",
        "test/probe_error",
        "val/loss",
    ]
    rows = [{"job": f"{job}_lam={job}", "status": "finished", "model.lam": job} for job in range(2)]
    print_table([row | dict.fromkeys(names, 1.0) for row in rows], ["val/loss"])
    printed = capsys.readouterr().out
    assert printed.split("*")[0].split()[-5:] == ["job", "loss", "probe_error", "reconstruction", "penalty"]
    assert "No room for test/loss, test/knn_error" in printed


def finished(job, lam=0.0, **figures):
    return {"job": job, "status": "finished", "model.lam": lam} | {
        name.replace("__", "/"): value for name, value in figures.items()
    }


@pytest.mark.parametrize(
    ("jobs", "lams", "told"),
    [
        (["0_lam=0", "1_lam=1"], [0, 1], False),  # the names say it
        (["0_lam=0", "1_lam=10"], [0, 1], True),
        (["0_lam=0", "1"], [0, 1], True),  # one of them does not
        (["0", "1"], [1, 1], True),  # all the same, and nothing else was typed
    ],
)
def test_what_was_overridden_has_a_column_unless_every_name_says_it(jobs, lams, told, capsys):
    print_table([finished(job, lam, test__loss=1.0) for job, lam in zip(jobs, lams)])
    assert ("model.lam" in capsys.readouterr().out) == told


def test_what_all_runs_share_has_no_column_beside_what_differs(capsys):
    print_table([finished(str(n), n, test__loss=1.0) | {"optimizer.lr": 1} for n in range(2)])
    printed = capsys.readouterr().out
    assert "model.lam" in printed and "optimizer.lr" not in printed


def test_that_the_loss_contains_lam_is_said_where_runs_differ_in_it_and_are_chosen_by_a_loss(capsys):
    rows = [finished(str(n), n, val__loss=1.0 + n, val__probe_error=1.0) for n in range(2)]
    others = [row | {"model.lam": 1, "seed": number} for number, row in enumerate(rows)]
    for these, by, said in (
        (rows, ["val/loss"], True),
        (rows, ["val/probe_error", "val/loss"], True),
        (rows, ["val/probe_error"], False),
        (others, ["val/loss"], False),
    ):
        print_table(these, by)
        printed = capsys.readouterr().out
        assert f"* best by {', '.join(by)}" in printed
        assert ("the smallest lam wins" in printed) == said


def test_how_much_is_chance_is_told_by_the_largest_standard_error(capsys):
    print_table([finished("0", test__probe_error=5.0), finished("1", test__probe_error_se=1.25)])
    assert "Errors in %; chance alone moves each by up to ± 1.2" in capsys.readouterr().out
    print_table([finished("0", test__loss=5.0)])
    assert "chance" not in capsys.readouterr().out


def test_a_run_that_lacks_a_figure_is_not_the_best():
    rows = [finished("0", a=1, b=2), finished("1", a=2, b=1), finished("2", a=0)]
    assert best_rows(rows, ["a", "b"]) == {0, 1}


def test_the_line_of_a_job_has_what_there_is_room_for():
    row = finished("0_lam=0", test__loss=1.0, test__reconstruction=2.0, seconds=3.4)
    assert job_line(row, 1, 4, 62.0, None) == ("1/4  0_lam=0  loss 1  reconstruction 2  3 s  0:01:02 left")
    assert job_line(row, 4, 4, 0.0, None) == "4/4  0_lam=0  loss 1  reconstruction 2  3 s"
    assert job_line(row, 1, None, None, None) == "1  0_lam=0  loss 1  reconstruction 2  3 s"
    for width, line in (
        (57, "1/4  0_lam=0  loss 1  reconstruction 2  3 s  0:01:02 left"),
        (56, "1/4  0_lam=0  loss 1  rec 2  3 s  0:01:02 left"),
        (45, "1/4  0_lam=0  loss 1  rec 2  3 s"),
        (10, "1/4  0_lam"),
    ):
        assert job_line(row, 1, 4, 62.0, width) == line
    failed = row | {"status": "error: it is too large"}
    assert job_line(failed, 2, 4, 62.0, 24) == "2/4  0_lam=0  error: it "


def test_the_best_run_has_the_lowest_figure_and_by_several_figures_nobody_beats_it():
    pairs = [(1, 3), (2, 2), (2, 3), (3, 1), (1, 3), (0, 0)]
    rows = [{"status": "finished", "val/loss": a, "val/probe_error": b} for a, b in pairs]
    rows[-1]["status"] = "not finished"
    assert best_rows(rows, ["val/loss"]) == {0, 4}
    assert best_rows(rows, ["val/loss", "val/probe_error"]) == {0, 1, 3, 4}
    assert best_rows(rows, ["test/loss"]) == best_rows(rows, []) == best_rows(rows[:1], ["val/loss"]) == set()


@pytest.fixture
def swept(monkeypatch, tmp_path):
    """``swept(*arguments)``: a sweep whose trainings are pretended; returns what each of them was given.

    ``swept.stop_at(lam)`` lets one of them save a checkpoint and then be ended by a signal.
    """
    given, stops = [], []

    def fit(config, directory):
        given.append((config.model.lam, config.resume))
        if config.model.lam in stops:
            (directory / "checkpoints").mkdir()
            (directory / "checkpoints" / "last.ckpt").touch()
            raise SystemExit(143)
        if config.model.lam > 99:
            raise ValueError("it is\ntoo large")
        with (
            (tmp_path / "sweep" / "sweep.csv").open()
            if (tmp_path / "sweep" / "sweep.csv").exists()
            else io.StringIO() as file
        ):
            swept.seen.append(len(list(csv.DictReader(file))))
        metrics = {
            f"{s}/{t}": 1.0 + config.model.lam
            for s in ("val", "test")
            for t in ("loss", "reconstruction", "penalty")
        }
        metrics |= {"best_epoch": 1, "seconds": 2.0}
        (directory / "metrics.json").write_text(json.dumps(metrics))
        return SimpleNamespace(metrics=metrics, epochs=3, directory=directory, last=directory / "no.ckpt")

    def swept(*arguments):
        given.clear()
        monkeypatch.setattr(sys, "argv", ["train.py", "-m", f"hydra.sweep.dir={tmp_path}/sweep", *arguments])
        main()
        return list(given)

    monkeypatch.setattr(contractive.training.fitting, "fit", fit)
    monkeypatch.setattr(command, "FULL_ERROR", False)
    monkeypatch.setattr("contractive.commands.summary.advice_on", lambda run: "")
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    monkeypatch.setattr("contractive.report.write_report", lambda directory: directory / "report.html")
    swept.given, swept.seen = given, []
    swept.stop_at, swept.go_on = stops.append, stops.clear
    return swept


def rows(tmp_path):
    with (tmp_path / "sweep" / "sweep.csv").open() as file:
        return {row["job"]: row["status"] for row in csv.DictReader(file)}


def test_a_sweep_that_was_stopped_is_taken_up_by_the_same_command(swept, tmp_path, capsys):
    swept.stop_at(0.2)
    with pytest.raises(SystemExit) as left:
        swept("model.lam=0.1,0.2,0.3")
    assert left.value.code == 143
    say_last_words()
    said = capsys.readouterr().out
    assert "stopped with 1 of 3 runs finished" in said and f"hydra.sweep.dir={tmp_path}/sweep" in said
    assert list(rows(tmp_path).values()) == ["finished", "not finished"]
    swept.go_on()
    last = next((tmp_path / "sweep").rglob("last.ckpt"))
    assert swept("model.lam=0.1,0.2,0.3") == [(0.2, str(last)), (0.3, None)]
    assert list(rows(tmp_path).values()) == ["finished"] * 3
    assert swept("model.lam=0.1,0.2,0.3") == []
    assert list(rows(tmp_path).values()) == ["finished"] * 3
    assert not last_words


def test_a_sweep_that_was_stopped_says_that_what_submitit_started_may_go_on(tmp_path, capsys):
    for target, said in (("hydra_plugins.hydra_submitit_launcher.L", True), ("hydra._internal.Basic", False)):
        config = OmegaConf.create(
            {"optimized_metric": "val/loss", "hydra": {"launcher": {"_target_": target}}}
        )
        SweepTable()._say_what_is_there(tmp_path, config)
        assert ("may go on by itself" in capsys.readouterr().out) == said


def test_the_table_is_there_while_the_sweep_runs(swept):
    swept("model.lam=0.1,0.2,0.3")
    assert swept.seen == [0, 1, 2]


def test_a_directory_of_another_sweep_is_refused_before_any_run(swept, tmp_path):
    swept("model.lam=0.1,0.2")
    before = rows(tmp_path)
    for others, said in (
        (["model.lam=0.1,0.3"], "this one is without model.lam=0.1,0.2, with model.lam=0.1,0.3"),
        (["model.lam=0.1,0.2", "seed=3"], "this one is with seed=3"),
    ):
        with pytest.raises(SystemExit) as left:
            swept(*others)
        assert left.value.code.startswith("error: hydra.sweep.dir: ") and said in left.value.code
        assert swept.given == [] and rows(tmp_path) == before


def test_a_run_of_other_settings_in_the_place_of_a_job_is_not_taken_for_it(swept, tmp_path):
    swept("model.lam=0.1,0.2")
    config = next((tmp_path / "sweep").glob("1*")) / ".hydra" / "config.yaml"
    config.write_text(config.read_text().replace("seed: 0", "seed: 5"))
    with pytest.raises(FileExistsError, match=r"holds a run with other settings \(seed: 5 → 0\)"):
        swept("model.lam=0.1,0.2")
    assert swept.given == []
    assert "seed: 5" in config.read_text()


def test_a_sweep_in_the_directory_of_one_that_is_under_way_is_refused(swept, tmp_path):
    swept("model.lam=0.1,0.2")
    code = "import sys; from train import main; sys.argv[1:] = {arguments}; main()"
    arguments = ["-m", f"hydra.sweep.dir={tmp_path}/sweep", "model.lam=0.1,0.2"]
    with only_run_in(tmp_path / "sweep"):
        done = subprocess.run(
            [sys.executable, "-c", code.format(arguments=arguments)],
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: another run is under way in '{tmp_path}/sweep'")
    assert len(done.stderr.splitlines()) == 1


def test_a_job_that_fails_does_not_stop_the_others_and_the_sweep_ends_with_1(swept, tmp_path):
    with pytest.raises(SystemExit, match="1 of 3 runs did not finish"):
        swept("model.lam=0.1,100,0.3")
    assert list(rows(tmp_path).values()) == ["finished", "error: it is too large", "finished"]


def test_a_value_of_the_wrong_type_is_refused_before_any_run(swept):
    with pytest.raises(Exception, match="abc"):
        swept("model.lam=0.1,abc,0.3")
    assert swept.given == []


@pytest.mark.parametrize("choice", ["optuna", "optuna_pareto"])
def test_a_search_is_a_sweep_that_is_taken_up_like_any_other(swept, tmp_path, choice):
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper", reason="needs contractive[optuna]")
    search = [f"sweep={choice}", "hydra.sweeper.n_trials=3", "optimized_metric=[val/loss,val/reconstruction]"]
    if choice == "optuna":
        search[-1] = "optimized_metric=val/loss"
    lams = [lam for lam, _ in swept(*search)]
    assert len(set(lams)) == 3 and all(1e-4 <= lam <= 1 for lam in lams)
    (tmp_path / "sweep" / next(iter(rows(tmp_path))) / "metrics.json").unlink()
    assert swept(*search) == [(lams[0], None)]
    assert list(rows(tmp_path).values()) == ["finished"] * 3


def test_a_failed_run_does_not_end_a_search(swept, tmp_path):
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper", reason="needs contractive[optuna]")
    search = ["hydra.sweeper.n_trials=5", "optimized_metric=val/loss", "model.lam=choice(1,100)"]
    with pytest.raises(SystemExit, match="of 5 runs did not finish"):
        swept("sweep=optuna", *search)
    assert set(rows(tmp_path).values()) == {"finished", "error: it is too large"}
