"""Figures of the diagnostics, as matplotlib figures that no window and no global state knows of.

Background and text are opaque, so that they read on a dark page as on a light one. Matplotlib is imported
when the first figure is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from contractive.diagnostics.spectrum import effective_rank
from contractive.palette import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def spectrum_figure(values: Tensor, title: str) -> Figure:
    """Draw singular values ``(batch, rank)`` over their index: the examples' mean and middle 80 %."""
    figure, axes = _figure(title)
    index = np.arange(1, values.shape[1] + 1)
    mean = _band(axes, index, values, COLOURS[0], label=f"mean of {len(values)} examples, and middle 80 %")
    rank = float(effective_rank(values).mean())
    axes.axvline(rank, color=COLOURS[1], linestyle="--", label=f"effective rank {rank:.1f}")
    axes.set(xlabel="index k", ylabel="singular value σ_k  [code per input]")
    _scale(axes, mean)
    # A fixed corner: searching for the emptiest one takes as long as drawing.
    axes.legend(loc="upper right")
    return figure


def ratio_figure(
    radii: Tensor, ratios: Mapping[str, Tensor], title: str, neighbour: float | None = None
) -> Figure:
    """Draw contraction ratios over the radius, a line with the middle 80 % for each kind of direction.

    Each of ``ratios`` is ``(radii, batch)``, as ``contraction_ratio`` returns it; ``neighbour``, the typical
    distance between nearest neighbours, is marked if it is given.
    """
    figure, axes = _figure(title)
    x = radii.cpu().numpy()
    means = [
        _band(axes, x, ratio.T, colour, marker=".", label=name)
        for colour, (name, ratio) in zip(COLOURS, ratios.items())
    ]
    if neighbour is not None:
        axes.axvline(neighbour, color="#666666", linestyle="--", label="distance of nearest neighbours")
    axes.set(xlabel="radius r  [input]", ylabel="‖f(x + r u) − f(x)‖ / r  [code per input]", xscale="log")
    _scale(axes, np.concatenate(means))
    axes.legend(loc="lower left")
    return figure


def picture_table(pictures: Tensor, rows: Sequence[str], columns: Sequence[str], title: str) -> Figure:
    """Draw pictures ``(rows, columns, 1 or 3, height, width)`` in [0, 1] in a table with named sides."""
    from matplotlib.figure import Figure
    from torchvision.utils import make_grid

    high, wide, _, height, width = pictures.shape
    sheet = make_grid(pictures.flatten(0, 1).clamp(0, 1).cpu(), nrow=wide, padding=2, pad_value=1.0)
    # In inches: the sheet, with room for the names on its left and the title above.
    left, above, sheet_width, sheet_height = 0.9, 0.6, 0.62 * wide, 0.62 * high * height / width
    whole_width, whole_height = left + sheet_width, above + sheet_height
    figure = Figure(figsize=(whole_width, whole_height))
    axes = figure.add_axes((left / whole_width, 0, sheet_width / whole_width, sheet_height / whole_height))
    axes.imshow(sheet.movedim(0, 2).numpy())
    axes.set_xticks((np.arange(wide) + 0.5) * (width + 2) + 0.5, columns, fontsize=8)
    axes.set_yticks((np.arange(high) + 0.5) * (height + 2) + 0.5, rows, fontsize=8)
    axes.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    axes.spines[:].set_visible(False)
    figure.suptitle(title, fontsize=10)
    return figure


def signed_pictures(values: Tensor) -> Tensor:
    """Values ``(..., channels, height, width)`` in [0, 1]: 0 is grey, the largest of each black or white."""
    largest = values.abs().amax((-3, -2, -1), keepdim=True).clamp_min(torch.finfo(values.dtype).tiny)
    return 0.5 + 0.5 * values / largest


def figure_pixels(figure: Figure) -> np.ndarray:
    """Draw a figure into an array of bytes, ``(height, width, 3)``."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _figure(title: str) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5))
    # Margins in advance: letting matplotlib find them takes as long as drawing.
    axes = figure.add_axes((0.12, 0.12, 0.85, 0.8))
    axes.set_title(title, fontsize=10)
    axes.grid(alpha=0.3)
    return figure, axes


def _band(axes: Axes, x: np.ndarray, values: Tensor, colour: str, **style: Any) -> np.ndarray:
    """Draw the mean of values ``(batch, points)`` and their middle 80 %; return the mean."""
    low, high = values.quantile(values.new_tensor([0.1, 0.9]), dim=0).cpu().numpy()
    mean: np.ndarray = values.mean(0).cpu().numpy()
    axes.fill_between(x, low, high, color=colour, alpha=0.25, linewidth=0)
    axes.plot(x, mean, color=colour, **style)
    return mean


def _scale(axes: Axes, values: np.ndarray) -> None:
    """Make the y axis logarithmic if the values span a decade, and let it begin at zero if not."""
    largest = float(values.max())
    # Below this there is only the rounding of single precision.
    floor = 1e-8 * largest
    if largest > 10 * max(float(values.min()), floor):
        axes.set_yscale("log")
        axes.set_ylim(bottom=max(float(values.min()) / 2, floor))
    else:
        axes.set_ylim(bottom=0)
