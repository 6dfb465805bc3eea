"""Grids of pictures."""

import pytest
import torch
from torch import nn

from contractive.nn.layers import make_encoder
from contractive.training.callbacks.pictures import (
    first_filters,
    image_grid,
    reconstruction_grid,
)


def test_pictures_stand_in_rows_with_a_white_rim():
    images = torch.rand(7, 3, 28, 30)
    grid = image_grid(images, columns=4)
    assert grid.shape == (3, 2 * 29 + 1, 4 * 31 + 1)
    torch.testing.assert_close(grid[:, 30:58, 63:93], images[6])
    assert (grid[:, 30:, 94:] == 1).all()


def test_small_pictures_are_enlarged_by_whole_pixels():
    images = torch.rand(2, 1, 8, 8)
    grid = image_grid(images, columns=1)
    assert grid.shape == (3, 67, 34)
    for offset in range(4):
        torch.testing.assert_close(grid[0, 1 + offset : 33 : 4, 1 + offset : -1 : 4], images[0, 0])


def test_each_reconstruction_stands_below_its_original():
    x = torch.linspace(0, 1, 10)[:, None, None, None].expand(10, 1, 28, 28)
    grid = reconstruction_grid(x, 1 - x, columns=5)
    assert grid.shape == (3, 4 * 29 + 1, 5 * 29 + 1)
    middle = grid[0, 15::29, 15::29]
    torch.testing.assert_close(middle[0], x[:5, 0, 0, 0])
    torch.testing.assert_close(middle[1], 1 - x[:5, 0, 0, 0])
    torch.testing.assert_close(middle[2], x[5:, 0, 0, 0])


def test_filters_are_the_weights_of_the_first_layer():
    encoder = make_encoder((1, 8, 8), [5, 3], "tanh")
    torch.testing.assert_close(first_filters(encoder, (1, 8, 8)), encoder[1].weight.view(5, 1, 8, 8))
    encoder = make_encoder((3, 8, 8), [5], "tanh", channels=[4])
    torch.testing.assert_close(first_filters(encoder, (3, 8, 8)), encoder[0].weight)
    with pytest.raises(ValueError, match="neither"):
        first_filters(nn.Sequential(nn.Flatten()), (1, 8, 8))
