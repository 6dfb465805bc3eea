import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from contractive.jacobian.structure import layers
from contractive.penalties import contraction_penalty
from contractive.penalties.kernels.layerwise import cheapest_order, layerwise
from tests.penalties.dense import ACTIVATIONS, assert_agrees, assert_close, batch, dense_penalty, mlp

quick = settings(max_examples=15, deadline=None, derandomize=True)


def by(method, **options):
    return lambda encoder, x: contraction_penalty(encoder, x, method, **options)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("method", ["closed_form", "autodiff"])
def test_one_layer_of_every_activation(activation, method):
    torch.manual_seed(0)
    assert_agrees(by(method), mlp([6, 5], activation), batch(4, 2, 3))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_three_layers_of_every_activation(activation):
    torch.manual_seed(0)
    assert_agrees(by("layerwise"), mlp([6, 5, 7, 3], activation), batch(4, 6))


@quick
@given(
    widths=st.lists(st.integers(1, 9), min_size=2, max_size=5),
    examples=st.integers(1, 6),
    bias=st.booleans(),
    activation=st.sampled_from(sorted(ACTIVATIONS)),
    method=st.sampled_from(["auto", "layerwise", "autodiff"]),
    seed=st.integers(0, 1000),
)
def test_any_depth_and_width(widths, examples, bias, activation, method, seed):
    torch.manual_seed(seed)
    options = {"max_ratio": 1e9} if method == "auto" else {}
    assert_agrees(by(method, **options), mlp(widths, activation, bias), batch(examples, widths[0]))


def in_order(order, memory_mib=1024):
    return lambda encoder, x: layerwise(layers(encoder, x), x, order, memory_mib)


@pytest.mark.parametrize("order", ["gram", "code", "input"])
@pytest.mark.parametrize("widths", [[7, 5, 3], [3, 9, 8, 4], [6, 8, 5, 7, 6]])
def test_each_order_of_the_product(order, widths):
    torch.manual_seed(0)
    assert_agrees(in_order(order), mlp(widths, "tanh"), batch(5, widths[0]))


@pytest.mark.parametrize(
    ("widths", "order"), [([20, 9, 2], "gram"), ([3, 50, 50, 20], "input"), ([5, 50, 9, 2], "code")]
)
def test_the_cheapest_order_depends_on_the_widths(widths, order):
    assert cheapest_order(widths)[0] == order


@pytest.mark.parametrize("order", ["gram", "code", "input"])
def test_layerwise_computes_again_what_it_has_no_memory_to_keep(order):
    torch.manual_seed(0)
    # Three chunks of 58 examples or fewer, some 4 MiB each.
    assert_agrees(in_order(order, memory_mib=1), mlp([60, 95, 90, 95], "tanh"), batch(130, 60))


def test_layerwise_adds_up_more_than_one_block_of_a_symmetric_gradient():
    torch.manual_seed(0)
    assert_agrees(by("layerwise"), mlp([300, 270, 2], "tanh"), batch(3, 300))


@pytest.mark.parametrize("method", ["closed_form", "layerwise", "autodiff", "hutchinson"])
def test_one_linear_layer_alone(method):
    torch.manual_seed(0)
    encoder, x = nn.Linear(4, 3).double(), batch(2, 4)
    if method == "hutchinson":
        _, penalty = contraction_penalty(encoder, x, method, distribution="orthogonal", probes=4)
        assert_close(penalty, dense_penalty(encoder, x))
    else:
        assert_agrees(by(method), encoder, x)


@quick
@given(
    size=st.integers(4, 7),
    channels=st.integers(1, 3),
    stride=st.integers(1, 2),
    padding=st.integers(0, 2),
    side=st.sampled_from(["auto", "code", "input"]),
    norm=st.booleans(),
)
def test_convolutions(size, channels, stride, padding, side, norm):
    torch.manual_seed(size)
    encoder = nn.Sequential(
        nn.Conv2d(channels, 4, 3, stride=stride, padding=padding),
        nn.GroupNorm(2, 4) if norm else nn.Identity(),
        nn.SiLU(),
        nn.Flatten(),
        nn.LazyLinear(3),
        nn.Sigmoid(),
    ).double()
    x = batch(3, channels, size, size)
    encoder(x)
    assert_agrees(by("autodiff", side=side), encoder, x)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.norm = nn.Linear(5, 5), nn.LayerNorm(5)

    def forward(self, x):
        return x + torch.tanh(self.norm(self.inner(x)))


def test_residual_connections_and_layer_norm():
    torch.manual_seed(0)
    # A code larger than the input, where forward mode would be cheaper.
    encoder = nn.Sequential(Residual(), Residual(), nn.Linear(5, 9)).double()
    assert_agrees(by("autodiff"), encoder, batch(4, 5))


def test_attention():
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True)
    encoder = nn.Sequential(layer, nn.Flatten(), nn.Linear(12, 2)).double()
    with sdpa_kernel(SDPBackend.MATH):  # the others have no second derivative
        assert_agrees(by("autodiff"), encoder, batch(2, 3, 4))
    contraction_penalty(encoder, batch(2, 3, 4), "autodiff")[1].sum().backward()


@pytest.mark.parametrize("side", ["code", "input"])
def test_autodiff_in_chunks(side):
    torch.manual_seed(0)
    # A direction takes some 0.1 MiB here, so 1 MiB holds a few at a time.
    assert_agrees(by("autodiff", side=side, memory_mib=1), mlp([20, 300, 19], "tanh"), batch(12, 20))


def test_a_code_that_is_not_flat_is_flattened():
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Tanh()).double()
    x = batch(3, 1, 5, 5)
    assert_agrees(by("autodiff"), encoder, x)
    code, _ = contraction_penalty(encoder, x, "hutchinson")
    assert code.shape == (3, 18)


@pytest.mark.parametrize("method", ["closed_form", "layerwise", "autodiff"])
def test_tied_weights_get_the_gradient_of_both_their_uses(method):
    torch.manual_seed(0)
    encoder = mlp([6, 4] if method == "closed_form" else [6, 5, 4])
    x = batch(3, 6)
    first = encoder[1].weight

    def loss(code, penalty):
        reconstruction = code @ torch.linalg.multi_dot(
            [m.weight for m in reversed(encoder[1::2])] + [torch.eye(6).double()]
        )
        return (reconstruction - x).square().sum() + 0.3 * penalty.sum()

    ours = torch.autograd.grad(loss(*contraction_penalty(encoder, x, method)), [first, x])
    theirs = torch.autograd.grad(loss(encoder(x), dense_penalty(encoder, x)), [first, x])
    assert_close(ours, theirs)


@pytest.mark.parametrize("method", ["closed_form", "layerwise", "autodiff"])
def test_a_layer_used_twice_gets_the_gradient_of_both(method):
    torch.manual_seed(0)
    layer = nn.Linear(4, 4)
    if method == "closed_form":
        encoder, x = nn.Sequential(layer, nn.Tanh()).double(), batch(3, 4)
        outer, inner = (
            contraction_penalty(encoder, encoder(x), method)[1],
            contraction_penalty(encoder, x, method)[1],
        )
        theirs = dense_penalty(encoder, encoder(x)) + dense_penalty(encoder, x)
        assert_close(*(torch.autograd.grad(p.sum(), layer.weight) for p in (outer + inner, theirs)))
    else:
        assert_agrees(by(method), nn.Sequential(layer, nn.Tanh(), layer, nn.Sigmoid()).double(), batch(3, 4))


@pytest.mark.parametrize("method", ["closed_form", "layerwise", "autodiff", "hutchinson"])
@pytest.mark.parametrize("activation", ["sigmoid", "gelu"])
def test_the_gradient_can_be_differentiated_again(method, activation):
    torch.manual_seed(0)
    encoder = mlp([3, 4] if method == "closed_form" else [3, 4, 2], activation)
    generator = torch.Generator()
    options = {"probes": 2, "generator": generator} if method == "hutchinson" else {}

    def penalty(x, *parameters):
        generator.manual_seed(0)
        named = {f"encoder.{name}": p for (name, _), p in zip(encoder.named_parameters(), parameters)}
        return torch.func.functional_call(_Penalty(encoder, method, options), named, x)

    assert torch.autograd.gradgradcheck(penalty, (batch(2, 3), *encoder.parameters()))


class _Penalty(nn.Module):
    def __init__(self, encoder, method, options):
        super().__init__()
        self.encoder, self.method, self.options = encoder, method, options

    def forward(self, x):
        return contraction_penalty(self.encoder, x, self.method, **self.options)


def test_parameters_that_are_frozen_get_no_gradient():
    torch.manual_seed(0)
    for method, widths in [("closed_form", [4, 3]), ("layerwise", [4, 5, 3]), ("autodiff", [4, 5, 3])]:
        encoder, x = mlp(widths), batch(2, 4)
        encoder[1].weight.requires_grad_(False)
        _, penalty = contraction_penalty(encoder, x.detach(), method)
        penalty.sum().backward()
        assert encoder[1].weight.grad is None
        theirs = torch.autograd.grad(dense_penalty(encoder, x).sum(), encoder[1].bias)
        assert_close((encoder[1].bias.grad,), theirs)
