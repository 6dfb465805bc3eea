"""The terms of a classifier against the dense Jacobian, by ``torch.func.jacrev``."""

import pytest
import torch
from torch import nn

from contractive.penalties import adversarial_penalty, spectral_penalty, tangent_propagation_penalty
from tests.penalties.dense import assert_close, batch, dense_jacobian, mlp


def network(kind):
    torch.manual_seed(0)
    if kind == "layers":
        return mlp([12, 7, 3], "tanh"), batch(4, 3, 4)
    if kind == "convolution":
        stack = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Softplus(), nn.Flatten(), nn.Linear(12, 3))
        return stack.double(), batch(4, 1, 4, 4)

    class Gate(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(12, 3), nn.Linear(12, 3)

        def forward(self, x):
            return self.a(x.flatten(1)) * self.b(x.flatten(1)).sigmoid()

    return Gate().double(), batch(4, 3, 4)


def assert_same(ours, theirs, classifier, x, tolerance=1e-9):
    """Values and gradients in ``x`` and all parameters, each example with a weight of its own."""
    assert_close(ours, theirs, tolerance)
    share = torch.linspace(0.5, 1.5, len(x), dtype=x.dtype)
    leaves = [x, *classifier.parameters()]
    options = {"allow_unused": True, "materialize_grads": True}
    for a, b in zip(
        torch.autograd.grad((share * ours).sum(), leaves, **options),
        torch.autograd.grad((share * theirs).sum(), leaves, **options),
    ):
        assert_close(a, b, tolerance)


@pytest.mark.parametrize("kind", ["layers", "convolution", "any module"])
def test_tangent_propagation_is_the_sum_over_tangents_and_outputs(kind):
    classifier, x = network(kind)
    directions = torch.randn(4, 5, *x.shape[1:], dtype=x.dtype)
    outputs, penalty = tangent_propagation_penalty(classifier, x, directions)
    assert_close(outputs, classifier(x))
    expected = (dense_jacobian(classifier, x) @ directions.flatten(2).mT).square().sum((1, 2))
    assert_same(penalty, expected, classifier, x)


def test_tangents_may_be_kept_in_half_precision():
    classifier, x = network("layers")
    halves = torch.randn(4, 5, *x.shape[1:], dtype=torch.float16)
    kept = tangent_propagation_penalty(classifier, x, halves)[1]
    assert_close(kept, tangent_propagation_penalty(classifier, x, halves.double())[1])
    assert kept.dtype == torch.double


@pytest.mark.parametrize("shape", [(4, 12), (3, 5, 3, 4), (4, 5, 4, 3), (4, 3, 4)])
def test_directions_that_do_not_fit_are_refused(shape):
    classifier, x = network("layers")
    with pytest.raises(ValueError, match=r"directions must be \(4, tangents, 3, 4\), as x is; got \("):
        tangent_propagation_penalty(classifier, x, torch.zeros(shape))


@pytest.mark.parametrize("kind", ["layers", "convolution", "any module"])
@pytest.mark.parametrize("of_probabilities", [False, True])
def test_the_spectral_penalty_is_the_largest_eigenvalue(kind, of_probabilities):
    classifier, x = network(kind)
    options = {"of_probabilities": of_probabilities, "generator": torch.Generator().manual_seed(0)}
    outputs, penalty = spectral_penalty(classifier, x, iterations=300, **options)
    assert_close(outputs, classifier(x))
    matrices = dense_jacobian(classifier, x)
    p = classifier(x).softmax(1)
    metric = (
        torch.diag_embed(p) - p[:, :, None] * p[:, None, :] if of_probabilities else torch.eye(3).double()
    )
    expected = torch.linalg.eigvalsh(matrices.mT @ metric @ matrices)[:, -1]
    assert_same(penalty, expected, classifier, x, tolerance=1e-6)


def test_of_probabilities_it_is_what_the_divergence_grows_by_in_the_worst_direction():
    classifier, x = network("layers")
    penalty = spectral_penalty(classifier, x, of_probabilities=True, iterations=300)[1].detach()
    log_p = classifier(x).log_softmax(1).detach()
    radius, worst = 1e-3, torch.zeros(4, dtype=x.dtype)
    for step in torch.randn(20_000, *x.shape[1:], dtype=x.dtype).split(1000):
        for i in range(4):
            moved = x[i] + radius * step / step.flatten(1).norm(dim=1)[:, None, None]
            divergence = (log_p[i].exp() * (log_p[i] - classifier(moved).log_softmax(1))).sum(1)
            worst[i] = torch.maximum(worst[i], divergence.max().detach())
    ratio = worst / (radius**2 / 2 * penalty)
    assert (ratio < 1.01).all() and (ratio > 0.6).all()


def test_every_iteration_comes_nearer_from_below():
    classifier, x = network("layers")
    exact = torch.linalg.matrix_norm(dense_jacobian(classifier, x), 2).square()
    found = [
        spectral_penalty(classifier, x, iterations=n, generator=torch.Generator().manual_seed(0))[1]
        for n in (1, 2, 4, 30)
    ]
    for lower, higher in zip(found, [*found[1:], exact + 1e-9]):
        assert (lower <= higher).all()
    assert (found[0] < 0.999 * exact).any()


def test_the_first_direction_is_the_generators():
    classifier, x = network("layers")
    draws = [
        spectral_penalty(classifier, x, generator=torch.Generator().manual_seed(seed))[1]
        for seed in (0, 0, 1)
    ]
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])
    with pytest.raises(ValueError, match="iterations must be an integer >= 1; got 0"):
        spectral_penalty(classifier, x, iterations=0)


@pytest.mark.parametrize("kind", ["layers", "convolution", "any module"])
def test_the_adversarial_penalty_is_the_divergence_one_step_away_in_the_worst_direction(kind):
    classifier, x = network(kind)
    outputs, penalty = adversarial_penalty(classifier, x, 0.7, iterations=300)
    assert_close(outputs, classifier(x))
    p = classifier(x).softmax(1).detach()
    matrices = dense_jacobian(classifier, x).detach()
    information = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
    worst = torch.linalg.eigh(matrices.mT @ information @ matrices).eigenvectors[:, :, -1].view_as(x)

    def divergences(sign):
        q = classifier(x + 0.7 * sign * worst).softmax(1)
        return 2 / 0.7**2 * (p * (p / q).log()).sum(1)

    there, back = divergences(1), divergences(-1)
    assert (there / back - 1).abs().min() > 1e-3  # so that it can be told which way was taken
    taken = (there - penalty).abs() < (back - penalty).abs()
    assert_same(penalty, there.where(taken, back), classifier, x, tolerance=1e-6)


def test_the_adversarial_penalty_tends_to_the_spectral_one():
    classifier, x = network("layers")
    options = {"iterations": 2}
    spectral = spectral_penalty(
        classifier, x, of_probabilities=True, generator=torch.Generator().manual_seed(0), **options
    )[1]
    apart = []
    for radius in (1e-1, 1e-2, 1e-3):
        generator = torch.Generator().manual_seed(0)
        penalty = adversarial_penalty(classifier, x, radius, generator=generator, **options)[1]
        apart.append((penalty / spectral - 1).abs().max().item())
    assert apart[0] < 0.2 and apart[1] < 0.2 * apart[0] and apart[2] < 0.2 * apart[1]


def test_a_step_of_no_length_is_refused():
    classifier, x = network("layers")
    with pytest.raises(ValueError, match="radius must be a finite number > 0; got 0"):
        adversarial_penalty(classifier, x, 0)
    with pytest.raises(ValueError, match="iterations must be an integer >= 1; got 0"):
        adversarial_penalty(classifier, x, 1.0, iterations=0)
