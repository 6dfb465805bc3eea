"""Mistakes on the command line, told in one line."""

import pytest
from hydra import compose, initialize_config_dir

from contractive.commands.explain import explain
from contractive.commands.train import CONFIG_DIR


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
        ("model.hidden=[1", "write KEY=VALUE"),
    ],
)
def test_a_mistake_is_told_in_one_line_with_the_nearest_thing_that_exists(override, said):
    hydra = initialize_config_dir(str(CONFIG_DIR), version_base="1.3")
    with hydra, pytest.raises(Exception, match=r"(?s).*") as caught:
        compose("config", overrides=[override])
    line = explain(caught.value, CONFIG_DIR)
    assert said in line
    assert "\n" not in line
