import logging

import pytest
import torch
from torch import nn

from contractive.jacobian.linearise import tell_once
from contractive.jacobian.structure import layers
from contractive.penalties import contraction_penalty
from contractive.penalties.cost import Count, work_of
from tests.penalties.dense import assert_close, batch, dense_penalty, mlp


def chosen(encoder, x, caplog, **options):
    """What the log says was chosen."""
    tell_once.cache_clear()
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="contractive"):
        for _ in range(3):
            contraction_penalty(encoder, x, "auto", **options)
    assert len(caplog.messages) == 1
    return caplog.messages[0]


class Unknown(nn.Module):
    def __init__(self, input_size, code_size):
        super().__init__()
        self.linear = nn.Linear(input_size, code_size)

    def forward(self, x):
        return self.linear(x).sin()


SMALL_CONVOLUTION = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(18, 3)).double()


@pytest.mark.parametrize(
    ("encoder", "shape", "options", "choice"),
    [
        (mlp([40, 30]), (2, 40), {}, "closed_form"),
        (mlp([40, 30]), (2, 40), {"max_ratio": 1.0}, "closed_form"),  # adds no more than an estimate
        (mlp([40, 10, 2]), (2, 40), {}, "layerwise"),
        (mlp([784, 512, 256]), (64, 784), {}, "hutchinson"),
        (mlp([784, 512, 16]), (64, 784), {"max_ratio": 100.0}, "layerwise"),
        (Unknown(6, 3).double(), (2, 6), {}, "autodiff"),
        (Unknown(500, 400).double(), (50, 500), {}, "hutchinson"),
        (SMALL_CONVOLUTION, (2, 1, 5, 5), {}, "autodiff"),
        (nn.Conv2d(1, 8, 3).double(), (16, 1, 28, 28), {}, "hutchinson"),
        # Where everything is small, multiplications cost nothing beside the step itself.
        (mlp([13, 20, 6, 11]), (6, 13), {}, "layerwise"),
        (Unknown(6, 5).double(), (6, 6), {}, "autodiff"),
        (nn.Sequential(nn.Linear(13, 9), nn.Hardswish()).double(), (6, 13), {}, "closed_form"),
    ],
)
def test_the_choice_is_the_cheapest_exact_method_while_it_is_cheap(encoder, shape, options, choice, caplog):
    message = chosen(encoder, batch(*shape), caplog, **options)
    assert message.startswith(f"penalty by {choice}")
    assert "plain steps" in message


def test_what_it_chooses_as_exact_is_exact():
    torch.manual_seed(0)
    for encoder, shape in [(mlp([40, 10, 2]), (2, 40)), (Unknown(6, 3).double(), (2, 6))]:
        x = batch(*shape)
        assert_close(contraction_penalty(encoder, x)[1], dense_penalty(encoder, x))


@pytest.mark.parametrize(
    ("encoder", "shape", "method"),
    [
        (mlp([5, 4]), (3, 5), "closed_form"),
        (mlp([784, 512, 256]), (2, 784), "layerwise"),
        (SMALL_CONVOLUTION, (2, 1, 5, 5), "autodiff"),
        (Unknown(6, 3).double(), (2, 6), "autodiff"),
    ],
)
def test_exact_is_the_cheapest_exact_method_whatever_it_costs(encoder, shape, method):
    x = batch(*shape)
    ours, theirs = (contraction_penalty(encoder, x, name)[1] for name in ("exact", method))
    assert torch.equal(ours, theirs)


def test_the_work_of_a_stack_is_what_its_operations_do():
    """Multiplications counted by hand: of matrices, and of each kernel at each place."""
    encoder = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(27, 4))
    x = torch.zeros(5, 2, 5, 5)
    by_hand = 5 * (3 * 2 * 9 * 9 + 27 * 4)
    assert work_of(layers(encoder, x), x).multiplications == by_hand
    with Count() as count:
        encoder(x)
    assert count.work.multiplications == by_hand
