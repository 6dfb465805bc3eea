"""The command line before Hydra reads it."""

import pytest
from hydra import compose, initialize_config_dir

from contractive.commands.arguments import literal, split_arguments, with_quotes
from contractive.commands.schemas import CONFIG_DIR, register

register()

NAMES = [
    "a b",
    "a=1",
    "a,b",
    "ü",
    "it's",
    'a"b',
    "[x]",
    "{y}",
    "#1",
    "$z",
    "a\\b",
    "back\\",
    "1e3",
    "007",
    "(k)",
]


def composed(*overrides):
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        return compose("config", overrides=list(overrides), return_hydra_config=True)


@pytest.mark.parametrize("name", NAMES)
def test_a_text_arrives_as_it_was_typed(name):
    path = f"/data/{name}/x"
    typed = [f"data.path={path}", f"ckpt_path={name}", f"hydra.run.dir={path}", f"data.y_key={name}"]
    config = composed("data=array", *(with_quotes(each, sweeps=False) for each in typed))
    assert (config.data.path, config.ckpt_path, config.hydra.run.dir) == (path, name, path)
    assert config.data.y_key == name


def test_what_refers_to_other_settings_still_does_unless_it_is_meant_literally():
    config = composed(
        with_quotes("hydra.run.dir=out put/${seed}", sweeps=False), f"ckpt_path={literal('${seed}')}"
    )
    assert config.hydra.run.dir == "out put/0"
    assert config.ckpt_path == "${seed}"


@pytest.mark.parametrize(
    "override",
    [
        "data.path='a,b'",
        'data.path="a b"',
        "data.path=null",
        "data.path=",
        "model.lam=1e-3",
        "data=array",
        "--help",
    ],
)
def test_what_needs_no_quotes_is_left_as_it_is(override):
    assert with_quotes(override, sweeps=False) == override


def test_in_a_sweep_a_comma_separates_texts():
    assert with_quotes("data.path=a,b", sweeps=True) == "data.path=a,b"
    assert with_quotes("data.path=a=1,b=2", sweeps=True) == "data.path=a=1,b=2"
    assert with_quotes("data.path=a=1", sweeps=True) == "data.path='a=1'"


def test_flags_stand_anywhere():
    arguments = ["a=1", "-m", "b=2", "-cp", "x=y", "c=3", "b=2"]
    assert split_arguments(arguments) == (["-m", "-cp", "x=y"], ["a=1", "b=2", "c=3", "b=2"])
