"""The tangents from products with the Jacobian, against the decomposition of the dense one."""

import pytest
import torch
from torch import nn

from contractive.diagnostics import estimated_tangents, tangents
from contractive.jacobian.linearise import Linearised
from tests.diagnostics.test_diagnostics import dense, largest_storage


class Gated(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(70, 90), nn.Linear(70, 90)

    def forward(self, x):
        return self.a(x) * self.b(x).sigmoid()


ENCODERS = {
    "one layer, wide input": lambda: nn.Sequential(nn.Linear(90, 70), nn.Sigmoid()),
    "one layer, wide code": lambda: nn.Sequential(nn.Linear(70, 90), nn.Sigmoid()),
    "two layers": lambda: nn.Sequential(
        nn.Flatten(), nn.Linear(72, 99), nn.Tanh(), nn.Linear(99, 80), nn.SiLU()
    ),
    "convolution": lambda: nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1), nn.Softplus(), nn.Flatten(), nn.Linear(216, 80), nn.Sigmoid()
    ),
    "any module": Gated,
}
SHAPES = {"one layer, wide input": (90,), "two layers": (1, 9, 8), "convolution": (1, 9, 8)}


def with_falling_spectrum(module):
    """Its weights have singular values that fall by half every three, as those of what has learnt do."""
    for weight in module.parameters():
        if weight.dim() == 2:
            u, s, v = torch.linalg.svd(weight.data, full_matrices=False)
            weight.data = (u * 0.5 ** (torch.arange(len(s), dtype=s.dtype) / 3)) @ v * 4
    return module


@pytest.fixture
def products(monkeypatch):
    """Fails where no product with the Jacobian was taken, as in the exact ones of a stack of layers."""
    taken = []
    along = Linearised.along
    monkeypatch.setattr(Linearised, "along", lambda *given: taken.append(given) or along(*given))
    yield
    assert taken


def case(name, batch=5):
    torch.manual_seed(0)
    module = with_falling_spectrum(ENCODERS[name]().double())
    return module, torch.randn(batch, *SHAPES.get(name, (70,)), dtype=torch.float64)


@pytest.mark.usefixtures("products")
@pytest.mark.parametrize("name", ENCODERS)
def test_they_are_the_leading_right_singular_vectors(name):
    encoder, x = case(name)
    values, directions = estimated_tangents(encoder, x, 4)
    assert directions.shape == (5, 4, *x.shape[1:])
    _, expected, right = torch.linalg.svd(dense(encoder, x).flatten(2))
    torch.testing.assert_close(values, expected[:, :4], rtol=1e-5, atol=0)
    alignment = (directions.flatten(2) @ right[:, :4].mT).abs()
    torch.testing.assert_close(alignment, torch.eye(4, dtype=x.dtype).expand_as(alignment), rtol=0, atol=3e-3)
    # Their signs are those of the exact ones.
    torch.testing.assert_close(directions, tangents(encoder, x, 4)[1], rtol=0, atol=3e-3)


@pytest.mark.usefixtures("products")
def test_an_example_has_the_same_in_any_batch():
    """Also where they are far from found, as with the spectrum of weights that have learnt nothing."""
    _, x = case("one layer, wide code", batch=9)
    encoder = ENCODERS["one layer, wide code"]().double()
    _, whole = estimated_tangents(encoder, x, 4)
    for batch in (x[4:5], x[2:7], x.flip(0)):
        places = [int((x == each).all(1).nonzero()) for each in batch]
        torch.testing.assert_close(estimated_tangents(encoder, batch, 4)[1], whole[places])


@pytest.mark.usefixtures("products")
@pytest.mark.parametrize("rank", [0, 1, 3, 70])
def test_a_jacobian_of_few_or_equal_directions_gives_an_orthonormal_basis(rank):
    """As many rows as the rank move the code, all by as much; whatever else there is does not."""
    layer = nn.Linear(70, 90, bias=False).double()
    layer.weight.data = torch.zeros(90, 70, dtype=torch.float64)
    layer.weight.data.diagonal()[:rank] = 0.25
    values, directions = estimated_tangents(layer, torch.randn(2, 70, dtype=torch.float64), 4)
    gram = directions @ directions.mT
    torch.testing.assert_close(gram, torch.eye(4, dtype=torch.float64).expand_as(gram))
    wanted = torch.tensor([0.25] * min(rank, 4) + [0.0] * (4 - min(rank, 4)), dtype=torch.float64)
    torch.testing.assert_close(values, wanted.expand(2, 4), rtol=1e-9, atol=1e-7)
    torch.testing.assert_close((directions @ layer.weight.T).norm(dim=2), values, rtol=1e-9, atol=1e-7)


@pytest.mark.parametrize(
    "encoder",
    [
        nn.Sequential(nn.Linear(70, 47), nn.Tanh()),  # 2 · (2 + 1) · 8 = 48
        nn.Sequential(nn.Linear(70, 90), nn.LayerNorm(90), nn.Tanh()),
    ],
    ids=["small", "without forward mode"],
)
def test_where_products_win_nothing_or_cannot_be_taken_they_are_exact(encoder):
    x = torch.randn(3, 70, dtype=torch.float64)
    values, directions = estimated_tangents(encoder.double(), x, 4)
    expected, others = tangents(encoder, x, 4)
    assert torch.equal(values, expected) and torch.equal(directions, others)


def test_more_than_there_are_directions_are_refused():
    with pytest.raises(ValueError, match=r"count must be between 1 and 70.* 90×70 .*got 71"):
        estimated_tangents(nn.Linear(70, 90), torch.rand(2, 70), 71)
    with pytest.raises(ValueError, match="got 0"):
        estimated_tangents(nn.Linear(70, 90), torch.rand(2, 70), 0)


def test_no_more_jacobians_are_held_than_the_chunk_allows():
    encoder, x = case("two layers", batch=7)
    whole, parts = tangents(encoder, x, 3), tangents(encoder, x, 3, chunk_size=2)
    for expected, found in zip(whole, parts):
        torch.testing.assert_close(found, expected)
    assert largest_storage(lambda: tangents(encoder, x, 3, chunk_size=2)) <= 2 * 99 * 80 * 8
    assert largest_storage(lambda: estimated_tangents(encoder, x, 3)) < 7 * 80 * 72 * 8
