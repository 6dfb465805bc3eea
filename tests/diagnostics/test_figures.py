"""The figures: named axes, scales that fit the values, and nothing of matplotlib before one is drawn."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from contractive.diagnostics.figures import (
    figure_pixels,
    picture_table,
    ratio_figure,
    signed_pictures,
    spectrum_figure,
)


def axes_of(figure):
    (axes,) = figure.axes
    return axes


def test_a_spectrum_over_decades_is_drawn_on_a_logarithmic_axis():
    values = torch.logspace(0, -4, 20).repeat(3, 1)
    axes = axes_of(spectrum_figure(values, "Spectrum · run a/b · epoch 3"))
    assert axes.get_yscale() == "log"
    assert axes.get_ylim()[0] > 0
    assert axes.get_title() == "Spectrum · run a/b · epoch 3"
    assert axes.get_xlabel() == "index k"
    assert "[code per input]" in axes.get_ylabel()


def test_a_flat_spectrum_is_drawn_from_zero():
    axes = axes_of(spectrum_figure(torch.linspace(2, 1, 20).repeat(3, 1), ""))
    assert axes.get_yscale() == "linear"
    assert axes.get_ylim()[0] == 0


def test_the_spectrum_of_an_encoder_that_ignores_its_input_can_be_drawn():
    assert figure_pixels(spectrum_figure(torch.zeros(3, 20), "")).std() > 0


def test_the_line_is_the_mean_of_the_examples():
    values = torch.tensor([[4.0, 3.0], [2.0, 1.0]])
    line = axes_of(spectrum_figure(values, "")).lines[0]
    np.testing.assert_allclose(line.get_xydata(), [[1, 3], [2, 2]])


def test_ratios_are_drawn_over_a_logarithmic_radius_with_a_line_for_each_kind():
    radii = torch.logspace(-2, 1, 5)
    ratios = {"random": torch.full((5, 3), 0.3), "neighbours": torch.full((5, 3), 0.4)}
    axes = axes_of(ratio_figure(radii, ratios, "", neighbour=2.0))
    assert axes.get_xscale() == "log"
    assert axes.get_yscale() == "linear"
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["random", "neighbours", "distance of nearest neighbours"]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_stands_in_its_row_and_column(channels):
    pictures = torch.zeros(2, 3, channels, 4, 5)
    pictures[1, 2] = 1.0
    axes = axes_of(picture_table(pictures, ["a", "b"], ["x", "y", "z"], ""))
    sheet = np.asarray(axes.images[0].get_array())[..., 0]
    assert sheet.shape == (2 * 6 + 2, 3 * 7 + 2)
    assert sheet[8:12, 16:21].min() == 1
    assert sheet[2:6, 2:7].max() == 0
    assert list(axes.get_xticks()) == [4.0, 11.0, 18.0]  # the middle of each picture
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]


def test_zero_is_grey_and_the_largest_magnitude_of_each_picture_black_or_white():
    values = torch.zeros(3, 2, 28, 28)
    values[1, 0, 3, 4], values[1, 1, 5, 6], values[2, 0, 0, 0] = 2.0, 1.0, -0.1
    pictures = signed_pictures(values)
    assert (pictures[0] == 0.5).all()
    assert (pictures[1, 0, 3, 4], pictures[1, 1, 5, 6], pictures[2, 0, 0, 0]) == (1.0, 0.75, 0.0)
    torch.testing.assert_close(signed_pictures(values[None]), pictures[None])


def test_matplotlib_waits_for_the_first_figure():
    code = (
        "import sys, contractive.diagnostics.figures;"
        "assert not [m for m in sys.modules if m.startswith('matplotlib')]"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
