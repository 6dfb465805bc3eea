"""The figures: named axes, scales that fit the values, and nothing of matplotlib before one is drawn."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from contractive.diagnostics.figures import figure_pixels, ratio_figure, spectrum_figure


def axes_of(figure):
    (axes,) = figure.axes
    return axes


@pytest.mark.parametrize("size", [1e-9, 1e-3, 0.3, 50.0])
def test_the_axes_are_those_of_any_other_run(size):
    radii = torch.logspace(-2, 1, 5)
    decays = size * torch.logspace(0, -3, 20).repeat(3, 1)
    spectrum = axes_of(spectrum_figure(decays, "Spectrum · run a/b · epoch 3"))
    ratio = axes_of(ratio_figure(radii, {"random": decays[:, :5].T}, ""))
    for axes, limits in ((spectrum, (1e-4, 10)), (ratio, (1e-3, 10))):
        assert (axes.get_yscale(), axes.get_ylim()) == ("log", limits)
        heights = axes.lines[0].get_ydata()
        assert (heights >= limits[0]).all() and (heights <= limits[1]).all()
        is_cut = not limits[0] <= size * 1e-3 <= size <= limits[1]
        if axes is spectrum:
            assert ("at the edge where outside" in axes.get_legend().get_texts()[0].get_text()) == is_cut
    assert ratio.get_xlim()[0] < 0.01 and ratio.get_xlim()[1] > 10
    assert spectrum.get_title() == "Spectrum · run a/b · epoch 3"
    assert spectrum.get_xlabel() == "index k"
    assert "[code per input]" in spectrum.get_ylabel()


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
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["random", "neighbours", "distance of nearest neighbours"]


def test_matplotlib_waits_for_the_first_figure():
    code = (
        "import sys, contractive.diagnostics.figures, contractive.diagnostics.picture_table;"
        "assert not [m for m in sys.modules if m.startswith('matplotlib')]"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
