"""The reconstruction term."""

import pytest
import torch

from contractive.nn.losses import reconstruction_loss


def test_the_squared_error_is_summed_over_features():
    x, output = torch.rand(5, 1, 4, 3), torch.rand(5, 1, 4, 3)
    by_hand = [((x[b] - output[b]) ** 2).sum() for b in range(5)]
    torch.testing.assert_close(reconstruction_loss(output, x, "squared_error"), torch.stack(by_hand))


def test_the_cross_entropy_is_that_of_the_sigmoid_of_the_logits():
    x, logits = torch.rand(5, 6).double(), torch.randn(5, 6).double()
    p = 1 / (1 + torch.exp(-logits))
    by_hand = -(x * p.log() + (1 - x) * (1 - p).log()).sum(1)
    torch.testing.assert_close(reconstruction_loss(logits, x, "cross_entropy"), by_hand)


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"\(5, 1\).*\(5, 6\)"):
        reconstruction_loss(torch.rand(5, 1), torch.rand(5, 6), "squared_error")


def test_another_loss_is_refused():
    with pytest.raises(ValueError, match="kind must be one of squared_error, cross_entropy; got 'mse'"):
        reconstruction_loss(torch.rand(5, 6), torch.rand(5, 6), "mse")
