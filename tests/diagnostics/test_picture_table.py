"""Pictures in a table, as one picture."""

import pytest
import torch

from contractive.diagnostics.picture_table import ABOVE, GAP, LEFT, picture_table, signed_pictures


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_stands_in_its_row_and_column(channels):
    pictures = torch.zeros(2, 3, channels, 28, 14)
    pictures[1, 2] = torch.linspace(0, 1, 14)
    table = picture_table(pictures, ["a", "b"], ["x", "y", "z"], "")
    assert table.shape == (3, ABOVE + 2 * (56 + GAP), LEFT + 3 * (28 + GAP))
    shown = table[:, ABOVE + 58 :, LEFT + 2 * 30 :][:, :56, :28]
    expected = pictures[1, 2].repeat_interleave(2, 1).repeat_interleave(2, 2).expand(3, -1, -1)
    torch.testing.assert_close(shown, expected, rtol=0, atol=0.5 / 255)
    assert table[:, ABOVE : ABOVE + 56, LEFT : LEFT + 28].max() == 0


def test_names_stand_beside_and_above_the_pictures():
    def dark(rows, columns, title):
        pictures = torch.ones(2, 2, 1, 28, 28)
        return picture_table(pictures, rows, columns, title).amin(0) < 0.5

    by_row = dark(["", "σ₁ = 0.3"], ["", ""], "")
    assert by_row[ABOVE + 58 :, :LEFT].any() and not by_row[: ABOVE + 58].any() and not by_row[:, LEFT:].any()
    by_column = dark(["", ""], ["", "v1"], "")
    assert by_column[:ABOVE, LEFT + 58 :].any() and not by_column[ABOVE:].any()
    titled = dark(["", ""], ["", ""], "Walks g(f(x + t v)) · run 2026-11-24/2_lam=0.01 · epoch 100")
    assert titled[: ABOVE // 2].any() and not titled[ABOVE // 2 :].any()
    assert not titled[:, -2:].any()  # as wide as its title


def test_a_large_picture_is_shrunk_to_the_means_of_its_parts():
    picture = torch.rand(1, 1, 3, 300, 200)
    table = picture_table(picture, [""], [""], "")
    shown = table[:, ABOVE:, LEFT:][:, :100, :67]
    torch.testing.assert_close(
        shown[:, 4, 5], picture[0, 0, :, 12:15, 15:18].mean((1, 2)), rtol=0, atol=1 / 255
    )
    assert table.shape[1:] == (ABOVE + 100 + GAP, LEFT + 67 + GAP)


def test_zero_is_grey_and_the_largest_magnitude_of_each_picture_black_or_white():
    values = torch.zeros(3, 2, 28, 28)
    values[1, 0, 3, 4], values[1, 1, 5, 6], values[2, 0, 0, 0] = 2.0, 1.0, -0.1
    pictures = signed_pictures(values)
    assert (pictures[0] == 0.5).all()
    assert (pictures[1, 0, 3, 4], pictures[1, 1, 5, 6], pictures[2, 0, 0, 0]) == (1.0, 0.75, 0.0)
    torch.testing.assert_close(signed_pictures(values[None]), pictures[None])
