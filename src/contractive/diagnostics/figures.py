"""Figures of the diagnostics, as matplotlib figures that no window and no global state knows of.

Their axes are the same for every run, so that figures compare as one leafs through them: what lies outside is
drawn at the edge. Background and text are opaque, so that they read on a dark page as on a light one.
Matplotlib is imported when the first figure is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from contractive.diagnostics.spectrum import effective_rank
from contractive.palette import COLOURS

# Of the vertical axes, code per input.
SINGULAR_VALUES = (1e-4, 1e1)
RATIOS = (1e-3, 1e1)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def spectrum_figure(values: Tensor, title: str) -> Figure:
    """Draw singular values ``(batch, rank)`` over their index: the examples' mean and middle 80 %."""
    figure, axes = _figure(title, SINGULAR_VALUES)
    index = np.arange(1, values.shape[1] + 1)
    _band(axes, index, values, COLOURS[0], label=f"mean of {len(values)} examples, and middle 80 %")
    rank = float(effective_rank(values).mean())
    axes.axvline(rank, color=COLOURS[1], linestyle="--", label=f"effective rank {rank:.1f}")
    axes.set(xlabel="index k", ylabel="singular value σ_k  [code per input]", xlim=(0, len(index) + 1))
    # A fixed corner: searching for the emptiest one takes as long as drawing.
    axes.legend(loc="lower left")
    return figure


def ratio_figure(
    radii: Tensor, ratios: Mapping[str, Tensor], title: str, neighbour: float | None = None
) -> Figure:
    """Draw contraction ratios over the radius, a line with the middle 80 % for each kind of direction.

    Each of ``ratios`` is ``(radii, batch)``, as ``contraction_ratio`` returns it; ``neighbour``, the typical
    distance between nearest neighbours, is marked if it is given.
    """
    figure, axes = _figure(title, RATIOS)
    x = radii.cpu().numpy()
    for colour, (name, ratio) in zip(COLOURS, ratios.items()):
        _band(axes, x, ratio.T, colour, marker=".", label=name)
    if neighbour is not None:
        axes.axvline(neighbour, color="#666666", linestyle="--", label="distance of nearest neighbours")
    axes.set(xlabel="radius r  [input]", ylabel="‖f(x + r u) − f(x)‖ / r  [code per input]")
    _logarithmic(axes, "x", (float(x[0]) / 1.2, float(x[-1]) * 1.2))
    axes.legend(loc="lower left")
    return figure


def named_pictures(pictures: Tensor, names: Sequence[str], columns: int = 8) -> Figure:
    """Draw pictures ``(n, 1 or 3, height, width)`` in [0, 1] in rows, each with its name above it."""
    from matplotlib.figure import Figure

    rows, tall = -(-len(pictures) // columns), pictures.shape[2] / pictures.shape[3]
    # In inches: a picture is 1 wide, 0.1 lies between two, 0.35 above each, and 0.05 around all.
    width, height = 1.1 * columns, (tall + 0.35) * rows + 0.05
    figure = Figure(figsize=(width, height))
    grid = figure.add_gridspec(
        *(rows, columns),
        left=0.05 / width,
        right=1 - 0.05 / width,
        bottom=0.05 / height,
        top=1 - 0.35 / height,
        wspace=0.1,
        hspace=0.35 / tall,
    )
    for number, (picture, name) in enumerate(zip(pictures.clamp(0, 1).cpu(), names)):
        axes = figure.add_subplot(grid[number])
        axes.imshow(picture.expand(3, -1, -1).movedim(0, 2).numpy())
        axes.set_title(name, fontsize=7, pad=2)
        axes.set_axis_off()
    return figure


def figure_pixels(figure: Figure) -> np.ndarray:
    """Draw a figure into an array of bytes, ``(height, width, 3)``."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _figure(title: str, heights: tuple[float, float]) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4))
    # Places in advance: letting matplotlib find them takes as long as drawing.
    axes = figure.add_axes((0.15, 0.13, 0.82, 0.79))
    axes.set_title(title, fontsize=10, y=1.0)
    axes.grid(alpha=0.3)
    _logarithmic(axes, "y", heights)
    return figure, axes


def _logarithmic(axes: Axes, which: str, limits: tuple[float, float]) -> None:
    """A logarithmic axis between two limits, with ticks at the decades: finer ones, and powers, take long."""
    from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

    low, high = np.log10(limits)
    axes.set(**{f"{which}scale": "log", f"{which}lim": limits})
    axis = getattr(axes, f"{which}axis")
    decades = 10.0 ** np.arange(np.ceil(low), np.floor(high) + 1)
    axis.set_major_locator(FixedLocator(decades.tolist()))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_locator(NullLocator())


def _band(axes: Axes, x: np.ndarray, values: Tensor, colour: str, **style: Any) -> None:
    """Draw the mean of values ``(batch, points)`` and their middle 80 %, both as far as the axis goes."""
    lines = (
        torch.stack([*values.quantile(values.new_tensor([0.1, 0.9]), dim=0), values.mean(0)]).cpu().numpy()
    )
    low, high, mean = np.clip(lines, *axes.get_ylim())
    if (mean != lines[2]).any():
        style["label"] += ", at the edge where outside"
    axes.fill_between(x, low, high, color=colour, alpha=0.25, linewidth=0)
    axes.plot(x, mean, color=colour, **style)
