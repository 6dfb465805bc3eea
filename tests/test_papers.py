"""The papers' tables: which runs they are made of, and how these are taken up."""

import math

import pytest
from hydra import compose, initialize_config_dir

from benchmarks import papers
from benchmarks.papers import ENCODERS, ROWS, Row, carry_out, spread, stages
from contractive.commands.check import check_config, plain
from contractive.commands.schemas import CONFIG_DIR, register

register()

SCRIPT = """
import json, sys
from pathlib import Path
with Path("calls").open("a") as file:
    print(*sys.argv, file=file)
arguments = dict(argument.split("=", 1) for argument in sys.argv[1:])
run = Path(arguments.get("resume") or arguments["hydra.run.dir"])
if arguments.get("seed") == "13":
    sys.exit("error: seed=13")
run.mkdir(parents=True, exist_ok=True)
(run / "metrics.json").write_text(json.dumps({"test/error": 1.0, "val/error": 2.0, "seconds": 60.0}))
"""


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A directory where each run is finished at once, and the calls so far."""
    monkeypatch.setattr(papers, "REPOSITORY", tmp_path)
    for name in ("train.py", "finetune.py"):
        (tmp_path / name).write_text(SCRIPT)
    return tmp_path


def calls(repository):
    path = repository / "calls"
    return path.read_text().splitlines() if path.exists() else []


def run_of(repository, row, seed=0, until=math.inf):
    carry_out(stages(row, seed, repository / "outputs", "DIR"), 1, until)


@pytest.mark.parametrize("row", ROWS)
def test_the_commands_of_a_row_are_valid(row, tmp_path):
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        for stage in stages(row, 0, tmp_path, str(tmp_path)):
            script, *settings = stage.command
            # What they need of runs before is not there yet.
            settings = [each for each in settings if not each.startswith(("encoder=", "data.run="))]
            settings = [each.replace("data=codes", "data=digits") for each in settings]
            head = ["head=default"] if script == "finetune.py" else []
            config = plain(compose("config", overrides=[*head, *settings]))
            check_config(config)
            assert config["head"]["enabled"] == bool(head)


def test_a_row_trains_its_encoders_from_the_input_upwards_and_a_head_on_all_of_them(tmp_path):
    lower, upper, head = stages("CAE+H on CAE+H", 3, tmp_path, "DIR")
    assert "data.root=DIR" in lower.command and f"data.run={lower.directory}" in upper.command
    assert f"encoder=[{lower.directory},{upper.directory}]" in head.command
    assert all("seed=3" in stage.command for stage in (lower, upper, head))


def test_of_unlike_layers_the_lower_one_comes_first(tmp_path, monkeypatch):
    monkeypatch.setitem(ENCODERS, "CAE on AE", ["data=codes"])
    monkeypatch.setitem(ROWS, "CAE on AE", Row("CAE on AE"))
    lower, upper, _ = stages("CAE on AE", 0, tmp_path, "DIR")
    assert set(ENCODERS["AE"]) < set(lower.command) and set(ENCODERS["CAE on AE"]) < set(upper.command)


def test_what_is_set_besides_is_of_the_head_alone(tmp_path):
    encoder, head = stages("CAE", 0, tmp_path, "DIR", ["trainer.precision=bf16-mixed"])
    assert "trainer.precision=bf16-mixed" in head.command
    assert "trainer.precision=bf16-mixed" not in encoder.command


def test_a_head_on_the_pixels_has_no_encoder(tmp_path):
    (head,) = stages("pixels, 100 labels", 0, tmp_path, "DIR")
    assert {"head.on=inputs", "data.labels=100", "data.root=DIR"} < set(head.command)


def test_rows_share_their_encoder_and_what_is_finished_stays(repository):
    for _ in range(2):
        run_of(repository, "CAE")
        run_of(repository, "CAE, tangents")
    made = [call for call in calls(repository) if call.startswith("train.py")]
    assert len(made) == 1 and len(calls(repository)) == 3


def test_what_is_half_done_goes_on(repository):
    (directory,) = (stage.directory for stage in stages("pixels", 0, repository / "outputs", "DIR"))
    (directory / "checkpoints").mkdir(parents=True)
    (directory / "checkpoints" / "last.ckpt").touch()
    run_of(repository, "pixels")
    assert calls(repository) == [f"finetune.py resume={directory}"]


def test_nothing_is_begun_after_the_budget(repository):
    run_of(repository, "CAE", until=-math.inf)
    assert not calls(repository)


def test_a_run_that_fails_is_told_and_ends_its_row(repository, capsys):
    run_of(repository, "CAE", seed=13)
    assert len(calls(repository)) == 1
    assert "encoders/CAE/13: exit code 1: error: seed=13" in capsys.readouterr().out


def test_the_table_tells_of_how_many_seeds_it_is():
    assert spread([1.0, 2.0, 3.0]) == "2.00 ± 1.00"
    assert spread([1.0, 2.0]) == "1.50 ± 0.71 (2 of 3 seeds)"
    assert spread([1.0]) == "1.00 (1 of 3 seeds)"
