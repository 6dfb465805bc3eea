import pytest

from contractive.penalties.settings import METHODS, penalty_settings
from contractive.settings import choices


@pytest.mark.parametrize("method", choices(METHODS))
def test_every_method_is_valid_without_options(method):
    penalty_settings(method)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"method": "hutchinsen"}, ["method must be one of", "closed_form", "did you mean hutchinson"]),
        ({"method": None}, ["method must be one of"]),
        ({"method": "hutchinson", "probes": 0}, ["probes", ">= 1", "got 0"]),
        ({"method": "hutchinson", "probes": True}, ["probes", "got True"]),
        ({"method": "hutchinson", "probes": 1.5}, ["probes", "got 1.5"]),
        ({"method": "hutchinson", "fraction": 0}, ["fraction", "<= 1", "got 0"]),
        ({"method": "hutchinson", "fraction": 1.1}, ["fraction", "got 1.1"]),
        ({"method": "hutchinson", "fraction": float("nan")}, ["fraction", "got nan"]),
        ({"method": "hutchinson", "side": "left"}, ["side must be one of auto, input, code"]),
        ({"method": "hutchinson", "distribution": "normal"}, ["distribution must be one of", "gaussian"]),
        ({"method": "finite_difference", "sigma": -1}, ["sigma", "> 0", "got -1"]),
        ({"method": "finite_difference", "sigma": "abc"}, ["sigma", "got 'abc'"]),
        ({"method": "closed_form", "probes": 2}, ["probes is not an option of closed_form", "no options"]),
        ({"method": "hutchinson", "probe": 2}, ["probe is not an option", "did you mean probes"]),
    ],
)
def test_a_mistake_is_told_in_one_line_that_names_the_setting(settings, words):
    with pytest.raises(ValueError) as error:  # noqa: PT011  (the message is checked below)
        penalty_settings(**settings)
    message = str(error.value)
    assert "\n" not in message
    for word in words:
        assert word in message
