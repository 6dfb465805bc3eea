"""Training with the estimate ends where training with the exact penalty ends."""

import numpy as np
import pytest
import torch
from torch import nn

from contractive.penalties import contraction_penalty


@pytest.fixture(scope="module")
def digits(mnist_root):
    """Examples of MNIST in [0, 1], ``(n, 784)``."""
    raw = np.fromfile(
        mnist_root / "MNIST/raw/train-images-idx3-ubyte", dtype=np.uint8, offset=16, count=2000 * 784
    )
    return torch.from_numpy(raw).view(-1, 784).float() / 255


def train(x, lam=0.1, epochs=8, **settings):
    """Reconstruction and exact penalty per example after training an autoencoder with tied weights."""
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Linear(784, 48), nn.Sigmoid(), nn.Linear(48, 16), nn.Sigmoid())
    biases = nn.ParameterList([torch.zeros(48), torch.zeros(784)])
    optimiser = torch.optim.Adam([*encoder.parameters(), *biases], lr=1e-2)
    generator = torch.Generator().manual_seed(0)

    def reconstruct(code):
        hidden = torch.sigmoid(code @ encoder[2].weight + biases[0])
        return torch.sigmoid(hidden @ encoder[0].weight + biases[1])

    order = torch.Generator().manual_seed(1)
    for _ in range(epochs):
        for rows in torch.randperm(len(x), generator=order).split(100):
            code, penalty = contraction_penalty(encoder, x[rows], generator=generator, **settings)
            reconstruction = (reconstruct(code) - x[rows]).square().sum(1).mean()
            optimiser.zero_grad()
            (reconstruction + lam * penalty.mean()).backward()
            optimiser.step()
    with torch.no_grad():
        code, penalty = contraction_penalty(encoder, x, "layerwise")
        return (reconstruct(code) - x).square().sum(1).mean().item(), penalty.mean().item()


def test_one_random_direction_trains_like_the_exact_penalty(digits):
    exact = train(digits, method="layerwise")
    estimated = train(digits, method="hutchinson", probes=1)
    without = train(digits, method="hutchinson", lam=0)
    assert without[1] > 1.5 * exact[1]
    assert estimated == pytest.approx(exact, rel=0.05)
