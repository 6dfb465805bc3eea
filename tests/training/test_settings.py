"""Checks of a model's settings."""

import math

import pytest

from contractive.training.settings import Model

GOOD = {
    "hidden": [8],
    "channels": [],
    "activation": "sigmoid",
    "tied": True,
    "reconstruction": "squared_error",
    "lam": 0.1,
    "lam_warmup_epochs": 0,
    "lam_hessian": 0,
    "hessian": {},
    "corruption": {},
    "penalty": {},
}


def test_good_settings_pass():
    Model.of(GOOD)
    Model.of(GOOD | {"hidden": (512, 64), "channels": [16], "lam": 0})


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("lam", -1, "lam must be a finite number >= 0; got -1"),
        ("lam", math.nan, "lam must be a finite number >= 0; got nan"),
        ("lam", math.inf, "got inf"),
        ("lam", "abc", "got 'abc'"),
        ("lam", True, "got True"),
        ("hidden", [], "hidden must be a list of sizes"),
        ("hidden", 512, r"hidden must be a list of sizes, such as \[512,64\]; got 512"),
        ("hidden", [512, 0], "hidden must hold integers >= 1; got 0 in"),
        ("hidden", [2.5], "got 2.5"),
        ("activation", "sigmod", "got 'sigmod'; did you mean sigmoid?"),
        ("activation", None, "activation must be one of sigmoid, tanh"),
        ("tied", "yes", "tied must be true or false; got 'yes'"),
        ("reconstruction", "mse", "reconstruction must be one of squared_error, cross_entropy"),
        ("lam_hessian", -1, "lam_hessian must be a finite number >= 0; got -1"),
        ("hessian", {"samples": 0}, r"hessian\.samples must be an integer >= 1; got 0"),
        ("penalty", {"method": "hutchinson", "probes": 0}, r"penalty\.probes must be an integer >= 1; got 0"),
        ("penalty", {"method": "hutch"}, r"penalty\.method must be one of"),
        ("corruption", {"kind": "masking", "amount": 2}, r"corruption\.amount must be .*; got 2"),
        ("corruption", {"kind": "masking", "amout": 2}, r"corruption\.amout: there is no such setting"),
        ("lam_warmup_epochs", -1, "lam_warmup_epochs must be an integer >= 0; got -1"),
    ],
)
def test_a_bad_setting_is_named_with_its_value(name, value, said):
    with pytest.raises(ValueError, match=said):
        Model.of(GOOD | {name: value})
