"""Fronts of several methods, beside networks that papers report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from pymoo_prune.objectives import (
    DIVERGENCE,
    NATS,
    STANDARD,
    Goals,
    Quantity,
    Series,
    Values,
    judges,
    without_judgements,
)
from pymoo_prune.plots.canvas import panels_in
from pymoo_prune.plots.checks import check_columns, check_known, check_some
from pymoo_prune.plots.legends import place_legend
from pymoo_prune.plots.style import (
    GREY,
    SCREEN,
    WIDEST,
    AnyFigure,
    FigureStyle,
    formatter,
    light_look,
    look,
    set_axis,
)
from pymoo_prune.plots.ticks import RoomyLocator


class Heights(NamedTuple):
    """What is drawn upwards: accuracies, or divergences where images have no labels.

    Attributes:
        quantity: How its values are written.
        label: On the axis, on the search images.
        tested: On the axis, on the test images.
        before: Columns with it before retraining, the best first.
        after: The column with it after retraining.
    """

    quantity: Quantity
    label: str
    tested: str
    before: tuple[str, str]
    after: str

    @property
    def last(self) -> tuple[str, ...]:
        """Columns with what is known last, the last one first."""
        return (self.after, *self.before)


ACCURACY = Heights(
    STANDARD["accuracy"],
    "accuracy on the search images",
    "test accuracy",
    ("test_accuracy", "accuracy"),
    "finished_test_accuracy",
)
DIVERGING = Heights(
    NATS,
    "divergence on the search images (nats)",
    "divergence on the test images (nats)",
    ("test_divergence", DIVERGENCE),
    "finished_test_divergence",
)
HOLLOW = {"linestyle": "none", "markerfacecolor": "white"}
PUBLISHED_MARKERS = ("*", "<", ">", "d", "h")
"""Markers that no method has."""


def draw_front(
    path: Path | str | None,
    series: Sequence[Series],
    goals: Goals,
    quantities: Mapping[str, Quantity],
    *,
    title: str = "",
    published: Sequence[Series] = (),
    light: Sequence[Series] = (),
    legend_title: str = "",
    style: FigureStyle = SCREEN,
    figure: AnyFigure | None = None,
) -> AnyFigure:
    """Draws accuracy over every other objective, for several methods; divergence without labels.

    Filled markers are networks after retraining, hollow ones the same networks before. The accuracy
    is that on the test images where it is known, else that on the search images. Points that are
    not numbers are left out. A panel leaves out methods that have not measured its objective.

    Args:
        path: PNG, SVG or PDF file; None writes none.
        series: The methods, the search first.
        goals: The goals of the search.
        quantities: Labels and units.
        title: The title above the picture.
        published: Networks that papers report: sizes, and `test_accuracy` or `accuracy`.
        light: Networks for orientation, such as the first population: one kind of light marker,
            after retraining where there was one.
        legend_title: What holds for all methods, such as "median of 5 runs".
        style: The sizes, for a screen or a paper.
        figure: A figure of the caller's, for the panels; it is neither written nor closed.

    Returns:
        The picture.
    """
    names = without_judgements(goals.names, goals.quantities) or ["parameters"]
    check_some("series", series)
    check_known(names, quantities)
    for one in (*series, *light, *published):
        check_columns(repr(one.name), one.columns)
    heights = heights_of(series, goals.quantities)
    rows, columns = style.grid(len(names))
    size = style.size(*_screen_size(rows, columns), columns=columns)
    with panels_in(
        path, (size[0], size[1] * (rows if style.paper else 1)), figure, title=title, style=style
    ) as drawn:
        grid = drawn.subplots(rows, columns, sharey=True, squeeze=False)
        for axes in grid.flat[len(names) :]:
            axes.remove()
        for axes, name in zip(grid.flat, names, strict=False):
            _draw_panel(axes, name, heights, series, light, published, style)
            sizes = [v for one in (*series, *light, *published) for v in one.columns.get(name, ())]
            set_axis(axes, "x", quantities[name], sizes)
            share = " (share of the parent's)" if quantities[name].share else ""
            width = 0.95 * (size[0] - 0.6) / columns
            axes.set_xlabel(style.wrapped(quantities[name].label + share, width))
        tested = any(heights.before[0] in one.columns for one in series)
        for axes in grid[:, 0]:
            axes.set_ylabel(heights.tested if tested else heights.label)
            axes.yaxis.set_major_locator(RoomyLocator())
            axes.yaxis.set_major_formatter(formatter(heights.quantity))
        handles = _legend(names, heights, series, light, published, style)
        place_legend(drawn, handles, style, title=legend_title, own=figure is None)
    return drawn


def heights_of(
    series: Sequence[Series], quantities: Mapping[str, Quantity] | None = None
) -> Heights:
    """What is drawn upwards of these methods: accuracies where any is known, or a metric.

    Args:
        series: The methods.
        quantities: What the search measures; None where no metric judges networks.
    """
    known = {name for one in series for name in one.columns}
    for name in judges(quantities or {}):
        return _of_metric(name, (quantities or {})[name])
    diverging = not known & set(ACCURACY.last) and bool(known & set(DIVERGING.last))
    if not diverging:
        return ACCURACY
    unit = (quantities or {}).get(DIVERGENCE, NATS).label.rpartition("(")[2]
    label, tested = (f"{t.rpartition('(')[0]}({unit}" for t in (DIVERGING.label, DIVERGING.tested))
    return DIVERGING._replace(label=label, tested=tested)


def _of_metric(name: str, quantity: Quantity) -> Heights:
    return Heights(
        quantity,
        f"{quantity.label} on the search images",
        f"{quantity.label} on the test images",
        (f"test_{name}", name),
        f"finished_test_{name}",
    )


def _screen_size(rows: int, columns: int) -> tuple[float, float]:
    """Width and height in inches: panels are smaller where there are many."""
    width = min(1.8 + 5.4 * columns, WIDEST)
    return width, 4.4 if rows == 1 else 0.4 + 3.2 * rows


def _draw_panel(
    axes: Axes,
    name: str,
    heights: Heights,
    series: Sequence[Series],
    light: Sequence[Series],
    published: Sequence[Series],
    style: FigureStyle,
) -> None:
    for one in light:
        axes.plot(*_points(one, name, heights.last), **light_look(style.scale))
    for place, one in enumerate(series):
        _draw_method(axes, name, heights, one, look(place, style.scale))
    for place, one in enumerate(published):
        axes.plot(*_points(one, name, heights.before), **_published_look(place, style.scale))


def _points(one: Series, name: str, *accuracies: Sequence[str]) -> Values:
    """Sizes and accuracies, (1 + accuracies, n), sorted by size, without unknown ones.

    Args:
        one: The networks.
        name: The size.
        accuracies: The columns that may have each accuracy, the best first.
    """
    found = [
        next(one.columns[n] for n in names if n in one.columns)
        for names in ([name], *accuracies)
        if one.columns.keys() & set(names)
    ]
    if len(found) <= len(accuracies):
        return np.empty((1 + len(accuracies), 0))
    points = np.array(found, dtype=np.float64)
    points = points[:, np.isfinite(points).all(axis=0)]
    return points[:, points[0].argsort(kind="stable")]


def _draw_method(
    axes: Axes, name: str, heights: Heights, one: Series, line: dict[str, Any]
) -> None:
    before, after = _points(one, name, heights.before), _points(one, name, [heights.after])
    if heights.after not in one.columns:
        axes.plot(*before, **line)
        return
    axes.plot(*before, **{**line, **HOLLOW})
    axes.plot(*after, **line)
    # The gain of retraining: from each hollow marker to its filled one.
    sizes, low, high = _points(one, name, heights.before, [heights.after])
    axes.vlines(sizes, low, high, color=line["color"], linewidth=0.6 * line["linewidth"], alpha=0.6)


def _published_look(place: int, scale: float) -> dict[str, Any]:
    marker = PUBLISHED_MARKERS[place % len(PUBLISHED_MARKERS)]
    return {
        "color": "black",
        "marker": marker,
        "markersize": scale * (11 if marker == "*" else 8),
        "markeredgewidth": scale,
        "markerfacecolor": "none",
        "linestyle": "none",
        "zorder": 4,
    }


def _legend(
    names: Sequence[str],
    heights: Heights,
    series: Sequence[Series],
    light: Sequence[Series],
    published: Sequence[Series],
    style: FigureStyle,
) -> list[Line2D]:
    def shown(one: Series, *accuracies: str) -> bool:
        return any(_points(one, name, accuracies).size for name in names)

    drawn = [(place, one) for place, one in enumerate(series) if shown(one, *heights.last)]
    handles = [Line2D([], [], label=one.name, **look(place, style.scale)) for place, one in drawn]
    crosses = light_look(style.scale)
    handles += [
        Line2D([], [], label=one.name, **crosses) for one in light if shown(one, *heights.last)
    ]
    if any(heights.after in one.columns for _, one in drawn):
        grey = {**look(0, style.scale), "color": GREY}
        handles.append(Line2D([], [], label="after retraining", **grey))
        handles.append(Line2D([], [], label="before retraining", **{**grey, **HOLLOW}))
    for place, one in enumerate(published):
        if shown(one, *heights.before):
            handles.append(Line2D([], [], label=one.name, **_published_look(place, style.scale)))
    return handles
