"""The autoencoder as a plain module."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from contractive import Autoencoder
from contractive.nn.settings import Network


def model(**settings):
    return Autoencoder((1, 4, 4), **{"hidden": [3], **settings})


X = np.random.default_rng(0).integers(0, 256, (5, 1, 4, 4))


@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", "i8", "i4", "u2", "?", ">f4", ">i8"])
def test_numbers_of_any_real_type_mean_themselves(dtype):
    net, x = model(), (X / 256 if "f" in dtype else X).astype(dtype)
    expected = net.encode(torch.from_numpy(x.astype("f4"))).detach().numpy()
    np.testing.assert_allclose(net.encode(x), expected, rtol=1e-6)
    turned = net.encode(x[:, :, ::-1])  # strides of any sign
    np.testing.assert_allclose(turned, net.encode(x[:, :, ::-1].copy()), rtol=1e-6)
    assert net.encode(x).dtype == np.float32


def test_bytes_mean_the_unit_interval_and_so_they_do_in_double_precision():
    for net in (model(), model().double()):
        x = X.astype("u1")
        expected = net.encode(torch.from_numpy(X / 255).to(next(net.parameters())))
        torch.testing.assert_close(net.encode(torch.from_numpy(x)), expected)
        np.testing.assert_allclose(net.encode(x), expected.detach(), rtol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.bool])
def test_tensors_of_any_real_type_are_taken(dtype):
    net, x = model(), torch.from_numpy(X % 2).to(dtype)
    torch.testing.assert_close(net(x), net(x.float()))


@pytest.mark.parametrize("x", [X.astype("c8"), X.astype(object), X.astype("U3"), torch.from_numpy(X) + 0j])
def test_what_is_no_real_number_is_refused(x):
    with pytest.raises(ValueError, match=r"x holds values of the type .*: give floats"):
        model().encode(x)


@pytest.mark.parametrize("shape", [(), (16,), (1, 4, 4), (5, 16), (5, 1, 4, 5)])
def test_inputs_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"x has the shape .*; this model was built for \(batch, 1, 4, 4\)"):
        model().encode(np.zeros(shape))


def test_codes_of_another_size_are_refused():
    assert model().decode(np.zeros((2, 3))).shape == (2, 1, 4, 4)
    with pytest.raises(
        ValueError, match=r"code has the shape \(2, 4\); this model was built for \(batch, 3\)"
    ):
        model().decode(np.zeros((2, 4)))


@pytest.mark.parametrize("reconstruction", ["squared_error", "cross_entropy"])
def test_a_reconstruction_is_in_the_units_of_the_data(reconstruction):
    net = model(reconstruction=reconstruction, scaled=True)
    net.scaler.load_state_dict({"shift": torch.full((1, 1, 1), 10.0), "scale": torch.full((1, 1, 1), 0.25)})
    x = torch.from_numpy(X).float()
    logits = net.decoder(net.encoder((x - 10) / 4))
    scaled = logits if reconstruction == "squared_error" else 1 / (1 + torch.exp(-logits))
    torch.testing.assert_close(net(x), 10 + 4 * scaled)


def test_an_unknown_setting_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match=r"hiden: there is no such setting; did you mean hidden\?"):
        Autoencoder((4,), hiden=[3])


def test_what_is_left_out_is_as_in_the_settings():
    net = Autoencoder((4,))
    assert net.code_size == Network().hidden[-1] == net.encode(torch.zeros(1, 4)).shape[1]
    assert net.decoder.tied and isinstance(net.encoder[-1], torch.nn.Sigmoid)


def test_encoding_and_the_transformer_need_no_lightning():
    code = "import contractive.sklearn, sys; contractive.Autoencoder, contractive.load_autoencoder"
    subprocess.run(
        [sys.executable, "-c", f"{code}; assert not {{'lightning', 'hydra'}} & sys.modules.keys()"],
        check=True,
    )
