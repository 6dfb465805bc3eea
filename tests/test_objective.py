"""The objective against dense Jacobians and sums written out."""

import pytest
import torch
from torch import nn
from torch.func import jacrev, vmap

from contractive import Autoencoder, loss
from contractive.objective import seed_step, warmed_up


def scaled_model(**settings):
    torch.manual_seed(0)
    model = Autoencoder((4,), scaled=True, **{"hidden": [3, 2], **settings}).double()
    model.scaler.load_state_dict({"shift": torch.full((4,), 10.0), "scale": torch.full((4,), 0.25)})
    return model


X = 10 + 4 * torch.rand(5, 4, generator=torch.Generator().manual_seed(1), dtype=torch.double)


def by_hand(model, x, lam):
    """The terms at what the encoder sees, one example after another."""
    jacobians = vmap(jacrev(lambda one: model.encoder(one[None])[0]))(x)
    penalty = jacobians.square().sum((1, 2)).mean()
    reconstruction = (model.decoder(model.encoder(x)) - x).square().sum(1).mean()
    return {"loss": reconstruction + lam * penalty, "reconstruction": reconstruction, "penalty": penalty}


def gradients(value, model):
    return torch.autograd.grad(value, list(model.parameters()), retain_graph=True)


def test_the_terms_are_averages_of_sums_in_the_units_that_the_encoder_sees():
    model = scaled_model()
    terms, expected = loss(model, X, 0.3), by_hand(model, (X - 10) / 4, 0.3)
    assert terms.keys() == expected.keys()
    for name, term in terms.items():
        torch.testing.assert_close(term, expected[name])
    torch.testing.assert_close(gradients(terms["loss"], model), gradients(expected["loss"], model))


def test_a_module_of_anybodys_takes_part_by_its_encoder_and_decoder():
    class Mine(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder, self.decoder = nn.Sequential(nn.Linear(4, 3), nn.Tanh()), nn.Linear(3, 4)

    model = Mine().double()
    for name, term in loss(model, X, 0.3).items():
        torch.testing.assert_close(term, by_hand(model, X, 0.3)[name])


def test_an_autoencoder_is_compared_by_its_own_loss():
    model, x = scaled_model(reconstruction="cross_entropy"), 10 + 4 * X.frac()
    seen = (x - 10) / 4
    back = model.decoder(model.encoder(seen)).sigmoid()
    entropy = -(seen * back.log() + (1 - seen) * (1 - back).log()).sum(1).mean()
    torch.testing.assert_close(loss(model, x, 0.0)["reconstruction"], entropy)


@pytest.mark.parametrize("unweighted", [True, False])
def test_without_a_weight_the_penalty_has_no_gradient_and_is_looked_at_if_asked(unweighted):
    model = scaled_model()
    terms = loss(model, X, 0, unweighted=unweighted)
    assert torch.equal(terms["loss"], terms["reconstruction"])
    assert ("penalty" in terms) == unweighted
    if unweighted:
        assert not terms["penalty"].requires_grad
        torch.testing.assert_close(terms["penalty"], by_hand(model, (X - 10) / 4, 0)["penalty"])


def test_what_is_reconstructed_from_a_corrupted_input_is_the_clean_one():
    """All values masked: the encoder sees 0."""
    model, x = scaled_model(), (X - 10) / 4
    terms = loss(model, X, 0.3, corruption={"kind": "masking", "amount": 1.0})
    torch.testing.assert_close(
        terms["reconstruction"], (model.decoder(model.encoder(0 * x)) - x).square().sum(1).mean()
    )
    torch.testing.assert_close(terms["penalty"], by_hand(model, 0 * x, 0)["penalty"])


def test_the_higher_order_term_is_there_if_it_has_a_weight():
    model = scaled_model()
    terms = loss(model, X, 0.3, lam_hessian=0.5, hessian={"sigma": 0.01, "samples": 200, "probes": 20})
    # Its mean tends to the squared norm of all second derivatives, Σ_j ‖∂²h_j/∂x²‖².
    second = vmap(jacrev(jacrev(lambda one: model.encoder(one[None])[0])))((X - 10) / 4)
    torch.testing.assert_close(terms["hessian"], second.square().sum((1, 2, 3)).mean(), rtol=0.1, atol=0.0)
    whole = terms["reconstruction"] + 0.3 * terms["penalty"] + 0.5 * terms["hessian"]
    torch.testing.assert_close(terms["loss"], whole)


def test_the_generator_decides_every_draw():
    model = scaled_model()

    def draw(seed):
        options = {"penalty": {"method": "hutchinson"}, "corruption": {"kind": "gaussian", "amount": 0.5}}
        return loss(model, X, 0.3, **options, generator=torch.Generator().manual_seed(seed))["loss"]

    assert torch.equal(draw(1), draw(1)) and not torch.equal(draw(1), draw(2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lam": -1}, "lam must be a finite number >= 0; got -1"),
        ({"lam": 0.1, "lam_hessian": -1}, "lam_hessian must be a finite number >= 0; got -1"),
        ({"lam": 0.1, "penalty": {"method": "exakt"}}, "method must be one of .*did you mean exact"),
        ({"lam": 0.1, "corruption": {"kind": "gaussian", "amount": -1}}, "amount must be .*got -1"),
    ],
)
def test_what_is_not_what_it_may_be_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        loss(scaled_model(), X, **options)


def test_a_step_has_random_numbers_of_its_own():
    generator = torch.Generator()
    drawn = {seed_step(generator, *key).initial_seed() for key in [(0, 0), (0, 1), (1, 0), (0, 0, 1)]}
    assert len(drawn) == 4
    assert [warmed_up(0.2, epoch, 2) for epoch in (0, 1, 2, 3)] == [0, 0.1, 0.2, 0.2]
