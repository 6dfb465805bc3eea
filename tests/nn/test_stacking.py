"""Autoencoders on the codes of others, as one deep one."""

import pytest
import torch

from contractive import ContractiveAutoencoder, contraction_penalty
from tests.penalties.dense import assert_agrees, dense_jacobian


def trained(shape, hidden, seed, **settings):
    torch.manual_seed(seed)
    model = ContractiveAutoencoder(shape, hidden=hidden, **settings).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter))  # biases too, so that none is taken for another
    return model


def scaled(model):
    model.scaler.load_state_dict({"shift": torch.full((6,), 2.0), "scale": torch.full((6,), 0.25)})
    return model


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_the_penalty_of_the_stack_is_that_of_the_maps_one_after_the_other(activation):
    lower = trained((6,), [5, 4], 0, activation=activation)
    upper = trained((4,), [3], 1, activation=activation)
    deep = ContractiveAutoencoder.stack([lower, upper]).double()
    x = torch.randn(4, 6, dtype=torch.double, requires_grad=True)
    assert_agrees(lambda encoder, x: contraction_penalty(encoder, x, "layerwise"), deep.encoder, x)
    both = dense_jacobian(lambda x: upper.encoder(lower.encoder(x)), x)
    penalty = contraction_penalty(deep.encoder, x, "layerwise")[1]
    torch.testing.assert_close(penalty, both.square().sum((1, 2)))
    product = dense_jacobian(upper.encoder, lower.encoder(x)) @ dense_jacobian(lower.encoder, x)
    torch.testing.assert_close(both, product)


@pytest.mark.parametrize("tied", [(True, True), (True, False), (False, True), (False, False)])
def test_with_a_sigmoid_between_them_the_decoders_are_one_after_the_other_too(tied):
    """The cross-entropy has the upper model answer with a sigmoid of its logits, as the stack does."""
    lower = trained((6,), [4], 0, tied=tied[0])
    upper = trained((4,), [5, 3], 1, tied=tied[1], reconstruction="cross_entropy")
    deep = ContractiveAutoencoder.stack([lower, upper]).double()
    x = torch.rand(3, 6, dtype=torch.double)
    code = upper.encode(lower.encode(x))
    torch.testing.assert_close(deep.encode(x), code)
    torch.testing.assert_close(deep(x), lower.decode(upper.decode(code)))
    assert deep.decoder.tied == all(tied) and deep.reconstruction == "squared_error"


def test_the_first_model_scales_the_input_of_the_stack():
    lower, upper = scaled(trained((6,), [4], 0, scaled=True)), trained((4,), [3], 1)
    deep = ContractiveAutoencoder.stack([lower, upper]).double()
    x = 5 * torch.rand(3, 6, dtype=torch.double)
    torch.testing.assert_close(deep.encode(x), upper.encode(lower.encode(x)))


def test_convolutions_may_come_first():
    lower, upper = trained((1, 8, 8), [6], 0, channels=[2, 3]), trained((6,), [4], 1)
    deep = ContractiveAutoencoder.stack([lower, upper]).double()
    x = torch.rand(3, 1, 8, 8, dtype=torch.double)
    torch.testing.assert_close(deep.encode(x), upper.encode(lower.encode(x)))


def test_three_are_stacked_as_well_as_two_and_copies_do_not_share_their_weights():
    models = [trained((6,), [5], 0), trained((5,), [4], 1), trained((4,), [3], 2)]
    deep = ContractiveAutoencoder.stack(models, optimizer={"lr": 0.5}).double()
    x = torch.rand(2, 6, dtype=torch.double)
    before = models[2].encode(models[1].encode(models[0].encode(x)))
    torch.testing.assert_close(deep.encode(x), before)
    with torch.no_grad():
        deep.encoder[1].weight.zero_()
    torch.testing.assert_close(models[2].encode(models[1].encode(models[0].encode(x))), before)
    assert deep.hparams["optimizer"]["lr"] == 0.5 and deep.hparams["hidden"] == [5, 4, 3]


@pytest.mark.parametrize(
    ("upper", "said"),
    [
        ({"shape": (3,)}, r"models\[1\] takes examples of the shape \(3,\), .*models\[0\] are \(4,\)"),
        ({"scaled": True}, r"models\[1\] scales its inputs.* data\.scaling=none"),
        ({"activation": "tanh"}, "one activation; they have Sigmoid, Tanh"),
    ],
)
def test_models_that_do_not_fit_are_refused(upper, said):
    above = trained(**{"shape": (4,), "hidden": [3], "seed": 1, **upper})
    with pytest.raises(ValueError, match=said):
        ContractiveAutoencoder.stack([trained((6,), [4], 0), above])


def test_none_at_all_is_refused():
    with pytest.raises(ValueError, match="at least one autoencoder"):
        ContractiveAutoencoder.stack([])
