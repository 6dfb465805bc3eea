import math

import pytest
import torch
from torch import nn

from contractive.penalties import contraction_penalty
from contractive.penalties.directions import random_directions
from tests.penalties.dense import assert_close, batch, dense_jacobian, dense_penalty, mlp


class Wave(nn.Module):
    """An encoder that is not recognised by its layers."""

    def __init__(self):
        super().__init__()
        self.inner = mlp([6, 5, 4], "tanh")

    def forward(self, x):
        return torch.sin(self.inner(x))


def estimates(encoder, x, draws, method, **options):
    """The penalty of every draw ``(draws, batch)``, and its gradient in the first weight."""
    generator = torch.Generator().manual_seed(0)
    weight = next(encoder.parameters())
    values, gradients = [], []
    for _ in range(draws):
        _, penalty = contraction_penalty(encoder, x, method, generator=generator, **options)
        values.append(penalty.detach())
        gradients.append(torch.autograd.grad(penalty.sum(), weight)[0])
    return torch.stack(values), torch.stack(gradients)


def assert_unbiased(samples, exact, bias=0.0):
    """Within four standard errors, entry by entry."""
    error = samples.std(0) / math.sqrt(len(samples))
    assert torch.all((samples.mean(0) - exact).abs() <= 4 * error + bias + 1e-12)


@pytest.mark.parametrize("encoder", [lambda: mlp([6, 5, 4], "tanh"), Wave], ids=["layers", "module"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"probes": 3},
        {"distribution": "gaussian"},
        {"distribution": "orthogonal", "probes": 2},
        {"side": "code"},
        {"side": "input"},
        {"side": "code", "distribution": "orthogonal", "probes": 2},
        {"fraction": 0.4},
        {"fraction": 0.4, "side": "code", "probes": 2},
    ],
    ids=str,
)
def test_hutchinson_is_unbiased_in_value_and_gradient(encoder, options):
    torch.manual_seed(1)
    encoder, x = encoder(), batch(5, 6)
    exact = dense_penalty(encoder, x)
    values, gradients = estimates(encoder, x, 300, "hutchinson", **options)
    assert values.std(0).max() > 0
    assert_unbiased(values, exact.detach())
    assert_unbiased(gradients, torch.autograd.grad(exact.sum(), next(encoder.parameters()))[0])


@pytest.mark.parametrize("encoder", [lambda: mlp([6, 5, 4], "tanh"), Wave], ids=["layers", "module"])
@pytest.mark.parametrize(("side", "size"), [("input", 6), ("code", 4)])
def test_as_many_orthogonal_probes_as_dimensions_are_exact(encoder, side, size):
    torch.manual_seed(1)
    encoder, x = encoder(), batch(5, 6)
    _, penalty = contraction_penalty(
        encoder, x, "hutchinson", side=side, distribution="orthogonal", probes=size
    )
    assert_close(penalty, dense_penalty(encoder, x))
    leaves = [x, *encoder.parameters()]
    assert_close(
        torch.autograd.grad(penalty.sum(), leaves),
        torch.autograd.grad(dense_penalty(encoder, x).sum(), leaves),
    )


def test_the_variance_of_one_rademacher_probe_is_as_documented():
    torch.manual_seed(1)
    encoder, x = mlp([6, 5, 4], "tanh"), batch(1, 6)
    values, _ = estimates(encoder, x, 2000, "hutchinson")
    jacobian = dense_jacobian(encoder, x)[0]
    gram = jacobian.T @ jacobian
    variance = 2 * (gram.square().sum() - gram.diagonal().square().sum())
    torch.testing.assert_close(values.var(), variance.detach(), rtol=0.15, atol=0)


def test_a_fraction_of_the_batch_leaves_the_others_at_zero_and_the_code_whole():
    torch.manual_seed(1)
    x = batch(10, 6)
    for encoder in (mlp([6, 5, 4], "tanh"), Wave()):
        code, penalty = contraction_penalty(encoder, x, "hutchinson", fraction=0.3)
        assert (penalty > 0).sum() == 3
        assert_close(code, encoder(x))


def test_finite_differences_have_the_documented_bias():
    """f_j = exp(c_j·x): derivatives of any order are known, ``H = f c cᵀ``, ``Δf = ‖c‖² f``."""
    c = torch.tensor([[0.8, -0.5], [0.3, 0.9]], dtype=torch.double)
    encoder = nn.Linear(2, 2, bias=False).double()
    encoder.weight.data = c
    x, sigma, draws = torch.tensor([[0.2, -0.4]], dtype=torch.double), 0.3, 200_000

    def wave(x):
        return torch.exp(encoder(x))

    generator = torch.Generator().manual_seed(0)
    samples = contraction_penalty(
        wave, x.expand(draws, 2), "finite_difference", sigma=sigma, generator=generator
    )[1]
    f, norm = wave(x)[0], c.square().sum(1)
    exact = (f.square() * norm).sum()
    bias = sigma**2 * (0.25 * 3 + 1) * (f * norm).square().sum()
    error = samples.std() / math.sqrt(draws)
    # What is left is of order σ⁴.
    assert abs(samples.mean() - exact - bias) < 4 * error + 2 * sigma**4 * exact
    assert bias > 8 * error


def test_finite_differences_of_an_affine_encoder_are_unbiased():
    torch.manual_seed(1)
    encoder, x = mlp([4, 3], "identity"), batch(3, 4)
    exact = dense_penalty(encoder, x)
    values, gradients = estimates(encoder, x, 300, "finite_difference", sigma=0.5, probes=2)
    assert_unbiased(values, exact.detach())
    assert_unbiased(gradients, torch.autograd.grad(exact.sum(), encoder[1].weight)[0])


@pytest.mark.parametrize("method", ["hutchinson", "finite_difference", "auto"])
def test_the_generator_decides_the_draw(method):
    torch.manual_seed(1)
    encoder, x = mlp([40, 30, 20], "tanh"), batch(3, 40)

    options = {"max_ratio": 1.0} if method == "auto" else {}

    def draw(seed):
        generator = torch.Generator().manual_seed(seed)
        return contraction_penalty(encoder, x, method, generator=generator, **options)[1]

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))


@pytest.mark.parametrize("distribution", ["rademacher", "gaussian", "orthogonal"])
def test_directions_have_the_identity_as_covariance(distribution):
    generator = torch.Generator().manual_seed(0)
    v = random_directions(2, torch.zeros(30_000, 3, dtype=torch.double), distribution, generator).flatten(
        0, 1
    )
    torch.testing.assert_close(v.T @ v / len(v), torch.eye(3, dtype=torch.double), rtol=0, atol=0.03)


def test_orthogonal_directions_of_an_example_are_perpendicular():
    v = random_directions(3, torch.zeros(4, 2, 3, dtype=torch.double), "orthogonal").flatten(2)
    products = torch.einsum("kbi,lbi->bkl", v, v)
    assert_close(products, 6 * torch.eye(3, dtype=torch.double).expand(4, 3, 3))
