"""Parallel coordinates: networks in many quantities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from pymoo_prune.errors import PruneError
from pymoo_prune.objectives import Quantity, Series, Values
from pymoo_prune.plots.canvas import axes_in
from pymoo_prune.plots.checks import check_columns, check_known, check_some
from pymoo_prune.plots.style import GREY, SCREEN, WIDEST, FigureStyle, set_axis

TEXT_BOX: dict[str, Any] = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 0.8}
"""The box behind text on lines."""
ROOM_FOR_NUMBERS = 0.8
"""Numbers are written beside axes that are at least this far from each other, in inches."""
CHOSEN_LINE: dict[str, Any] = {"color": "black", "linewidth": 2.2, "marker": "o", "clip_on": False}


def draw_parallel(
    path: Path | str | None,
    series: Series,
    names: Sequence[str],
    quantities: Mapping[str, Quantity],
    *,
    chosen: int | None = None,
    title: str = "",
    style: FigureStyle = SCREEN,
    ax: Axes | None = None,
) -> Axes:
    """Draws a vertical axis for each quantity, and a line for each network.

    Better is up on every axis. The colour of a line is that of the first axis where the line
    begins, or grey without a number there. A missing number leaves a gap.

    Args:
        path: PNG, SVG or PDF file; None writes none.
        series: The networks.
        names: The quantities, two or more, from left to right.
        quantities: Labels, units, and which way is better.
        chosen: The row of the network that is drawn bold, with its numbers.
        title: The title above the picture.
        style: The sizes, for a screen or a paper.
        ax: Axes of the caller's; their figure is neither written nor closed.

    Returns:
        The axes of the lines; those with the ticks lie on them.
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
    size = style.size(min(2.4 + 1.5 * len(names), WIDEST), 4.4)
    if style.paper:  # names of quantities may need much of the height
        size = size[0], size[1] + 0.5
    with axes_in(path, size, ax, title=title, style=style) as host:
        width = (size[0] - 1) / (len(names) - 1)
        _set_host(host, [quantities[name].label for name in names], width, style)
        host.yaxis.labelpad = 3.4 * style.text  # left of the first axis's ticks
        scales = [
            _vertical_axis(
                host, place / (len(names) - 1), quantities[name], series.columns[name], style
            )
            for place, name in enumerate(names)
        ]
        columns = [series.columns[name] for name in names]
        heights = np.array([_heights(*pair) for pair in zip(scales, columns, strict=True)])
        _draw_lines(host, heights, style.scale)
        if chosen is not None:
            room = width > ROOM_FOR_NUMBERS
            bold = {**CHOSEN_LINE, "linewidth": style.scale * CHOSEN_LINE["linewidth"]}
            bold["markersize"] = 6 * style.scale
            (line,) = host.plot(heights[:, chosen], label=f"network {chosen}", **bold)
            for place, name in enumerate(names):
                value = float(series.columns[name][chosen])
                if room and np.isfinite(value):
                    text = quantities[name].format(value)
                    _write(scales[place], place, value, text, _small(style))
            _show_legend(host, line, own=ax is None)
    return host


def _show_legend(host: Axes, line: Line2D, *, own: bool) -> None:
    figure = host.get_figure()
    if own and figure is not None:
        figure.legend(handles=[line], loc="outside lower right")
    else:
        host.legend(handles=[line])


def _small(style: FigureStyle) -> float:
    """The size of numbers on axes."""
    return style.text if style.paper else 8.5


def _set_host(host: Axes, labels: Sequence[str], width: float, style: FigureStyle) -> None:
    """Sets the axes for all lines, from 0 to 1, with the names of the quantities below."""
    words = [word for label in labels for word in label.split()]
    slanted = max(map(style.width_of, words)) > 0.95 * width
    wide = 1.2 if slanted else 0.9 * min(width, 1.15)
    host.set(xlim=(0, len(labels) - 1), ylim=(0, 1), ylabel="better on every axis →")
    look: dict[str, Any] = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"}
    lines = [style.wrapped(one, wide) for one in labels]
    host.set_xticks(range(len(labels)), labels=lines, **(look if slanted else {}))
    host.tick_params(length=0, pad=6)
    host.yaxis.set_major_locator(NullLocator())
    host.spines[:].set_visible(False)
    host.grid(visible=False)


def _vertical_axis(
    host: Axes, where: float, quantity: Quantity, values: Values, style: FigureStyle
) -> Axes:
    """An axis with its own ticks, better upwards."""
    axes = host.twinx()
    axes.tick_params(labelsize=_small(style))
    set_axis(axes, "y", quantity, values)
    axes.yaxis.set_inverted(quantity.better == "lower")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.tick_left()
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


def _draw_lines(host: Axes, heights: Values, scale: float) -> None:
    """Draws a line for each network, and the colours of values beside the first axis."""
    # Without cividis's lightest yellow, which is hard to see on white.
    dark = ListedColormap(colormaps["cividis"](np.linspace(0, 0.9, 256)))
    colours = dark.with_extremes(bad=GREY)
    for line in heights.T:
        host.plot(line, color=colours(line[0]), linewidth=1.1 * scale, alpha=0.85)
    for low in np.linspace(0, 1, 64, endpoint=False):
        host.vlines(0, low, low + 1 / 64, color=dark(low), linewidth=7 * scale, clip_on=False)


def _write(axes: Axes, place: int, value: float, text: str, size: float) -> None:
    axes.annotate(
        text,
        (place, value),
        xytext=(7, 4),
        textcoords="offset points",
        fontsize=size,
        fontweight="bold",
        bbox=TEXT_BOX,
    )
