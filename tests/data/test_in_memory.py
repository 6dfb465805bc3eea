"""Arrays and tensors that are in memory already."""

import numpy as np
import pytest
import torch

from contractive.data.in_memory import InMemory

X = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
Y = np.arange(12) % 3


def read(data):
    return InMemory(data=data).read()["train"]


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f8", "i8", "i1", ">u2", "?"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_numbers_become_float32_whatever_their_type_and_order(dtype, order):
    x = np.asarray(10 * X, dtype, order=order)
    examples = read(x)
    assert examples.x.dtype == torch.float32 and examples.y is None
    np.testing.assert_array_equal(examples.x, x.astype(np.float32))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.int16, torch.bool])
def test_tensors_are_taken_as_arrays_are(dtype):
    x = (torch.from_numpy(X) * 10).to(dtype)
    y = torch.from_numpy(Y).to(torch.int16)
    examples = read((x, y))
    assert torch.equal(examples.x, x.float()) and examples.x.dtype == torch.float32
    assert torch.equal(examples.y, torch.from_numpy(Y).long())
    assert not read(x.float().requires_grad_()).x.requires_grad


def test_bytes_stay_bytes_and_pictures_get_their_channels_first():
    x = np.random.default_rng(0).integers(0, 256, (5, 6, 7, 3), np.uint8)
    np.testing.assert_array_equal(read(x).x, x.transpose(0, 3, 1, 2))
    assert read(torch.from_numpy(x)).x.dtype == torch.uint8
    assert read(x[..., 0]).x.shape == (5, 1, 6, 7)


@pytest.mark.parametrize("view", [X[::-1], X[:, ::-1], X[::2], X.T, np.broadcast_to(X[0], X.shape)])
def test_views_and_arrays_that_may_not_be_written_are_taken(view, recwarn):
    np.testing.assert_array_equal(read(view).x, view)
    assert not recwarn.list


def test_labels_may_be_strings():
    assert read((X, np.array(["b", "a", "c"] * 4))).y.tolist() == [1, 0, 2] * 4


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (5, r"an array or a tensor x, or a pair \(x, y\) of them; got int"),
        ([[1.0], [2.0]], "got list: convert it"),
        ((X, Y, Y), "got tuple"),
        ((X, list(Y)), "got list"),
        (X[:, 0], r"x: must be \(n, features\)"),
        (X[:1], "x: holds 1 of the at least 2"),
        (X.astype(complex), "source: holds complex128, not real numbers"),
        (X.astype(object), "source: holds object"),
        (torch.eye(4).to_sparse(), "source: holds a sparse"),
        (np.where(X[7, 2] == X, np.nan, X), "x: 1 value is NaN.* the first in row 7"),
        (np.where(X[7, 2] == X, 1e300, X.astype(float)), "x: 1 value is .*float32, the first in row 7"),
        ((X, Y[:5]), "y: there are 12 examples and 5 labels"),
        ((X, np.full(12, np.inf)), "y: labels must be finite numbers or strings"),
    ],
)
def test_anything_else_is_refused_in_one_line(data, message):
    with pytest.raises(ValueError, match=message) as error:
        read(data)
    assert "\n" not in str(error.value)
