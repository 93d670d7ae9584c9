"""Where two methods differ: the difference of their empirical attainment functions.

López-Ibáñez, Paquete and Stützle, "Exploratory analysis of stochastic local search algorithms in
biobjective optimization", 2010: two panels, one for the places where each method is ahead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import ArrayLike

from pymoo_prune.errors import PruneError
from pymoo_prune.objectives import Values, nondominated
from pymoo_prune.plots.attainment import attainment_surfaces
from pymoo_prune.plots.canvas import panels_in
from pymoo_prune.plots.legends import place_legend
from pymoo_prune.plots.style import COLOURS, GREY, SCREEN, AnyFigure, FigureStyle, compact, limits
from pymoo_prune.plots.ticks import RoomyLocator

SHADES = (0.2, 0.4, 0.6, 0.8, 1.0)
"""The upper ends of the steps of shade: differences as shares of the runs."""
LEGEND = "more of the runs, in %"
PIXELS = 360
"""Pixels of each side of a panel's shading."""
Sets = Sequence[Values]


@dataclass(frozen=True)
class AttainmentDifference:
    """The share of one method's runs that attain a pair of costs, minus that of another's.

    Attributes:
        first: The points of each run of the first method, (n, 2), lower is better.
        second: The points of each run of the second method.
        x: Edges of cells on the first axis, (columns,); the last cell reaches to the reference.
        y: Edges of cells on the second axis, (rows,).
        values: The difference in each cell, (columns, rows), from -1 to 1: the cell of an edge
            begins there, and its lower edges belong to it.
        reference: The upper end of both axes.
    """

    first: Sets
    second: Sets
    x: Values
    y: Values
    values: Values
    reference: float

    def at(self, x: Values, y: Values) -> Values:
        """The difference at all pairs of these costs, (len(x), len(y))."""
        padded = np.zeros((len(self.x) + 1, len(self.y) + 1))
        padded[1:, 1:] = self.values
        columns = np.searchsorted(self.x, x, side="right")
        rows = np.searchsorted(self.y, y, side="right")
        return padded[np.ix_(columns, rows)]

    @property
    def areas(self) -> tuple[float, float]:
        """The area where the first is ahead, and the second, weighted with the difference.

        Within the reference. The first less the second is the difference of the mean
        hypervolumes.
        """
        widths = np.diff(np.append(self.x, self.reference))
        heights = np.diff(np.append(self.y, self.reference))
        weighted = self.values * np.outer(widths, heights)
        return float(np.maximum(weighted, 0).sum()), float(np.maximum(-weighted, 0).sum())


def difference_of_attainment(
    first: Sets, second: Sets, *, reference: float = 1.0
) -> AttainmentDifference:
    """The difference of two empirical attainment functions.

    A run attains a pair of costs if one of its points is at least as good in both.

    Args:
        first: The points of each run of one method, (n, 2), lower is better. A run without points
            attains nothing.
        second: The points of each run of another method.
        reference: Points that are not better than this in both costs are left out.
    """
    inside = [[_front(points, reference) for points in sets] for sets in (first, second)]
    if not all(inside):
        msg = "a method must have a run, but one of the two has none"
        raise PruneError(msg)
    every = np.concatenate([points for sets in inside for points in sets])
    x, y = np.unique(every[:, 0]), np.unique(every[:, 1])
    mine, theirs = (_shares(sets, x, y) for sets in inside)
    return AttainmentDifference(inside[0], inside[1], x, y, mine - theirs, reference)


def _front(points: Values, reference: float) -> Values:
    """The nondominated points within the reference, (n, 2)."""
    if np.ndim(points) != 2 or np.shape(points)[1] != 2:
        msg = f"points must be of two costs, (n, 2), but their shape is {np.shape(points)}"
        raise PruneError(msg)
    inside = points[(points < reference).all(axis=1)]
    return inside[nondominated(inside)]


def _shares(sets: Sets, x: Values, y: Values) -> Values:
    """The share of the runs that attain each cell, (len(x), len(y))."""
    counts = np.zeros((len(x), len(y) + 1))
    columns = np.arange(len(x))
    for points in sets:
        # The lowest row that this run attains in each column.
        lowest = np.full(len(x), len(y))
        np.minimum.at(lowest, np.searchsorted(x, points[:, 0]), np.searchsorted(y, points[:, 1]))
        counts[columns, np.minimum.accumulate(lowest)] += 1
    return np.asarray(counts[:, :-1].cumsum(axis=1) / len(sets))


def draw_difference(
    path: Path | str | None,
    difference: AttainmentDifference,
    names: tuple[str, str],
    labels: tuple[str, str],
    *,
    places: tuple[int, int] = (0, 1),
    title: str = "",
    style: FigureStyle = SCREEN,
    figure: AnyFigure | None = None,
) -> AnyFigure:
    """Draws where each of two methods attains more than the other, side by side.

    The darker a place, the larger the share of runs that attain it more. Lines are what all runs of
    both methods attain together, what one run attains, and each method's median.

    Args:
        path: PNG, SVG or PDF file; None writes none.
        difference: The difference.
        names: The names of the methods, the first one's panel on the left.
        labels: The names of the costs.
        places: The methods' places, which decide their colours.
        title: The title above the picture.
        style: The sizes, for a screen or a paper.
        figure: A figure of the caller's, for the panels; it is neither written nor closed.

    Returns:
        The picture.
    """
    width, height = style.size(9.2, 4.4, columns=2)
    colours = [COLOURS[place % len(COLOURS)] for place in places]
    ends = _ends(difference)
    with panels_in(path, (width, height), figure, title=title, style=style) as drawn:
        panels = drawn.subplots(1, 2, sharex=True, sharey=True)
        for side, (axes, name) in enumerate(zip(panels, names, strict=True)):
            sign = 1 if side == 0 else -1
            _shade(axes, difference, sign, colours[side], ends)
            _draw_lines(axes, difference, side, style)
            label = style.wrapped(f"{name} ahead", 0.55 * width / 2)
            axes.text(0.97, 0.95, label, transform=axes.transAxes, ha="right", va="top")
            axes.set_xlabel(style.wrapped(labels[0], 0.4 * width))
            axes.grid(visible=False)
            axes.set(xlim=ends[0], ylim=ends[1])
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_major_locator(RoomyLocator(6))
                axis.set_major_formatter(lambda value, _: compact(round(value, 9)))
        panels[0].set_ylabel(style.wrapped(labels[1], 0.8 * height))
        place_legend(drawn, _legend(style), style, title=LEGEND, own=figure is None)
    return drawn


def _ends(difference: AttainmentDifference) -> tuple[tuple[float, float], tuple[float, float]]:
    """The ends of both axes: around all points of all runs."""
    if not len(difference.x):
        return (0.0, difference.reference), (0.0, difference.reference)
    return limits(difference.x), limits(difference.y)


def _shade(
    axes: Axes,
    difference: AttainmentDifference,
    sign: int,
    colour: str,
    ends: tuple[tuple[float, float], tuple[float, float]],
) -> None:
    """Shades a panel by the size of the difference, in steps."""
    x, y = (low + (np.arange(PIXELS) + 0.5) / PIXELS * (high - low) for low, high in ends)
    values = sign * difference.at(x, y).T
    steps = np.searchsorted(np.array(SHADES) + 1e-9, values) + 1
    image = np.zeros((PIXELS, PIXELS, 4))
    image[..., :3] = to_rgb(colour)
    image[..., 3] = np.where(values > 1e-9, _alpha(steps), 0)
    axes.imshow(
        image, extent=(*ends[0], *ends[1]), origin="lower", aspect="auto", interpolation="nearest"
    )


def _alpha(step: ArrayLike) -> Values:
    """The opacity of a step of shade, from 1 on."""
    return np.asarray(0.12 + 0.88 * (np.asarray(step) - 1) / (len(SHADES) - 1))


def _draw_lines(
    axes: Axes, difference: AttainmentDifference, side: int, style: FigureStyle
) -> None:
    """What one run and all runs of both attain, and the median of the panel's method."""
    worst = np.full(2, difference.reference)
    # A run without points attains nothing but the reference itself.
    both = [
        [one if len(one) else worst[None] for one in sets]
        for sets in (difference.first, difference.second)
    ]
    for sets, percentiles, line in (
        ([*both[0], *both[1]], (0, 100), _thin(style)),
        (both[side], (50,), _dashed(style)),
    ):
        for corners in attainment_surfaces(sets, percentiles=percentiles):
            x = np.append(np.repeat(corners[:, 0], 2), worst[0])
            y = np.append(worst[1], np.repeat(corners[:, 1], 2))
            axes.plot(x, y, **line)


def _legend(style: FigureStyle) -> list[Artist]:
    patches: list[Artist] = [
        Patch(
            facecolor=GREY,
            alpha=float(_alpha(step)),
            label=f"to {100 * high:.0f}",
        )
        for step, high in enumerate(SHADES, start=1)
    ]
    return [
        *patches,
        Line2D([], [], label="best, worst", **_thin(style)),
        Line2D([], [], label="median", **_dashed(style)),
    ]


def _thin(style: FigureStyle) -> dict[str, Any]:
    """The look of what one run and all runs attain."""
    return {"color": "black", "linestyle": "-", "linewidth": 0.7 * style.scale}


def _dashed(style: FigureStyle) -> dict[str, Any]:
    """The look of a median."""
    return {"color": "black", "linestyle": (0, (5, 1.5)), "linewidth": 1.2 * style.scale}
