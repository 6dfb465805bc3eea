import pytest
import torch
from torch import nn

from contractive.penalties import contraction_penalty
from tests.penalties.dense import dense_penalty

ACTIVATIONS = {
    "identity": nn.Identity(),
    "sigmoid": nn.Sigmoid(),
    "tanh": nn.Tanh(),
    "softplus": nn.Softplus(),
    "softplus beta": nn.Softplus(beta=2.5, threshold=3),
    "relu": nn.ReLU(),
    "relu in place": nn.ReLU(inplace=True),
    "leaky relu": nn.LeakyReLU(0.2),
    "elu": nn.ELU(0.7),
    "gelu": nn.GELU(),
    "gelu tanh": nn.GELU("tanh"),
    "silu": nn.SiLU(),
}


def gradients(penalty, code, leaves, weights):
    return torch.autograd.grad((penalty * weights).sum() + (code**2).sum(), leaves)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("method", ["auto", "closed_form", "autodiff"])
def test_one_layer(activation, method):
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(6, 5), ACTIVATIONS[activation]).double()
    x = torch.randn(4, 2, 3, dtype=torch.double, requires_grad=True)
    weights = torch.rand(4).double()
    leaves = [x, *encoder.parameters()]
    code, penalty = contraction_penalty(encoder, x, method)
    expected = dense_penalty(encoder, x)
    torch.testing.assert_close(code, encoder(x))
    torch.testing.assert_close(penalty, expected, rtol=1e-9, atol=1e-12)
    for a, b in zip(
        gradients(penalty, code, leaves, weights), gradients(expected, encoder(x), leaves, weights)
    ):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("activation", ["sigmoid", "gelu"])
def test_the_gradient_can_be_differentiated(activation):
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Linear(3, 4), ACTIVATIONS[activation]).double()
    x = torch.randn(2, 3, dtype=torch.double, requires_grad=True)

    def both(x, weight, bias):
        return torch.func.functional_call(
            _Penalty(encoder), {"encoder.0.weight": weight, "encoder.0.bias": bias}, x
        )

    assert torch.autograd.gradgradcheck(both, (x, *encoder.parameters()))


class _Penalty(nn.Module):
    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, x):
        return contraction_penalty(self.encoder, x, "closed_form")
