"""A run that goes on by its directory alone."""

import json
import shlex
import sys

import pytest
import torch
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from contractive.commands.resume import arguments_to_resume
from contractive.commands.schemas import CONFIG_DIR, register
from contractive.commands.train import understandable
from contractive.runs.directory import command_to_resume

register()


def composed(overrides, **options):
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        return compose("config", overrides=list(overrides), **options)


@pytest.fixture
def recorded(tmp_path):
    """A run with the given overrides, or one that records other settings than they compose."""

    def recorded(*overrides, name="run", typed=None, **others):
        folder = tmp_path / name / ".hydra"
        folder.mkdir(parents=True)
        config = OmegaConf.merge(OmegaConf.create(OmegaConf.to_container(composed(overrides))), others)
        OmegaConf.save(config, folder / "config.yaml")
        (folder / "overrides.yaml").write_text(yaml.safe_dump(list(overrides if typed is None else typed)))
        (tmp_path / name / "checkpoints").mkdir()
        (tmp_path / name / "checkpoints" / "last.ckpt").touch()
        return tmp_path / name

    return recorded


MADE = ("model.lam=0.5", "model/penalty=hutchinson", "model.penalty.probes=2", "scheduler=cosine")


@pytest.mark.parametrize(
    "run",
    [
        {},
        {"typed": []},  # composed from other files
        {"typed": ["no.such.setting=1"]},
        {"typed": ["a b c"]},
        {"model": {"tied": False}, "data": {"batch_size": 7}},  # another default then
        {"optimizer": {"betas": [0.5, 0.9]}},
    ],
)
def test_the_settings_of_the_run_are_taken_but_for_what_is_typed_beside_it(recorded, run):
    run = recorded(*MADE, **run)
    config = composed(arguments_to_resume(str(run), ["trainer.max_epochs=7"]), return_hydra_config=True)
    expected = OmegaConf.load(run / ".hydra" / "config.yaml")
    expected.trainer.max_epochs = 7
    expected.resume = str(run / "checkpoints" / "last.ckpt")
    assert config.hydra.run.dir == str(run)
    del config.hydra
    assert OmegaConf.to_container(config) == OmegaConf.to_container(expected)


@pytest.mark.parametrize(
    ("beside", "key", "value"),
    [
        ("model.lam=0.1", "model.lam", 0.1),  # what it would be by default
        ("lam=none", "model.lam", 0.0),
        ("scheduler=none", "scheduler", {}),
        ("model/penalty=exact", "model.penalty", {"method": "exact"}),
        ("model.lam=${seed}", "model.lam", 0.0),
    ],
)
@pytest.mark.parametrize("typed", [None, []])
def test_a_setting_or_a_choice_beside_it_replaces_that_of_the_run(recorded, beside, key, value, typed):
    config = composed(arguments_to_resume(str(recorded(*MADE, typed=typed)), [beside]))
    found = OmegaConf.select(config, key)
    assert (OmegaConf.to_container(found) if isinstance(value, dict) else found) == value


def test_in_another_directory_it_begins_from_the_checkpoint(recorded):
    run = recorded("seed=3")
    arguments = arguments_to_resume(str(run), ["hydra.run.dir='/elsewhere'"])
    config = composed(arguments, return_hydra_config=True)
    last = str(run / "checkpoints" / "last.ckpt")
    assert (config.hydra.run.dir, config.ckpt_path, config.resume, config.seed) == (
        "/elsewhere",
        last,
        None,
        3,
    )


def test_a_run_that_saved_nothing_yet_begins_anew_in_its_directory(recorded):
    run = recorded("seed=3")
    (run / "checkpoints" / "last.ckpt").unlink()
    assert arguments_to_resume(str(run), []) == ["seed=3", f"hydra.run.dir='{run}'"]


@pytest.mark.parametrize("name", ["a b", "a=1,ü", "it's", "[x]", "#y", "1_lam=0.1", "$z", '"q"', "${seed}"])
def test_what_a_run_prints_works_when_it_is_pasted(recorded, name, monkeypatch):
    run = recorded("model.lam=0.5", name=name)
    monkeypatch.setattr(sys, "argv", ["train.py"])
    monkeypatch.chdir(run.parent)
    _, script, *arguments = shlex.split(command_to_resume(run, "seed=3"))
    config = composed(understandable(arguments), return_hydra_config=True)
    assert script == "train.py"
    assert config.hydra.run.dir == str(run) and config.resume == str(run / "checkpoints" / "last.ckpt")
    assert (config.model.lam, config.seed) == (0.5, 3)


def test_mistakes_are_told(recorded, tmp_path):
    run = recorded()
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "multirun.yaml").touch()
    (tmp_path / "lone.ckpt").touch()
    for path, said in (
        (tmp_path / "nothing", "there is nothing at"),
        (tmp_path / "sweep", "is a sweep: give its own command again"),
        (tmp_path / "lone.ckpt", "does not lie in the directory of a run"),
        (run / "checkpoints", "holds no run"),
        (run / "checkpoints" / "bets.ckpt", "there is no checkpoint"),
    ):
        with pytest.raises(FileNotFoundError, match=said):
            arguments_to_resume(str(path), [])
    (run / ".hydra" / "config.yaml").write_text("{")
    with pytest.raises(ValueError, match=r"resume: '.*config\.yaml' is damaged"):
        arguments_to_resume(str(run), [])
    with pytest.raises(ValueError, match="resume= takes the configuration of its run: leave out -m"):
        understandable(["-m", "resume=x", "seed=1,2"])


def test_a_run_goes_on_in_its_directory_and_lists_what_is_other(train, capsys):
    directory = train("model.hidden=[8]", "trainer.max_epochs=1", "probe.enabled=false", "logger=none")
    first = torch.load(directory / "checkpoints" / "last.ckpt", weights_only=True)
    # The fixture names the directory itself.
    *arguments, where = understandable([f"resume={directory}", "trainer.max_epochs=2", "optimizer.lr=0.002"])
    assert where == f"hydra.run.dir='{directory}'"
    assert train(*arguments) == directory
    last = torch.load(directory / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["global_step"] == 2 * first["global_step"]
    assert json.loads((directory / "metrics.json").read_text())["epochs"] == 2
    told = [line for line in capsys.readouterr().out.splitlines() if "→" in line]
    assert sorted(told) == [
        "Goes on with another optimizer.lr: 0.001 → 0.002",
        "Goes on with another trainer.max_epochs: 1 → 2",
    ]
    typed = yaml.safe_load((directory / ".hydra" / "overrides.yaml").read_text())
    assert typed.count("trainer.max_epochs=2") == 1 and "trainer.max_epochs=1" not in typed
    assert {"model.hidden=[8]", "optimizer.lr=0.002"} < set(typed)
    config = OmegaConf.load(directory / ".hydra" / "config.yaml")
    assert (config.model.hidden, config.trainer.max_epochs, config.get("resume")) == ([8], 2, None)
