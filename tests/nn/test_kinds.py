"""What goes in comes out: tensors, arrays, data frames."""

import logging

import numpy as np
import pandas as pd
import pytest
import torch

from contractive import Autoencoder

NAMES = ["a", "b", "c"]


def model(shape=(3,), **settings):
    torch.manual_seed(0)
    net = Autoencoder(shape, hidden=[2], scaled=True, **settings)
    net.scaler.shift.fill_(1.0)
    net.scaler.scale.fill_(0.5)
    return net


X = np.random.default_rng(0).random((4, 3)).astype("f4")
FRAME = pd.DataFrame(X, index=list("wxyz"), columns=NAMES)


@pytest.mark.parametrize("name", ["encode", "reconstruct"])
def test_arrays_and_frames_are_answered_as_tensors_are(name):
    ask = getattr(model(), name)
    tensor = ask(torch.from_numpy(X))
    assert tensor.requires_grad
    array, frame = ask(X), ask(FRAME)
    np.testing.assert_array_equal(array, tensor.detach())
    columns = ["code0", "code1"] if name == "encode" else NAMES
    pd.testing.assert_frame_equal(frame, pd.DataFrame(array, FRAME.index, columns))
    np.testing.assert_array_equal(ask(X.tolist()), array)


def test_codes_of_any_kind_are_decoded_in_kind():
    net = model()
    code = net.encode(FRAME)
    expected = net.decode(torch.tensor(code.to_numpy())).detach()
    np.testing.assert_array_equal(net.decode(code.to_numpy()), expected)
    pd.testing.assert_frame_equal(
        net.decode(code[["code1", "code0"]]), pd.DataFrame(expected.numpy(), FRAME.index, ["x0", "x1", "x2"])
    )
    net.columns = NAMES
    assert list(net.decode(code)) == NAMES
    torch.testing.assert_close(net(X), expected)
    with pytest.raises(ValueError, match="code lacks 'code1' of the 2 columns"):
        net.decode(code[["code0"]])


def test_columns_are_matched_by_name_where_the_training_data_had_names(caplog):
    net = model()
    net.columns = NAMES
    expected = net.encode(FRAME)
    other = FRAME[["c", "a", "b"]].assign(label="x")
    with caplog.at_level(logging.WARNING, logger="contractive"):
        pd.testing.assert_frame_equal(net.encode(other), expected)
    assert caplog.messages == ["x: 'label' not among what this model takes: left out"]
    assert list(net.reconstruct(other)) == NAMES
    with pytest.raises(ValueError, match=r"^x lacks 'a', 'c' of the 3 columns that this model takes$"):
        net.encode(FRAME[["b"]])


def test_a_column_that_holds_no_numbers_is_named():
    with pytest.raises(ValueError, match="x holds no numbers in 'b': convert or drop them"):
        model().encode(FRAME.assign(b=["one", "two", "three", "four"]))


@pytest.mark.parametrize("dtype", ["Int64", "boolean", "Float32", "int8", "bool"])
def test_columns_of_any_numbers_are_taken(dtype):
    frame = (FRAME > 0.5).astype(dtype)
    expected = model().encode((X > 0.5).astype("f4"))
    np.testing.assert_array_equal(model().encode(frame).to_numpy(), expected)


def test_what_is_missing_stays_missing():
    frame = FRAME.astype("Float64")
    frame.loc["x", "b"] = pd.NA
    assert model().encode(frame).isna().any(axis=1).tolist() == [False, True, False, False]


@pytest.mark.parametrize("reconstruction", ["squared_error", "cross_entropy"])
def test_bytes_give_bytes_in_any_kind(reconstruction):
    net = model((1, 2, 2), reconstruction=reconstruction)
    x = np.arange(20, dtype="u1").reshape(5, 1, 2, 2) * 12
    floats = net(torch.from_numpy(x)).detach().numpy()
    expected = np.clip(np.round(255 * floats), 0, 255)
    array, tensor = net.reconstruct(x), net.reconstruct(torch.from_numpy(x))
    frame = net.reconstruct(pd.DataFrame(x.reshape(5, 4)))
    assert array.dtype == np.uint8 and tensor.dtype == torch.uint8 and (frame.dtypes == "u1").all()
    for given in (array, tensor.numpy(), frame.to_numpy().reshape(x.shape)):
        np.testing.assert_array_equal(given, expected)


@pytest.mark.parametrize("name", ["encode", "reconstruct"])
def test_values_far_beyond_those_of_the_training_data_are_told(name, caplog):
    net = model()
    ask = getattr(net, name)
    ask(16 * X)  # nothing is known
    net.trained_range = (0.0, 1.0)
    ask(2 * X)
    ask(X - 1)
    ask(torch.from_numpy(16 * X))
    assert not caplog.messages
    x = np.array([[0.0, 0.5, 16.0]])
    ask(x)
    ask(pd.DataFrame(-x))
    said = ": are the units the same?"
    assert caplog.messages == [
        f"x has values from 0 to 16, the training data had 0 to 1{said}",
        f"x has values from -16 to -0, the training data had 0 to 1{said}",
    ]


def test_no_examples_have_no_codes():
    net = model((1, 2, 2))
    assert net.encode(np.empty((0, 1, 2, 2))).shape == (0, 2)
    assert net.reconstruct(pd.DataFrame(np.empty((0, 4)))).shape == (0, 4)


def test_half_precision_is_answered_in_single_where_numpy_has_no_such_type():
    assert model().bfloat16().encode(X).dtype == np.float32
