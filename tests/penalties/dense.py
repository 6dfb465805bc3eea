"""What the penalties are compared with: the dense Jacobian of every example, by ``torch.func.jacrev``."""

from itertools import pairwise

import torch
from torch import nn

ACTIVATIONS = {
    "identity": nn.Identity,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "softplus": nn.Softplus,
    "softplus_sharp": lambda: nn.Softplus(beta=2.5, threshold=1),
    "relu": nn.ReLU,
    "relu_in_place": lambda: nn.ReLU(inplace=True),
    "leaky_relu": lambda: nn.LeakyReLU(0.2),
    "elu": lambda: nn.ELU(0.7),
    "gelu": nn.GELU,
    "gelu_tanh": lambda: nn.GELU("tanh"),
    "silu": nn.SiLU,
}


def dense_jacobian(encoder, x):
    """``(batch, code_size, input_size)``."""
    rows = [torch.func.jacrev(lambda one: encoder(one[None])[0].flatten())(example) for example in x]
    return torch.stack([row.flatten(1) for row in rows])


def dense_penalty(encoder, x):
    return dense_jacobian(encoder, x).square().sum((1, 2))


def mlp(widths, activation="sigmoid", bias=True):
    modules = [nn.Flatten()]
    for before, after in pairwise(widths):
        modules += [nn.Linear(before, after, bias=bias), ACTIVATIONS[activation]()]
    return nn.Sequential(*modules).double()


def batch(*shape):
    return torch.randn(*shape, dtype=torch.double, requires_grad=True)


def assert_close(actual, expected, tolerance=1e-9):
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)


def assert_agrees(compute, encoder, x, tolerance=1e-9):
    """Code, penalty, and the gradients of every parameter and of ``x``, against the dense Jacobian."""
    code, penalty = compute(encoder, x)
    exact = dense_penalty(encoder, x)
    assert_close(penalty, exact, tolerance)
    assert_close(code, encoder(x).flatten(1), tolerance)
    # Examples of different weight, so that a penalty credited to the wrong example shows.
    share = torch.linspace(0.5, 1.5, len(x), dtype=x.dtype)
    leaves = [x, *encoder.parameters()]
    for name, ours, theirs in zip(
        ["x", *dict(encoder.named_parameters())],
        torch.autograd.grad((share * penalty).sum() + code.square().sum(), leaves),
        torch.autograd.grad((share * exact).sum() + encoder(x).square().sum(), leaves),
    ):
        scale = theirs.abs().max().item()
        torch.testing.assert_close(
            ours,
            theirs,
            rtol=tolerance,
            atol=tolerance * scale,
            msg=lambda text, name=name: f"gradient of {name}: {text}",
        )
