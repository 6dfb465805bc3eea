"""Encoders of all kinds: what is recognised by its layers must be what it seems, all else must still work."""

import logging

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations

from contractive.jacobian.linearise import tell_once
from contractive.jacobian.structure import layers
from contractive.penalties import adversarial_penalty, contraction_penalty
from tests.penalties.dense import assert_agrees, assert_close, batch, dense_penalty, mlp


def exact(encoder, x):
    return contraction_penalty(encoder, x, max_ratio=1e9)


class TwiceAsLarge(nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)


class Steep(nn.Tanh):
    def forward(self, x):
        return torch.tanh(3 * x)


def weight_norm():
    return nn.Sequential(parametrizations.weight_norm(nn.Linear(6, 4)), nn.Tanh())


def spectral_norm_by_hook():
    return nn.Sequential(nn.utils.spectral_norm(nn.Linear(6, 4)).eval(), nn.Tanh())


def hooked(where):
    encoder = nn.Sequential(nn.Linear(6, 4), nn.Tanh())
    module = {"layer": encoder[0], "activation": encoder[1], "whole": encoder}[where]
    module.register_forward_hook(lambda module, inputs, output: output**2)
    return encoder


def forward_replaced():
    encoder = nn.Sequential(nn.Linear(6, 4), nn.Tanh())
    encoder[1].forward = torch.sin
    return encoder


UNUSUAL = {
    "a subclass of Linear": lambda: nn.Sequential(TwiceAsLarge(6, 4), nn.Tanh()),
    "a subclass of Tanh": lambda: nn.Sequential(nn.Linear(6, 4), Steep()),
    "weight norm": weight_norm,
    "spectral norm": spectral_norm_by_hook,
    "a hook on a layer": lambda: hooked("layer"),
    "a hook on an activation": lambda: hooked("activation"),
    "a hook on the whole": lambda: hooked("whole"),
    "forward replaced": forward_replaced,
    "an activation in front": lambda: nn.Sequential(nn.Tanh(), nn.Linear(6, 4)),
    "two activations": lambda: nn.Sequential(nn.Linear(6, 4), nn.Sigmoid(), nn.Tanh()),
    "not pointwise": lambda: nn.Sequential(nn.Linear(6, 4), nn.Softmax(dim=1)),
    "learned slope": lambda: nn.Sequential(nn.Linear(6, 4), nn.PReLU()),
    "in place first": lambda: nn.Sequential(nn.ReLU(inplace=True), nn.Linear(6, 4)),
    "group norm": lambda: nn.Sequential(nn.Linear(6, 4), nn.GroupNorm(2, 4), nn.Tanh()),
    "batch norm evaluated": lambda: nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.Tanh()).eval(),
    "rows of a matrix": lambda: nn.Sequential(nn.Unflatten(1, (2, 3)), nn.Linear(3, 2), nn.Tanh()),
}


@pytest.mark.parametrize("kind", UNUSUAL)
def test_what_only_looks_like_a_known_layer_is_left_to_automatic_differentiation(kind):
    torch.manual_seed(0)
    encoder, x = UNUSUAL[kind]().double(), batch(3, 6)
    assert layers(encoder, x) is None
    if kind == "in place first":  # what it does to a leaf PyTorch allows nobody but us
        plain = nn.Sequential(nn.ReLU(), encoder[1])
        assert_close(exact(encoder, x)[1], dense_penalty(plain, x))
    else:
        assert_agrees(exact, encoder, x)


def test_a_linear_layer_applied_to_every_row_is_not_one_affine_layer():
    torch.manual_seed(0)
    encoder, x = nn.Sequential(nn.Linear(3, 2), nn.Tanh()).double(), batch(4, 5, 3)
    assert layers(encoder, x) is None
    assert_agrees(exact, encoder, x)


def test_layers_in_layers_of_sequential():
    torch.manual_seed(0)
    inner = nn.Sequential(nn.Linear(6, 5), nn.Sequential(nn.ReLU(inplace=True), nn.Identity()))
    encoder = nn.Sequential(nn.Flatten(), inner, nn.Linear(5, 4), nn.GELU(), nn.Flatten()).double()
    x = batch(3, 1, 2, 3)
    assert len(layers(encoder, x)) == 2
    assert_agrees(lambda encoder, x: contraction_penalty(encoder, x, "layerwise"), encoder, x)


def test_functions_and_methods_are_encoders_too():
    torch.manual_seed(0)
    weight, x = batch(4, 3), batch(5, 4)
    _, penalty = contraction_penalty(lambda x: torch.tanh(x @ weight), x, "autodiff")
    exact = (1 - torch.tanh(x @ weight) ** 2).square() @ weight.square().sum(0)
    assert_close(penalty, exact)
    ours, theirs = (torch.autograd.grad(p.sum(), [weight, x]) for p in (penalty, exact))
    assert_close(ours, theirs)


def test_flow_of_control_that_depends_on_the_data():
    torch.manual_seed(0)
    inner = mlp([4, 3], "tanh")

    def encoder(x):
        return inner(x) if x.sum().item() > 1e9 else torch.sin(inner(x))

    x = batch(5, 4)
    _, penalty = contraction_penalty(encoder, x, "autodiff")
    assert_close(penalty, dense_penalty(lambda x: torch.sin(inner(x)), x))


class OldSquare(torch.autograd.Function):
    """Of the old style, that ``torch.func`` cannot transform."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return 2 * grad * x


class StubbornSquare(torch.autograd.Function):
    """Of the new style, but its backward pass looks at the numbers, which ``vmap`` cannot do."""

    @staticmethod
    def forward(x):
        return x**2

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return 2 * grad * x if grad.abs().sum() > 0 else grad


@pytest.mark.parametrize("square", [OldSquare, StubbornSquare])
@pytest.mark.parametrize("method", ["autodiff", "hutchinson"])
def test_a_custom_function_works_more_slowly_and_says_so_once(square, method, caplog):
    torch.manual_seed(0)
    tell_once.cache_clear()
    weight, x = batch(4, 3), batch(5, 4)
    options = {"distribution": "orthogonal", "probes": 3, "side": "code"} if method == "hutchinson" else {}
    with caplog.at_level(logging.WARNING, logger="contractive"):
        for _ in range(2):
            _, penalty = contraction_penalty(lambda x: square.apply(x) @ weight, x, method, **options)
    exact = ((2 * x[:, :, None] * weight) ** 2).sum((1, 2))
    assert_close(penalty, exact)
    assert_close(*(torch.autograd.grad(p.sum(), [weight, x]) for p in (penalty, exact)))
    assert len(caplog.messages) == 1
    assert "slower" in caplog.text


@pytest.mark.parametrize("method", ["autodiff", "hutchinson", "finite_difference"])
@pytest.mark.parametrize("side", ["code", "input"])
def test_dropout_uses_one_mask_for_code_and_derivative(method, side):
    """Behind dropout with p = 1/2 a unit is 0 or 2·x, and so is its derivative 0 or 2."""
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Dropout(0.5))
    x = torch.ones(6, 8)
    options = {"side": side}
    if method == "hutchinson":
        options |= {"distribution": "orthogonal", "probes": 8}
    if method == "finite_difference":
        options = {"sigma": 1e-3, "probes": 400}
    code, penalty = contraction_penalty(encoder, x, method, **options)
    assert 0 < (code == 0).sum() < code.numel()
    tolerance = 0.15 if method == "finite_difference" else 1e-5
    torch.testing.assert_close(penalty, code.square().sum(1), rtol=tolerance, atol=0)


def test_dropout_in_evaluation_is_seen_through():
    encoder = nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5)).eval()
    assert len(layers(encoder, torch.zeros(1, 3))) == 1
    assert layers(encoder.train(), torch.zeros(1, 3)) is None


def test_normalisation_is_not_asked_for_forward_mode():
    """PyTorch's forward mode through layer and instance normalisation has the wrong gradient."""
    torch.manual_seed(0)
    weight = batch(3, 8)

    def encoder(x):
        return F.layer_norm(x @ weight, (8,)).tanh()

    x = batch(4, 3)
    ours = torch.autograd.grad(contraction_penalty(encoder, x, "autodiff")[1].sum(), [weight, x])
    theirs = torch.autograd.grad(dense_penalty(encoder, x).sum(), [weight, x])
    assert_close(ours, theirs)
    with pytest.raises(ValueError, match=r"along directions of its input .* side=code"):
        contraction_penalty(encoder, x, "hutchinson", side="input")
    with pytest.raises(ValueError, match="or leave the normalisation out"):
        adversarial_penalty(encoder, x, radius=1.0)


def test_instance_normalisation_is_not_asked_for_forward_mode_either():
    torch.manual_seed(0)
    # A code larger than the input, where forward mode would be cheaper.
    encoder = nn.Sequential(
        nn.Conv1d(1, 4, 3, bias=False), nn.InstanceNorm1d(4, affine=True), nn.Tanh()
    ).double()
    x = batch(3, 1, 6)
    assert_agrees(lambda encoder, x: contraction_penalty(encoder, x, "autodiff"), encoder, x)
    with pytest.raises(ValueError, match="side=code"):
        contraction_penalty(encoder, x, "autodiff", side="input")


@pytest.mark.parametrize("mode", ["circular", "reflect", "replicate"])
def test_convolutions_that_pad_with_something_else_than_zeros(mode):
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1, padding_mode=mode), nn.Tanh()).double()
    x = batch(3, 1, 4, 4)
    assert layers(encoder, x) is None
    assert_agrees(exact, encoder, x)
    everything = {"distribution": "orthogonal", "probes": 16, "side": "input"}
    assert_agrees(lambda e, x: contraction_penalty(e, x, "hutchinson", **everything), encoder, x)


def test_a_compiled_encoder_counts_as_what_was_compiled():
    torch.manual_seed(0)
    encoder, x = mlp([4, 3]), batch(2, 4)
    compiled = torch.compile(encoder, backend="eager")
    assert_close(contraction_penalty(compiled, x, "closed_form")[1], dense_penalty(encoder, x))
