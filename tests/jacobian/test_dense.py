import pytest
import torch
from torch import nn

from contractive.jacobian.dense import jacobians
from contractive.jacobian.linearise import linearise
from tests.penalties.dense import assert_close, batch, dense_jacobian, mlp

ENCODERS = {
    "a smaller code": (lambda: mlp([6, 5, 4], "gelu"), (3, 6)),
    "a larger code": (lambda: mlp([3, 5, 7], "tanh"), (3, 3)),
    "an image": (
        lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 3)).double(),
        (2, 1, 4, 4),
    ),
    "a module": (lambda: nn.Sequential(nn.Linear(5, 4), nn.LayerNorm(4), nn.Softmax(1)).double(), (4, 5)),
    "a code that is not flat": (lambda: nn.Conv2d(1, 3, 2).double(), (2, 1, 3, 3)),
}


@pytest.mark.parametrize("kind", ENCODERS)
def test_every_way_to_the_jacobian_agrees(kind):
    torch.manual_seed(0)
    make, shape = ENCODERS[kind]
    encoder, x = make(), batch(*shape)
    expected = dense_jacobian(encoder, x)
    assert_close(jacobians(encoder, x), expected.detach())
    encoded = linearise(encoder, x)
    assert_close(encoded.dense(), expected)
    u = torch.randn(2, *encoded.code.shape, dtype=x.dtype)
    assert_close(encoded.vjp(u).flatten(2), torch.einsum("kbc,bci->kbi", u, expected))
    if encoded.jvp is not None:
        v = torch.randn(2, *x.shape, dtype=x.dtype)
        assert_close(encoded.jvp(v), torch.einsum("kbi,bci->kbc", v.flatten(2), expected))
