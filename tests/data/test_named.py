"""Data sets with names, as rows."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from torchvision.datasets import CIFAR10

from contractive.data.description import Description
from contractive.data.named import named_rows


def described(*shape):
    return Description("cifar10", list(shape), True, 0.0, 1.0)


def test_all_examples_come_training_first_in_the_colours_of_the_model(cifar10_root):
    rows = named_rows("cifar10", str(cifar10_root), described(3, 32, 32))
    pieces = list(rows.pieces())
    splits = [CIFAR10(cifar10_root, train=train) for train in (True, False)]
    expected = np.concatenate([split.data for split in splits]).transpose(0, 3, 1, 2)
    assert rows.count == 18 and np.array_equal(torch.cat([piece.x for piece in pieces]), expected)
    beside = pa.Table.from_batches([piece.beside for piece in pieces]).to_pydict()
    assert beside["split"] == ["train"] * 15 + ["test"] * 3
    assert beside["label"] == [*splits[0].targets, *splits[1].targets]
    assert torch.cat([piece.rows for piece in pieces]).tolist() == [*range(15), *range(3)]

    (grey, _) = named_rows("cifar10", str(cifar10_root), described(1, 32, 32)).pieces()
    luminance = splits[0].data @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(grey.x[:, 0], luminance, atol=0.501)


def test_examples_of_another_shape_are_refused(cifar10_root):
    with pytest.raises(ValueError, match=r"cifar10: an example is \(3, 32, 32\), .* \(3, 8, 8\): make"):
        named_rows("cifar10", str(cifar10_root), described(3, 8, 8))
