"""What tells strangers, against dense Jacobians and sums written out."""

import torch
from torch.func import jacrev, vmap

from contractive import Autoencoder
from contractive.diagnostics.outliers import reconstruction_and_penalty


def test_figures_are_those_of_each_example_in_the_units_that_the_encoder_sees():
    torch.manual_seed(0)
    model = Autoencoder((4,), hidden=[3, 2], scaled=True).double()
    model.scaler.load_state_dict({"shift": torch.full((4,), 10.0), "scale": torch.full((4,), 0.25)})
    x = 10 + 4 * torch.rand(5, 4, dtype=torch.double)
    seen = (x - 10) / 4
    jacobians = vmap(jacrev(lambda one: model.encoder(one[None])[0]))(seen)
    errors = (model.decoder(model.encoder(seen)) - seen).square().sum(1)
    expected = torch.stack([errors, jacobians.square().sum((1, 2))], 1)
    torch.testing.assert_close(reconstruction_and_penalty(model, x), expected)
