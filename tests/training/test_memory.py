"""Whether a run fits into memory."""

import pytest

from contractive.training import memory
from contractive.training.memory import check_memory, check_tangents


@pytest.fixture(autouse=True)
def a_gibibyte(monkeypatch):
    monkeypatch.setattr(memory, "_free", lambda: 2**30)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)


# 99 inputs and a bias: a unit takes 400 bytes, four times that with Adam.
FITS = 2**30 // 1600


def test_weights_gradients_and_what_adam_keeps_have_to_fit():
    check_memory((99,), 1, {"hidden": [FITS]}, "Adam")
    said = rf"model\.hidden=\[{FITS + 1}\]: the weights, with .* take 1 GiB, and 1 GiB of memory are free"
    with pytest.raises(ValueError, match=said):
        check_memory((99,), 1, {"hidden": [FITS + 1]}, "Adam")
    check_memory((99,), 1, {"hidden": [2 * FITS]}, "SGD")
    with pytest.raises(ValueError, match=r"model\.hidden="):
        check_memory((99,), 1, {"hidden": [FITS], "tied": False}, "Adam")


def test_directions_have_to_fit():
    model = {"hidden": [28], "penalty": {"probes": 2**17}}  # 128 numbers each
    check_memory((100,), 16, model, "Adam")
    with pytest.raises(
        ValueError, match=r"model\.penalty\.probes=131072: the directions for a batch of 17 take"
    ):
        check_memory((100,), 17, model, "Adam")
    model = {"hidden": [28], "hessian": {"samples": 2**17}}
    check_memory((100,), 17, model, "Adam")
    with pytest.raises(ValueError, match=r"model\.hessian\.samples=131072: "):
        check_memory((100,), 17, model | {"lam_hessian": 0.1}, "Adam")


def test_where_nobody_knows_how_much_there_is_nothing_is_said(monkeypatch):
    monkeypatch.setattr(memory, "_free", lambda: None)
    check_memory((99,), 1, {"hidden": [10**9]}, "Adam")


def test_tangents_that_are_kept_have_to_fit():
    check_tangents(8, 2**16, (1, 32, 32), processes=1)  # two bytes a number
    said = r"head\.tangents=8: the tangents of 65537 examples take 1 GiB, .* head\.keep_tangents=false"
    with pytest.raises(ValueError, match=said):
        check_tangents(8, 2**16 + 1, (1, 32, 32), processes=1)
    with pytest.raises(ValueError, match=r"in each of 2 processes take 2 GiB, and 1 GiB"):
        check_tangents(8, 2**16, (1, 32, 32), processes=2)
