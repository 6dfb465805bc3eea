"""Each mistake found in public implementations of the contraction penalty fails one of these."""

import pytest
import torch
import torch.nn.functional as F

from contractive.penalties import contraction_penalty
from tests.penalties.dense import assert_close, batch, dense_jacobian, mlp

METHODS = ["closed_form", "autodiff"]


def test_the_formula_of_the_sigmoid_layer():
    torch.manual_seed(0)
    encoder, x = mlp([6, 4]), batch(3, 6)
    h, weight = encoder(x), encoder[1].weight
    _, penalty = contraction_penalty(encoder, x)
    by_hand = [
        sum((h[b, j] * (1 - h[b, j])) ** 2 * weight[j, i] ** 2 for j in range(4) for i in range(6))
        for b in range(3)
    ]
    torch.testing.assert_close(penalty, torch.stack(by_hand), rtol=1e-10, atol=0)


@pytest.mark.parametrize("method", METHODS)
def test_the_weight_gets_a_gradient_through_itself_and_through_the_code(method):
    """``W`` taken from ``state_dict()``, or detached, would leave only the second."""
    torch.manual_seed(0)
    encoder, x = mlp([6, 4]), batch(3, 6)
    weight, bias = encoder[1].weight, encoder[1].bias

    def penalty(inside, outside):
        h = torch.sigmoid(F.linear(x, inside, bias))
        return (((h * (1 - h)) ** 2) @ outside.square().sum(1)).sum()

    (both,) = torch.autograd.grad(contraction_penalty(encoder, x, method)[1].sum(), weight)
    (through_code,) = torch.autograd.grad(penalty(weight, weight.detach()), weight)
    (through_itself,) = torch.autograd.grad(penalty(weight.detach(), weight), weight)
    assert through_code.abs().min() > 0
    assert through_itself.abs().min() > 0
    assert_close(both, through_code + through_itself)


@pytest.mark.parametrize("method", METHODS)
def test_a_relu_layer_counts_the_weights_of_its_active_units(method):
    """Not ``h (1 − h)``, which is the sigmoid's."""
    torch.manual_seed(0)
    encoder, x = mlp([6, 4], "relu"), batch(3, 6)
    active = (encoder(x) > 0).double()
    assert 0 < active.sum() < active.numel()
    assert_close(contraction_penalty(encoder, x, method)[1], active @ encoder[1].weight.square().sum(1))


@pytest.mark.parametrize("method", METHODS)
def test_the_squares_of_the_units_are_summed_not_the_units(method):
    """``grad(h, x, ones)`` gives ``‖Σ_j ∂h_j/∂x‖²``."""
    torch.manual_seed(0)
    encoder, x = mlp([6, 4]), batch(3, 6)
    (summed,) = torch.autograd.grad(encoder(x).sum(), x)
    _, penalty = contraction_penalty(encoder, x, method)
    assert (penalty - summed.square().sum(1)).abs().min() > 1e-3


@pytest.mark.parametrize("method", [*METHODS, "hutchinson", "finite_difference"])
def test_an_example_has_the_same_penalty_in_every_batch(method):
    """So its mean, and with it what ``lam`` means, does not move with the batch size."""
    torch.manual_seed(0)
    encoder, x = mlp([6, 4]), batch(8, 6)
    if method in METHODS:
        alone = torch.cat([contraction_penalty(encoder, example[None], method)[1] for example in x])
        assert_close(contraction_penalty(encoder, x, method)[1], alone)
    else:
        generator = torch.Generator().manual_seed(0)
        means = [
            torch.stack(
                [
                    contraction_penalty(encoder, x[:1].expand(n, 6), method, generator=generator)[1].mean()
                    for _ in range(50)
                ]
            ).mean()
            for n in (10, 200)
        ]
        torch.testing.assert_close(means[0], means[1], rtol=0.15, atol=0)


@pytest.mark.parametrize("method", METHODS)
def test_it_is_the_square_of_the_norm_and_not_rounded(method):
    torch.manual_seed(0)
    encoder, x = mlp([6, 4]), batch(7, 6)
    norms = torch.linalg.matrix_norm(dense_jacobian(encoder, x))
    assert_close(contraction_penalty(encoder, x, method)[1], norms**2)
    assert (norms - norms**2).abs().min() > 1e-3
    assert (norms**2 - (norms**2).floor()).min() > 1e-6


@pytest.mark.parametrize("method", ["auto", "layerwise", "autodiff"])
def test_a_deep_encoder_is_penalised_as_a_whole(method):
    """Not its last layer alone."""
    torch.manual_seed(0)
    encoder, x = mlp([6, 5, 4]), batch(3, 6)
    _, penalty = contraction_penalty(encoder, x, method)
    h = encoder(x)
    last = ((h * (1 - h)) ** 2) @ encoder[3].weight.square().sum(1)
    assert (penalty - last).abs().min() > 1e-4
    (gradient,) = torch.autograd.grad(penalty.sum(), encoder[1].weight)
    assert gradient.abs().min() > 0


def test_the_widely_copied_snippet_equals_ours_at_another_lam():
    """``mse_loss`` (a mean over ``B·N``) ``+ lam·Σ_b‖J‖²`` is ours ÷ N at ``lam_ours = lam_snippet·N·B``."""
    torch.manual_seed(0)
    examples, features, lam_snippet = 7, 6, 1e-2
    encoder, x = mlp([features, 4]), batch(examples, features)
    weight = encoder[1].weight

    h = encoder(x)
    snippet = F.mse_loss(h @ weight, x) + lam_snippet * ((h * (1 - h)) ** 2 @ weight.square().sum(1)).sum()

    code, penalty = contraction_penalty(encoder, x)
    reconstruction = (code @ weight - x).square().sum(1).mean()
    ours = reconstruction + lam_snippet * features * examples * penalty.mean()
    torch.testing.assert_close(ours / features, snippet, rtol=1e-12, atol=0)
