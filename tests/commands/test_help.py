"""What --help shows."""

from dataclasses import fields

import pytest

from contractive.commands.explain import groups
from contractive.commands.help import print_help
from contractive.commands.schemas import SCHEMAS, register

register()


@pytest.fixture
def shown(capsys):
    def shown(*arguments):
        print_help(list(arguments))
        return capsys.readouterr().out

    return shown


@pytest.mark.parametrize(
    "arguments", [(), ("data=table",), ("data=array", "optimizer=sgd", "scheduler=cosine")]
)
def test_every_line_fits_a_terminal_and_nothing_of_hydra_shows(shown, arguments):
    text = shown(*arguments, "--help")
    assert max(map(len, text.splitlines())) <= 80
    for plumbing in ("_target_", "${", "hydra:", "hydra.runtime", "hydra.launcher"):
        assert plumbing not in text


def test_every_setting_has_its_value_and_its_line(shown):
    text = shown("-h")
    words = " ".join(text.split())
    for name, prefix in (("run", ""), ("model", "model."), ("data/digits", "data."), ("trainer", "trainer.")):
        for field in fields(SCHEMAS[name]):
            if "build" not in field.metadata:
                assert f"  {prefix}{field.name}=" in text
                assert field.metadata["help"] in words
    assert "  model.hidden=[256]  " in text
    assert "  model.lam=0.1  " in text
    assert "  ckpt_path=null  " in text
    assert "  model.tied=true  " in text


def test_it_is_about_what_the_other_arguments_choose(shown):
    assert "data.drop_constant" not in shown("--help")
    text = shown("data=table", "model.lam=3", "optimizer=sgd", "model/penalty=hutchinson", "--help")
    assert "  data.drop_constant=false" in text
    assert "  model.lam=3  " in text
    assert "  optimizer.momentum=0.9 " in text and "argument of SGD" in text
    assert "  model.penalty.distribution=rademacher\n" in text
    assert "(rademacher, gaussian, orthogonal)" in " ".join(text.split())


def test_every_group_is_shown_with_what_is_chosen_and_all_there_is(shown):
    words = " ".join(shown("model=deep", "--help").split())
    for group, names in groups().items():
        assert f" {group}=" in words
        assert " ".join(names) in words
    assert "model=deep" in words and "experiment=null" in words


def test_the_configuration_of_another_run_has_its_help_too(shown, tmp_path):
    (tmp_path / "config.yaml").write_text("seed: 7\nmodel:\n  lam: 0.5\n")
    text = shown("--help", "-cp", str(tmp_path), "-cn", "config", "model.lam=0.25")
    assert "  seed=7  " in text and "  model.lam=0.25  " in text
