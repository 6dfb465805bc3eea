"""Every diagnostic against the dense Jacobian or a value known by hand."""

import math

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from contractive.diagnostics import (
    contraction_ratio,
    corrupted_reconstructions,
    dead_units,
    effective_rank,
    jacobian_norms,
    jacobians,
    nearest_neighbours,
    saturation,
    singular_values,
    tangent_walk,
    tangents,
)

ENCODERS = {
    "one layer, wide input": nn.Sequential(nn.Linear(12, 5), nn.Sigmoid()),
    "one layer, wide code": nn.Sequential(nn.Linear(12, 20), nn.Tanh()),
    "two layers": nn.Sequential(nn.Flatten(), nn.Linear(12, 9), nn.ReLU(), nn.Linear(9, 6), nn.Softplus()),
    "three layers, wide code": nn.Sequential(
        nn.Linear(12, 9), nn.SiLU(), nn.Linear(9, 6), nn.Sigmoid(), nn.Linear(6, 14), nn.Tanh()
    ),
    "normalised, wide input": nn.Sequential(nn.Linear(12, 7), nn.LayerNorm(7), nn.GELU()),
    "normalised, wide code": nn.Sequential(nn.Linear(12, 15), nn.LayerNorm(15), nn.Tanh()),
}


@pytest.fixture(params=ENCODERS, ids=lambda name: name.replace(" ", "-").replace(",", ""))
def encoder(request):
    torch.manual_seed(0)
    module = ENCODERS[request.param].double()
    for parameter in module.parameters():
        nn.init.normal_(parameter)
    return module


@pytest.fixture
def x():
    return torch.randn(6, 12, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def unit_vectors(x, seed=0):
    """A random direction of length one for each example."""
    noise = torch.randn(x.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(seed))
    return nn.functional.normalize(noise.flatten(1)).view_as(x)


def dense(encoder, x):
    return torch.stack(
        [torch.autograd.functional.jacobian(lambda e: encoder(e[None])[0], example) for example in x]
    )


def test_jacobians_are_those_of_autograd(encoder, x):
    torch.testing.assert_close(jacobians(encoder, x), dense(encoder, x))


def test_jacobians_of_pictures_are_flattened_in_the_order_of_the_pixels():
    torch.manual_seed(0)
    convolution = nn.Sequential(nn.Conv2d(1, 2, 3, stride=2), nn.ReLU(), nn.Flatten()).double()
    x = torch.randn(3, 1, 5, 5, dtype=torch.float64)
    torch.testing.assert_close(jacobians(convolution, x), dense(convolution, x).flatten(2))


def test_jacobians_leave_no_trace_in_the_encoder(encoder, x):
    jacobians(encoder, x)
    assert all(parameter.grad is None for parameter in encoder.parameters())


def test_singular_values_are_those_of_the_dense_jacobian(encoder, x):
    values = singular_values(encoder, x, chunk_size=4)
    torch.testing.assert_close(values, torch.linalg.svdvals(dense(encoder, x)))


@pytest.mark.parametrize("chunk_size", [1, 4, 16])
def test_no_more_jacobians_are_held_than_the_chunk_allows(x, chunk_size):
    largest = largest_storage(
        lambda: singular_values(ENCODERS["one layer, wide code"].double(), x, chunk_size)
    )
    assert largest == min(chunk_size, len(x)) * 20 * 12 * 8


def largest_storage(compute):
    """The bytes of the largest tensor that an operation returned while ``compute`` ran."""
    largest = 0

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            nonlocal largest
            result = func(*args, **(kwargs or {}))
            for tensor in result if isinstance(result, tuple | list) else (result,):
                if isinstance(tensor, torch.Tensor):
                    largest = max(largest, tensor.untyped_storage().nbytes())
            return result

    with Watch():
        compute()
    return largest


def test_singular_values_in_single_precision_reach_down_to_rounding(x):
    """Six decades: the Gram matrix in single precision would lose the last three."""
    torch.manual_seed(0)
    known = torch.logspace(0, -6, 8, dtype=torch.float64)
    left, right = (torch.linalg.qr(torch.randn(n, 8, dtype=torch.float64)).Q for n in (20, 12))
    layer = nn.Linear(12, 20, bias=False)
    layer.weight.data = ((left * known) @ right.T).float()
    values = singular_values(layer, x.float())
    torch.testing.assert_close(values[0, :8].double(), known, rtol=0.0, atol=5e-7)


@pytest.mark.parametrize("shape", [(20, 12), (12, 20)], ids=["wide code", "wide input"])
def test_singular_values_are_as_near_to_those_in_double_precision_as_is_said(shape):
    """Ten decades, the last of which a Gram matrix cannot hold."""
    torch.manual_seed(0)
    known = torch.logspace(0, -10, 12, dtype=torch.float64)
    left, right = (torch.linalg.qr(torch.randn(n, 12, dtype=torch.float64)).Q for n in shape)
    layer = nn.Linear(shape[1], shape[0], bias=False)
    layer.weight.data = ((left * known) @ right.T).float()
    expected = torch.linalg.svdvals(layer.weight.detach().double())
    for dtype, found in (
        (torch.float32, singular_values(layer, torch.rand(1, shape[1]))[0].double()),
        (torch.float64, singular_values(layer.double(), torch.rand(1, shape[1]).double())[0]),
    ):
        rounding = torch.finfo(dtype).eps * expected
        assert ((found - expected).abs() <= 1e-7 * expected[0] + rounding).all()
        said = 1e-14 * (expected[0] / expected) ** 2 * expected
        assert ((found - expected).abs() <= said + rounding)[expected > 1e-7].all()


def test_jacobian_norms_are_those_of_the_singular_values(encoder, x):
    torch.testing.assert_close(jacobian_norms(encoder, x), singular_values(encoder, x).norm(dim=1))


def test_effective_rank_is_between_one_and_the_rank(encoder, x):
    values = singular_values(encoder, x)
    rank = effective_rank(values)
    assert ((rank >= 1) & (rank <= values.shape[1])).all()
    torch.testing.assert_close(effective_rank(10 * values), rank)


def test_effective_rank_of_two_values_is_the_exponential_of_their_entropy():
    p = 0.2
    expected = math.exp(-p * math.log(p) - (1 - p) * math.log(1 - p))
    assert effective_rank(torch.tensor([4.0, 1.0])).item() == pytest.approx(expected)


def test_tangents_are_the_leading_right_singular_vectors_in_their_order(encoder, x):
    values, directions = tangents(encoder, x, 4)
    for i, matrix in enumerate(dense(encoder, x)):
        _, expected, right = torch.linalg.svd(matrix)
        torch.testing.assert_close(values[i], expected[:4], rtol=1e-7, atol=1e-6)
        # A direction to which the code hardly responds is hardly defined.
        count = int((expected[:4] > 1e-2 * expected[0]).sum())
        alignment = (directions[i, :count] @ right[:count].T).abs()
        torch.testing.assert_close(alignment, torch.eye(count, dtype=x.dtype), rtol=0, atol=1e-6)


def test_tangents_are_orthonormal(encoder, x):
    _, directions = tangents(encoder, x, 5)
    gram = directions @ directions.mT
    torch.testing.assert_close(gram, torch.eye(5, dtype=x.dtype).expand_as(gram))


def test_a_step_along_a_tangent_moves_the_code_by_its_singular_value(encoder, x):
    values, directions = tangents(encoder, x, 3)
    step = 1e-6
    for k in range(3):
        there, back = encoder(x + step * directions[:, k]), encoder(x - step * directions[:, k])
        moved = (there - back).norm(dim=1) / (2 * step)
        torch.testing.assert_close(moved.detach(), values[:, k], rtol=1e-5, atol=1e-6)


def test_tangents_have_the_shape_of_pictures_and_a_settled_sign():
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(12, 5))
    _, directions = tangents(encoder, torch.rand(2, 1, 3, 4), 2)
    assert directions.shape == (2, 2, 1, 3, 4)
    flat = directions.flatten(2)
    assert (flat.amax(-1) == flat.abs().amax(-1)).all()


def test_more_tangents_than_directions_are_refused(x):
    with pytest.raises(ValueError, match=r"count must be between 1 and 5.* 5×12 .*got 6"):
        tangents(nn.Linear(12, 5).double(), x, 6)


def test_the_contraction_ratio_of_a_linear_encoder_is_the_length_of_its_image(x):
    layer = nn.Linear(12, 5).double()
    directions = unit_vectors(x)
    ratio = contraction_ratio(layer, x, directions, torch.tensor([0.1, 1.0, 30.0]).double())
    expected = (directions @ layer.weight.T).norm(dim=1).detach()
    torch.testing.assert_close(ratio, expected.expand(3, 6))


def test_the_contraction_ratio_of_an_isometry_is_one(x):
    rotation = torch.linalg.qr(torch.randn(12, 12, dtype=torch.float64)).Q
    ratio = contraction_ratio(lambda x: x @ rotation, x, unit_vectors(x), torch.tensor([0.5]).double())
    torch.testing.assert_close(ratio, torch.ones(1, 6, dtype=torch.float64))


def test_the_contraction_ratio_at_small_radii_is_the_length_of_the_jacobian_along_the_direction(encoder, x):
    directions = unit_vectors(x)
    ratio = contraction_ratio(encoder, x, directions, torch.tensor([1e-6]).double())[0]
    expected = (dense(encoder, x) @ directions[..., None]).squeeze(-1).norm(dim=1)
    torch.testing.assert_close(ratio, expected, rtol=1e-4, atol=1e-6)


def test_a_radius_of_zero_is_refused(x):
    with pytest.raises(ValueError, match=r"radii must be positive; got \[0\.0\]"):
        contraction_ratio(nn.Identity(), x, unit_vectors(x), torch.zeros(1))


def test_the_direction_and_distance_of_the_nearest_neighbour_lead_to_it(x):
    directions, distances = nearest_neighbours(x)
    for i, example in enumerate(x):
        nearest = min((other for j, other in enumerate(x) if j != i), key=lambda o: (example - o).norm())
        torch.testing.assert_close(example + distances[i] * directions[i], nearest)


def test_repeated_examples_are_no_neighbours(x):
    """In single precision too, where far from the origin a fast distance of equal points is not zero."""
    x = 100 + x.float()
    repeated = torch.cat([x, x])
    torch.testing.assert_close(nearest_neighbours(repeated)[0][:6], nearest_neighbours(x)[0])


def test_a_neighbour_needs_two_different_examples():
    with pytest.raises(ValueError, match="at least two different examples; got 3 equal ones"):
        nearest_neighbours(torch.ones(3, 2))


def test_saturation_means_the_same_for_sigmoid_and_tanh():
    a = torch.randn(50, 40, generator=torch.Generator().manual_seed(0)) * 4
    assert saturation(torch.tanh(a), bounds=(-1, 1)) == saturation(torch.sigmoid(2 * a))
    assert saturation(torch.sigmoid(a)).item() == (a.abs() > math.log(19)).float().mean().item()


def test_dead_units_are_those_that_do_not_move():
    layer = nn.Sequential(nn.Linear(2, 4), nn.ReLU())
    layer[0].weight.data[:] = 1.0
    layer[0].bias.data = torch.tensor([0.0, 1.0, -100.0, 0.0])
    layer[0].weight.data[3] = 0.0
    assert dead_units(layer(torch.rand(30, 2))).item() == 0.5


def test_a_tangent_walk_decodes_points_on_a_line():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1))
    x = torch.rand(2, 1, 4, 4)
    directions = unit_vectors(torch.rand(6, 1, 4, 4)).view(2, 3, 1, 4, 4)
    distances = torch.tensor([-2.0, 0.0, 1.5])
    walk = tangent_walk(model, x, directions, distances)
    assert walk.shape == (2, 3, 3, 1, 4, 4)
    torch.testing.assert_close(walk[1, 2, 2], model(x[1] + 1.5 * directions[1, 2]).detach())
    torch.testing.assert_close(walk[:, 0, 1], model(x).detach())


def test_corrupted_inputs_stand_beside_their_reconstructions():
    x = torch.rand(500, 1, 2, 2)
    pairs = corrupted_reconstructions(torch.neg, x, [("gaussian", 0.3), ("masking", 0.25)], seed=0)
    assert pairs.shape == (2, 2, 500, 1, 2, 2)
    torch.testing.assert_close(pairs[:, 1], -pairs[:, 0])
    assert (pairs[0, 0] - x).std().item() == pytest.approx(0.3, rel=0.1)
    assert (pairs[1, 0] == 0).float().mean().item() == pytest.approx(0.25, abs=0.05)
    again = corrupted_reconstructions(torch.neg, x, [("gaussian", 0.3)], seed=0)
    torch.testing.assert_close(again[0], pairs[0], rtol=0, atol=0)
