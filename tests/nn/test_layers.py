"""Encoders and decoders."""

import copy

import pytest
import torch
from torch import nn

from contractive.nn.layers import Decoder, make_encoder


def autoencoder(input_shape, hidden, channels=(), *, tied, activation="tanh"):
    encoder = make_encoder(input_shape, hidden, activation, channels)
    return encoder, Decoder(encoder, input_shape, activation, tied=tied)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(
    ("input_shape", "hidden", "channels"),
    [((7,), [5], []), ((1, 8, 8), [6, 3], []), ((3, 9, 14), [5], [4, 6]), ((1, 28, 28), [8, 4], [2])],
)
def test_the_decoder_returns_to_the_input_shape(input_shape, hidden, channels, tied):
    encoder, decoder = autoencoder(input_shape, hidden, channels, tied=tied)
    x = torch.rand(4, *input_shape)
    assert encoder(x).shape == (4, hidden[-1])
    assert decoder(encoder(x)).shape == x.shape


def test_a_tied_decoder_is_the_transposed_encoder_plus_a_bias():
    encoder, decoder = autoencoder((6,), [4], tied=True)
    code = torch.randn(3, 4)
    nn.init.normal_(decoder.biases[0])
    torch.testing.assert_close(decoder(code), code @ encoder[1].weight + decoder.biases[0])


def test_a_tied_deep_decoder_applies_the_transposes_in_reverse_order():
    encoder, decoder = autoencoder((6,), [5, 4], tied=True)
    code = torch.randn(3, 4)
    first, second = encoder[1].weight, encoder[3].weight
    torch.testing.assert_close(decoder(code), (code @ second).tanh() @ first)


def test_a_tied_convolutional_decoder_is_the_adjoint_of_a_linear_encoder():
    encoder, decoder = autoencoder((2, 9, 6), [5], [3], tied=True, activation="identity")
    for bias in (encoder[0].bias, encoder[3].bias, *decoder.biases):
        assert (bias == 0).all()
    x, h = torch.randn(1, 2, 9, 6).double(), torch.randn(1, 5).double()
    encoder.double(), decoder.double()
    torch.testing.assert_close((encoder(x) * h).sum(), (x * decoder(h)).sum())


def test_tied_weights_are_learnt_once_and_untied_ones_twice():
    encoder, decoder = autoencoder((6,), [4], tied=True)
    assert [p.shape for p in decoder.parameters()] == [(6,)]
    encoder, decoder = autoencoder((6,), [4], tied=False)
    assert sorted(p.numel() for p in decoder.parameters()) == [6, 24]


def test_weights_stay_tied_in_a_deep_copy():
    model = nn.ModuleList(autoencoder((6,), [4], tied=True))
    encoder, decoder = copy.deepcopy(model)
    nn.init.zeros_(encoder[1].weight)
    assert (decoder(torch.randn(2, 4)) == 0).all()


def test_convolutions_of_a_table_are_refused():
    with pytest.raises(ValueError, match=r"channels=\[4\] needs images.*\(10,\)"):
        make_encoder((10,), [4], "relu", [4])
