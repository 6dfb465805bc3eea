"""The walk along the manifold, against the dense Jacobian and the moments that its step must have."""

from itertools import islice

import pytest
import torch
from torch import nn

from contractive.diagnostics.sampling import moved_code, samples, walk
from contractive.nn.autoencoder import Autoencoder

ENCODERS = {
    "one layer": nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.Sigmoid()),
    "wide code": nn.Sequential(nn.Flatten(), nn.Linear(12, 9), nn.SiLU(), nn.Linear(9, 20), nn.Tanh()),
    "convolution": nn.Sequential(nn.Conv2d(1, 2, 3, 2, 1), nn.ELU(), nn.Flatten(), nn.Linear(8, 6), nn.ELU()),
}


@pytest.fixture(params=ENCODERS)
def encoder(request):
    torch.manual_seed(0)
    return ENCODERS[request.param].double()


@pytest.fixture
def x():
    return torch.randn(7, 1, 3, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def dense(encoder, x):
    jacobian = torch.autograd.functional.jacobian
    return torch.stack([jacobian(lambda e: encoder(e[None])[0], example).flatten(1) for example in x])


def test_a_step_is_that_of_the_dense_matrices(encoder, x):
    h, jacobians = encoder(x), dense(encoder, x)
    noise = torch.randn(h.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    expected = h + (jacobians @ jacobians.mT @ noise[:, :, None]).squeeze(2)
    torch.testing.assert_close(moved_code(encoder, x, noise), expected, rtol=1e-12, atol=1e-12)


def test_the_first_step_of_a_walk_has_the_mean_and_the_covariance_of_the_formula(encoder, x):
    sigma, n = 0.7, 40_000
    start = x[:1].expand(n, *x.shape[1:])
    step = next(walk(encoder, encoder, start, sigma, torch.Generator().manual_seed(3)))
    step = step - encoder(x[:1])
    spread = dense(encoder, x[:1])[0] @ dense(encoder, x[:1])[0].T
    wanted = sigma**2 * spread @ spread
    # Five standard errors of means and of entries of a covariance of so many normal variables.
    scale = wanted.diagonal()
    assert (step.mean(0).abs() <= 5 * (scale / n).sqrt()).all()
    assert ((step.T.cov() - wanted).abs() <= 5 * ((scale[:, None] * scale + wanted**2) / n).sqrt()).all()


def test_a_walk_goes_on_from_what_was_decoded(x):
    encoder, decoder = nn.Flatten(), lambda h: (h / 2).view(-1, 1, 3, 4)
    steps = list(islice(walk(encoder, decoder, x, 0.0, torch.Generator()), 3))
    torch.testing.assert_close(torch.stack(steps), torch.stack([x.flatten(1) / 2**k for k in range(3)]))


def test_a_seed_repeats_a_walk_and_another_does_not(x):
    torch.manual_seed(0)
    model = Autoencoder((1, 3, 4), hidden=[6]).double()

    def codes(seed):
        generator = torch.Generator().manual_seed(seed)
        return list(islice(walk(model.encoder, model.decode, x, 1.0, generator), 3))

    assert all(torch.equal(a, b) for a, b in zip(codes(0), codes(0)))
    assert not any(torch.equal(a, b) for a, b in zip(codes(0), codes(1)))


def test_samples_are_steps_of_the_walks_in_the_datas_own_units(x):
    torch.manual_seed(0)
    model = Autoencoder((1, 3, 4), hidden=[6], scaled=True).double()
    model.scaler.load_state_dict({"shift": torch.full((1, 1, 1), 2.0), "scale": torch.full((1, 1, 1), 0.25)})
    found = samples(model, x, 10, 0.7, 3, 2, torch.Generator().manual_seed(4))
    generator, seen, kept = torch.Generator().manual_seed(4), (x - 2) * 0.25, []
    for step in (1, 2, 3, 4, 5):
        jacobians = dense(model.encoder, seen)
        noise = 0.7 * torch.randn(7, 6, generator=generator, dtype=torch.float64)
        h = model.encoder(seen) + (jacobians @ jacobians.mT @ noise[:, :, None]).squeeze(2)
        seen = model.decoder(h)
        kept += [seen / 0.25 + 2] if step in (3, 5) else []
    torch.testing.assert_close(found, torch.cat(kept)[:10])
