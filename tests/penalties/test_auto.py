import logging

import pytest
import torch
from torch import nn

from contractive.jacobian import notices
from contractive.penalties import contraction_penalty
from tests.penalties.dense import assert_close, batch, dense_penalty, mlp


def chosen(encoder, x, caplog, monkeypatch, **options):
    """What the log says was chosen."""
    monkeypatch.setattr(notices, "_TOLD", set())
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="contractive"):
        for _ in range(3):
            contraction_penalty(encoder, x, "auto", **options)
    assert len(caplog.messages) == 1
    return caplog.messages[0]


class Unknown(nn.Module):
    def __init__(self, code_size):
        super().__init__()
        self.linear = nn.Linear(6, code_size)

    def forward(self, x):
        return self.linear(x).sin()


SMALL_CONVOLUTION = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(18, 3)).double()


@pytest.mark.parametrize(
    ("encoder", "shape", "options", "choice"),
    [
        (mlp([40, 30]), (2, 40), {}, "closed_form"),
        (mlp([40, 10, 2]), (2, 40), {}, "layerwise"),
        (mlp([40, 30, 20]), (2, 40), {}, "hutchinson"),
        (mlp([40, 30, 20]), (2, 40), {"max_ratio": 100.0}, "layerwise"),
        (Unknown(3).double(), (2, 6), {}, "autodiff"),
        (Unknown(5).double(), (2, 6), {}, "hutchinson"),
        (SMALL_CONVOLUTION, (2, 1, 5, 5), {}, "autodiff"),
        (nn.Conv2d(1, 2, 3).double(), (2, 1, 5, 5), {}, "hutchinson"),
    ],
)
def test_the_choice_is_the_cheapest_exact_method_while_it_is_cheap(
    encoder, shape, options, choice, caplog, monkeypatch
):
    message = chosen(encoder, batch(*shape), caplog, monkeypatch, **options)
    assert message.startswith(f"penalty by {choice}")
    if choice != "closed_form":
        assert "plain steps" in message


def test_what_it_chooses_as_exact_is_exact():
    torch.manual_seed(0)
    for encoder, shape in [(mlp([40, 10, 2]), (2, 40)), (Unknown(3).double(), (2, 6))]:
        x = batch(*shape)
        assert_close(contraction_penalty(encoder, x)[1], dense_penalty(encoder, x))
