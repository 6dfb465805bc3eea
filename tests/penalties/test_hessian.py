import math

import pytest
import torch
from torch import nn

from contractive.penalties import hessian_penalty
from tests.penalties.dense import assert_close, batch, dense_jacobian, mlp


def dense_hessian_penalty(encoder, x, noise, sigma):
    """``(batch,)`` for the ``ε`` given, ``(samples, *x.shape)``."""
    at_x = dense_jacobian(encoder, x)
    terms = [(at_x - dense_jacobian(encoder, x + shift)).square().sum((1, 2)) for shift in noise]
    return torch.stack(terms).mean(0) / sigma**2


def drawn_noise(x, sigma, samples, seed):
    """What a generator of this seed gives the first time it is asked."""
    generator = torch.Generator().manual_seed(seed)
    return sigma * torch.randn(samples, *x.shape, dtype=x.dtype, generator=generator)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "gelu", "softplus"])
@pytest.mark.parametrize("method", ["auto", "closed_form"])
def test_one_layer_agrees_with_the_dense_computation(activation, method):
    torch.manual_seed(0)
    encoder, x = mlp([6, 4], activation), batch(3, 2, 3)
    generator = torch.Generator().manual_seed(5)
    ours = hessian_penalty(encoder, x, method, sigma=0.2, samples=3, generator=generator)
    theirs = dense_hessian_penalty(encoder, x, drawn_noise(x, 0.2, 3, seed=5), 0.2)
    assert_close(ours, theirs)
    leaves = [x, *encoder.parameters()]
    assert_close(torch.autograd.grad(ours.sum(), leaves), torch.autograd.grad(theirs.sum(), leaves))


class Wave(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = mlp([6, 5, 4], "tanh")

    def forward(self, x):
        return torch.sin(self.inner(x))


@pytest.mark.parametrize("encoder", [lambda: mlp([6, 5, 4], "tanh"), Wave], ids=["layers", "module"])
def test_random_directions_are_unbiased_for_the_noise_drawn(encoder):
    torch.manual_seed(0)
    encoder, x = encoder(), batch(1, 6)
    # The same point many times over, so that one call gives many draws.
    many = x.detach().expand(6000, 6)
    sigma = 0.3
    generator = torch.Generator().manual_seed(1)
    draws = hessian_penalty(
        encoder, many, "hutchinson", sigma=sigma, samples=2, probes=2, generator=generator
    )
    noise = drawn_noise(many, sigma, 2, seed=1)
    exact = torch.stack(
        [
            (dense_jacobian(encoder, x) - dense_jacobian(encoder, x + n)).square().sum()
            for n in noise[:, :400].flatten(0, 1)
        ]
    ).view(2, 400)
    difference = draws[:400] - exact.mean(0) / sigma**2
    assert difference.std() > 0
    assert difference.mean().abs() < 4 * difference.std() / math.sqrt(400)


def test_it_tends_to_the_squared_norm_of_all_second_derivatives():
    torch.manual_seed(0)
    encoder, x = mlp([3, 4], "tanh"), batch(1, 3)
    hessian = torch.func.jacfwd(torch.func.jacrev(lambda one: encoder(one[None])[0]))(x[0])
    generator = torch.Generator().manual_seed(0)
    draws = hessian_penalty(encoder, x.expand(20_000, 3), sigma=1e-3, generator=generator)
    error = draws.std() / math.sqrt(len(draws))
    assert (draws.mean() - hessian.square().sum()).abs() < 4 * error + 1e-4


def test_a_convolutional_encoder():
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Conv2d(1, 3, 3, 2), nn.SiLU(), nn.Flatten(), nn.Linear(12, 2)).double()
    penalty = hessian_penalty(encoder, batch(4, 1, 5, 5))
    assert penalty.shape == (4,)
    penalty.sum().backward()
    assert encoder[0].weight.grad.abs().sum() > 0


def test_dropout_drops_the_same_units_at_both_points():
    """A linear encoder has no curvature, unless different units are dropped."""
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Linear(5, 20), nn.Dropout(0.5), nn.Linear(20, 3)).double()
    assert hessian_penalty(encoder, batch(4, 5)).abs().max() < 1e-20


@pytest.mark.parametrize(
    "encoder",
    [lambda: mlp([64, 48]), lambda: mlp([64, 56, 48]), lambda: nn.Sequential(mlp([64, 48]), nn.Softmax(1))],
    ids=["one layer", "layers", "module"],
)
def test_under_autocast_a_small_difference_is_not_lost_in_rounding(encoder):
    torch.manual_seed(0)
    encoder, x = encoder().float(), torch.randn(8, 64)

    def penalty():
        return hessian_penalty(encoder, x, sigma=0.01, generator=torch.Generator().manual_seed(0))

    exact = penalty()
    with torch.autocast("cpu", torch.bfloat16):
        ours = penalty()
        half = hessian_penalty(encoder[:2], x.bfloat16()) if len(encoder) == 3 else None
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours, exact, rtol=1e-3, atol=0)
    assert half is None or half.isfinite().all()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"sigma": 0}, "sigma must be a finite number > 0; got 0"),
        ({"sigma": [1]}, r"sigma must be a finite number > 0; got \[1\]"),
        ({"samples": 0}, "samples must be an integer >= 1; got 0"),
        ({"probes": 0}, "probes must be an integer"),
        ({"method": "layerwise"}, "method must be one of auto, closed_form, hutchinson"),
        ({"method": "closed_form"}, "one linear layer"),
    ],
)
def test_mistakes(settings, words):
    with pytest.raises(ValueError, match=words):
        hessian_penalty(mlp([4, 3, 2]), batch(2, 4), **settings)
