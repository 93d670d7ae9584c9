"""Fronts in costs, pair by pair of axes, beside a known front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.lines import Line2D

from pymoo_prune.errors import PruneError
from pymoo_prune.objectives import Values
from pymoo_prune.plots.canvas import panels_in
from pymoo_prune.plots.checks import check_some
from pymoo_prune.plots.legends import place_legend
from pymoo_prune.plots.style import LIGHT, SCREEN, AnyFigure, FigureStyle, compact, limits, look
from pymoo_prune.plots.ticks import RoomyLocator


def draw_costs(
    path: Path | str | None,
    fronts: Mapping[str, Values],
    labels: Sequence[str],
    *,
    known: Values,
    known_label: str,
    title: str = "",
    style: FigureStyle = SCREEN,
    figure: AnyFigure | None = None,
) -> AnyFigure:
    """Draws the first cost over every other one, for several methods; lower is better.

    Args:
        path: PNG, SVG or PDF file; None writes none.
        fronts: The points of each method, (n, costs).
        labels: The names of the costs, two or more.
        known: The points of a known front, (n, costs), which are drawn light behind the others.
        known_label: Its name.
        title: The title above the picture.
        style: The sizes, for a screen or a paper.
        figure: A figure of the caller's, for the panels; it is neither written nor closed.

    Returns:
        The picture.
    """
    check_some("fronts", fronts)
    if len(labels) < 2:
        msg = f"fronts must have two costs or more, but there are {len(labels)}"
        raise PruneError(msg)
    panels = len(labels) - 1
    rows, columns = style.grid(panels)
    width, height = style.size(min(1.8 + 5.4 * columns, 12.6), 4.2, columns=columns)
    every = np.concatenate([known, *fronts.values()])
    with panels_in(path, (width, height * rows), figure, title=title, style=style) as drawn:
        grid = drawn.subplots(rows, columns, sharey=True, squeeze=False)
        for axes in grid.flat[panels:]:
            axes.remove()
        for place, axes in enumerate(grid.flat[:panels]):
            cost = place + 1
            axes.plot(known[:, cost], known[:, 0], **_dots(style))
            for method, points in enumerate(fronts.values()):
                axes.plot(points[:, cost], points[:, 0], **_hollow(method, style))
            axes.set_xlabel(labels[cost])
            axes.set(xlim=limits(every[:, cost]), ylim=limits(every[:, 0]))
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_major_locator(RoomyLocator())
                axis.set_major_formatter(lambda value, _: compact(round(value, 9)))
            if place % columns == 0:
                axes.set_ylabel(labels[0])
        handles = [
            Line2D([], [], label=name, **_hollow(place, style)) for place, name in enumerate(fronts)
        ]
        handles.append(Line2D([], [], label=known_label, **_dots(style)))
        place_legend(drawn, handles, style, own=figure is None)
    return drawn


def _hollow(place: int, style: FigureStyle) -> dict[str, Any]:
    """The look of the method at this place: hollow markers, so that others show behind them."""
    return {**look(place, style.scale), "linestyle": "none", "fillstyle": "none"}


def _dots(style: FigureStyle) -> dict[str, Any]:
    """The look of the known front."""
    return {"color": LIGHT, "marker": ".", "markersize": 5 * style.scale, "linestyle": "none"}
