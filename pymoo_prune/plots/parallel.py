"""Parallel coordinates: networks in many quantities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from pymoo_prune.errors import PruneError
from pymoo_prune.objectives import Quantity, Series, Values
from pymoo_prune.plots.checks import check_columns, check_known, check_some
from pymoo_prune.plots.style import GREY, picture, set_axis

TEXT_BOX: dict[str, Any] = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 0.8}
"""The box behind text on lines."""
CHOSEN_LINE: dict[str, Any] = {"color": "black", "linewidth": 2.2, "marker": "o", "clip_on": False}


def draw_parallel(
    path: Path | str,
    series: Series,
    names: Sequence[str],
    quantities: Mapping[str, Quantity],
    *,
    chosen: int | None = None,
    title: str = "",
) -> None:
    """Draws a vertical axis for each quantity, and a line for each network.

    Better is up on every axis. The colour of a line is that of the first axis where the line
    begins, or grey without a number there. A missing number leaves a gap.

    Args:
        path: PNG or SVG file.
        series: The networks.
        names: The quantities, two or more, from left to right.
        quantities: Labels, units, and which way is better.
        chosen: The row of the network that is drawn bold, with its numbers.
        title: The title above the picture.
    """
    if len(names) < 2 or len(set(names)) < len(names):
        msg = f"names must be two or more different quantities, but they are {list(names)}"
        raise PruneError(msg)
    check_known(names, quantities)
    check_columns(repr(series.name), series.columns, names)
    check_some(f"networks of {series.name!r}", series)
    if chosen is not None and not 0 <= chosen < len(series):
        msg = f"chosen must be a row of {series.name!r}, 0 to {len(series) - 1}, not {chosen}"
        raise PruneError(msg)
    with picture(path, (2.4 + 1.5 * len(names), 4.4), title=title) as figure:
        host = _host(figure, [quantities[name].label for name in names])
        scales = [
            _vertical_axis(host, place / (len(names) - 1), quantities[name], series.columns[name])
            for place, name in enumerate(names)
        ]
        columns = [series.columns[name] for name in names]
        heights = np.array([_heights(*pair) for pair in zip(scales, columns, strict=True)])
        _draw_lines(host, heights)
        if chosen is not None:
            host.plot(heights[:, chosen], label=f"network {chosen}", **CHOSEN_LINE)
            for place, name in enumerate(names):
                value = float(series.columns[name][chosen])
                if np.isfinite(value):
                    text = quantities[name].format(value)
                    _write(scales[place], place, value, text)
            figure.legend(loc="outside lower right")


def _host(figure: Figure, labels: Sequence[str]) -> Axes:
    """The axes for all lines, from 0 to 1, with the names of the quantities below."""
    host = figure.add_subplot()
    host.set(xlim=(0, len(labels) - 1), ylim=(0, 1), ylabel="better on every axis →")
    host.set_xticks(range(len(labels)), labels=[fill(label, 15) for label in labels])
    host.tick_params(length=0, pad=6)
    host.yaxis.set_major_locator(NullLocator())
    host.yaxis.labelpad = 34  # left of the first axis's ticks
    host.spines[:].set_visible(False)
    host.grid(visible=False)
    return host


def _vertical_axis(host: Axes, where: float, quantity: Quantity, values: Values) -> Axes:
    """An axis with its own ticks, better upwards."""
    axes = host.twinx()
    set_axis(axes, "y", quantity, values)
    axes.yaxis.set_inverted(quantity.better == "lower")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.tick_left()
    axes.tick_params(labelsize=8.5)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.spines["left"].set_visible(True)
    axes.spines["left"].set_position(("axes", where))
    # This comes last, because a spine that is moved forgets its ticks.
    for label in axes.get_yticklabels():
        label.set_bbox(TEXT_BOX)
    return axes


def _heights(axes: Axes, values: Values) -> Values:
    """The places of values on an axis, 0 at the bottom and 1 at the top."""
    points = np.column_stack([np.zeros(len(values)), values])
    return np.asarray((axes.transScale + axes.transLimits).transform(points)[:, 1])


def _draw_lines(host: Axes, heights: Values) -> None:
    """Draws a line for each network, and the colours of values beside the first axis."""
    # Without cividis's lightest yellow, which is hard to see on white.
    dark = ListedColormap(colormaps["cividis"](np.linspace(0, 0.9, 256)))
    colours = dark.with_extremes(bad=GREY)
    for line in heights.T:
        host.plot(line, color=colours(line[0]), linewidth=1.1, alpha=0.85)
    for low in np.linspace(0, 1, 64, endpoint=False):
        host.vlines(0, low, low + 1 / 64, color=dark(low), linewidth=7, clip_on=False)


def _write(axes: Axes, place: int, value: float, text: str) -> None:
    axes.annotate(
        text,
        (place, value),
        xytext=(7, 4),
        textcoords="offset points",
        fontsize=8.5,
        fontweight="bold",
        bbox=TEXT_BOX,
    )
