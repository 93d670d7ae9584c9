"""The costs that most runs of a method attain, and those of its best and worst runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import moocore
import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from pymoo_prune.errors import PruneError
from pymoo_prune.objectives import Quantity, Values
from pymoo_prune.plots.canvas import axes_in
from pymoo_prune.plots.checks import check_columns, check_known, check_some
from pymoo_prune.plots.legends import legend_of
from pymoo_prune.plots.style import GREY, SCREEN, FigureStyle, look, set_axis

BOLD = {"linewidth": 1.8, "markersize": 3.5}
THIN = 0.6


def attainment_surfaces(
    sets: Sequence[Values], *, percentiles: Sequence[float] = (0, 50, 100)
) -> list[Values]:
    """The pairs of costs that shares of the runs attain.

    A run attains a pair if one of its points is at least as good in both costs. Fonseca et al.,
    "Computing and updating the attainment function", EMO 2011, computed by moocore.

    Args:
        sets: The points of each run, (n, 2), lower is better.
        percentiles: Percentiles of the runs: 0 for pairs that at least one run attains, 50 for at
            least half of the runs, 100 for all.

    Returns:
        For each percentile the corners of its surface, (m, 2), by rising first cost: a pair is
        attained if a corner is at least as good in both costs.

    Raises:
        PruneError: There is no run, a run has no points, or the numbers are not as above.
    """
    check_some("sets", sets)
    for place, points in enumerate(sets):
        if np.ndim(points) != 2 or np.shape(points)[1] != 2 or not np.isfinite(points).all():
            msg = (
                f"points must be finite numbers, (n, 2), but those of run {place} have shape "
                f"{np.shape(points)} or are not finite"
            )
            raise PruneError(msg)
        check_some(f"points of run {place}", points)
    if not all(0 <= percentile <= 100 for percentile in percentiles):
        msg = f"percentiles must be from 0 to 100, but they are {list(percentiles)}"
        raise PruneError(msg)
    owners = np.repeat(np.arange(len(sets)), [len(points) for points in sets])
    found = moocore.eaf(np.concatenate(sets), owners, percentiles=list(percentiles))
    return [found[found[:, 2] == percentile, :2] for percentile in percentiles]


def draw_attainment(
    path: Path | str | None,
    sets: Mapping[str, Sequence[Mapping[str, Values]]],
    x: str,
    y: str,
    quantities: Mapping[str, Quantity],
    *,
    title: str = "",
    style: FigureStyle = SCREEN,
    ax: Axes | None = None,
) -> Axes:
    """Draws the pairs of two quantities that runs of several methods attain.

    The bold line bounds the pairs that at least half of a method's runs attain, the thin lines
    those that any and that all of them attain. Networks without a number are left out. A run
    without networks attains nothing.

    Args:
        path: PNG, SVG or PDF file; None writes none.
        sets: The networks of each run of each method: columns by name, (n,) each, or none. A method
            whose runs have no networks is left out; the others keep their colours.
        x: The quantity that is drawn to the right.
        y: The quantity that is drawn upwards.
        quantities: Labels, units, and which way is better.
        title: The title above the picture.
        style: The sizes, for a screen or a paper.
        ax: Axes of the caller's; their figure is neither written nor closed.

    Returns:
        The axes.
    """
    check_known((x, y), quantities)
    check_some("sets", [one for runs in sets.values() for one in runs if one])
    for name, runs in sets.items():
        for place, columns in enumerate(runs):
            if not columns:
                continue
            check_columns(f"{name!r}, run {place}", columns, (x, y))
    signs = np.array([quantities[x].sign, quantities[y].sign])
    points = {
        name: [_known(f"{name!r}, run {place}", one, x, y) for place, one in enumerate(runs)]
        for name, runs in sets.items()
    }
    everything = np.concatenate([one for runs in points.values() for one in runs])
    with axes_in(path, style.size(7.4, 4.4), ax, title=title, style=style) as axes:
        _set_axes(axes, (x, y), quantities, everything)
        # Surfaces reach to the edges of the picture on the worse sides.
        worst = (signs * np.array([axes.get_xlim(), axes.get_ylim()]).T).max(axis=0)
        for place, known in enumerate(points.values()):
            if not any(map(len, known)):
                continue
            surfaces = attainment_surfaces(
                [signs * one if len(one) else worst[None] for one in known]
            )
            _draw_surfaces(axes, [signs * _outline(one, worst) for one in surfaces], place, style)
        legend_of(axes, _legend(points, style), style, own=ax is None)
    return axes


def _known(owner: str, columns: Mapping[str, Values], x: str, y: str) -> Values:
    """The points whose coordinates are finite, (n, 2); none of a run without networks."""
    if not columns:
        return np.empty((0, 2))
    points = np.column_stack([columns[x], columns[y]]).astype(np.float64)
    points = points[np.isfinite(points).all(axis=1)]
    check_some(f"numbers of {owner}", points)
    return points


def _set_axes(
    axes: Axes, names: tuple[str, str], quantities: Mapping[str, Quantity], points: Values
) -> None:
    x, y = (quantities[name] for name in names)
    set_axis(axes, "x", x, points[:, 0])
    set_axis(axes, "y", y, points[:, 1])
    axes.set(xlabel=x.label, ylabel=y.label)


def _outline(corners: Values, worst: Values) -> Values:
    """The line around all attained pairs, up to the worst of the picture: (2 m + 1, 2).

    Steps are drawn point by point, which is correct whichever way is better.
    """
    x = np.append(np.repeat(corners[:, 0], 2), worst[0])
    y = np.append(worst[1], np.repeat(corners[:, 1], 2))
    return np.column_stack([x, y])


def _draw_surfaces(axes: Axes, outlines: Sequence[Values], place: int, style: FigureStyle) -> None:
    best, median, least = outlines
    line = _bold(place, style)
    colour = line["color"]
    axes.fill(*np.concatenate([best, least[::-1]]).T, color=colour, alpha=0.13, linewidth=0)
    for outline in (best, least):
        axes.plot(*outline.T, color=colour, linewidth=THIN * style.scale, alpha=0.8)
    # Every other point of the outline is an attained corner.
    axes.plot(*median.T, **{**line, "markevery": (1, 2)})


def _bold(place: int, style: FigureStyle) -> dict[str, Any]:
    """The line of the method at this place."""
    return {**look(place), **{name: style.scale * size for name, size in BOLD.items()}}


def _legend(points: Mapping[str, Sequence[Values]], style: FigureStyle) -> list[Line2D]:
    handles = [
        Line2D([], [], label=name, **_bold(place, style))
        for place, (name, runs) in enumerate(points.items())
        if any(map(len, runs))
    ]
    counts = {len(runs) for runs in points.values() if any(map(len, runs))}
    if counts == {1}:
        return handles
    runs = f"{counts.pop()} runs" if len(counts) == 1 else "the runs"
    thick, thin = (style.scale * width for width in (BOLD["linewidth"], THIN))
    median = Line2D([], [], color=GREY, linewidth=thick, label=f"median of {runs}")
    return [*handles, median, Line2D([], [], color=GREY, linewidth=thin, label="best and worst")]
