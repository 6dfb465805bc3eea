"""Mistakes on the command line, told in one line."""

import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import ConfigCompositionException

from contractive.commands.explain import explain
from contractive.commands.schemas import CONFIG_DIR, register

register()


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("model.lamb=1", "there is no setting 'model.lamb'; did you mean model.lam?"),
        ("modle.lam=1", "there is no setting 'modle.lam'; did you mean model.lam?"),
        ("max_epochs=3", "there is no setting 'max_epochs'; did you mean trainer.max_epochs?"),
        ("dta=mnist", "there is no setting 'dta'; did you mean data?"),
        ("data=mnits", "data=mnits does not exist: data is one of "),
        ("data=mnits", "did you mean mnist?"),
        ("lam=1e-3", "a setting a number (such as model.lam=1e-3)"),
        ("lam=papr", "did you mean paper?"),
        ("model.penalty.fraction=0.5", "model.penalty.fraction belongs to model/penalty=hutchinson"),
        ("+model.lam=1", "model.lam exists already: write model.lam=VALUE, without the +"),
        ("model.lam", "write KEY=VALUE"),
        ("model.lam=abc", "model.lam must be a number; got 'abc'"),
        ("model.lam=null", "model.lam must be a number; got null"),
        ("model.lam=true", "model.lam must be a number; got True"),
        ("model.hidden=512", "model.hidden must be a list in brackets, such as [512,64]; got 512"),
        ("model.hidden=[8,a]", "model.hidden[1] must be an integer; got 'a'"),
        ("model.tied=maybe", "model.tied must be true or false; got 'maybe'"),
        ("model.penalty=3", "model.penalty must be a group of settings"),
        ("model.penalty.probes=1.5", "model.penalty.probes must be an integer; got 1.5"),
        ("trainer.max_epochs=1.5", "trainer.max_epochs must be an integer; got 1.5"),
        ("trainer.gradient_clip_val=x", "trainer.gradient_clip_val must be a number; got 'x'"),
        ("seed=x", "seed must be an integer; got 'x'"),
        ("model.seed=3", "there is no setting 'model.seed'; did you mean seed?"),
        ("trainer=", "trainer= does not exist: trainer is one of cpu"),
        ("trainer.max_epoch=3", "did you mean trainer.max_epochs?"),
        ("optimizer.momentum=0.5", "of the class itself takes a +: +optimizer.momentum=VALUE"),
        (
            "model.corruption.amount=0.5",
            "amount belongs to model/corruption: choose that too",
        ),
        ("model.hidden=[1", "write KEY=VALUE"),
        ("data.label=x (cm)", """data.label: 'x (cm)' needs quotes: write 'data.label="x (cm)"'"""),
        ("+data.labl=a=b", """data.labl: 'a=b' needs quotes: write '+data.labl="a=b"'"""),
    ],
)
def test_a_mistake_is_told_in_one_line_with_the_nearest_thing_that_exists(override, said):
    hydra = initialize_config_dir(str(CONFIG_DIR), version_base="1.3")
    with hydra, pytest.raises(Exception, match=r"(?s).*") as caught:
        compose("config", overrides=[override])
    line = explain(caught.value)
    assert said in line
    assert "\n" not in line


def test_what_was_raised_without_words_is_told_by_its_cause():
    error = ConfigCompositionException()
    error.__cause__ = ValueError("what went wrong")
    assert explain(error) == "what went wrong"
