"""The course of one search and of many, generation by generation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from pymoo_prune.errors import PruneError
from pymoo_prune.objectives import Quantity, Values
from pymoo_prune.plots.canvas import axes_in, panels_in
from pymoo_prune.plots.checks import check_columns, check_known, check_some
from pymoo_prune.plots.legends import legend_of
from pymoo_prune.plots.style import (
    GREY,
    SCREEN,
    AnyFigure,
    FigureStyle,
    compact,
    formatter,
    limits,
    look,
)
from pymoo_prune.plots.ticks import RoomyLocator

EARLY_SHARE = 0.1
"""Curves may start below the picture for this share of the evaluations."""


def draw_generations(
    path: Path | str | None,
    means: Mapping[str, Values],
    names: Sequence[str],
    quantities: Mapping[str, Quantity],
    *,
    title: str = "",
    style: FigureStyle = SCREEN,
    figure: AnyFigure | None = None,
) -> AnyFigure:
    """Draws the mean of each quantity over the candidates of each generation.

    Args:
        path: PNG, SVG or PDF file; None writes none.
        means: `generation`, and the quantities' means, (generations,) each; NaN leaves a gap.
        names: The quantities to draw.
        quantities: Labels and units.
        title: The title above the picture.
        style: The sizes, for a screen or a paper.
        figure: A figure of the caller's, for the panels; it is neither written nor closed.

    Returns:
        The picture.
    """
    check_some("names", names)
    check_known(names, quantities)
    check_columns("means", means, ("generation", *names))
    rows, columns = style.grid(len(names))
    width, height = style.size(4.2 * columns, 3.4, columns=columns)
    with panels_in(path, (width, height * rows), figure, title=title, style=style) as drawn:
        grid = drawn.subplots(rows, columns, squeeze=False)
        for axes in grid.flat[len(names) :]:
            axes.remove()
        for place, (axes, name) in enumerate(zip(grid.flat, names, strict=False)):
            label = quantities[name].label
            # Small markers show generations between two gaps too.
            line = {**look(place, style.scale), "linestyle": "-", "marker": "o"}
            axes.plot(means["generation"], means[name], **{**line, "markersize": 2 * style.scale})
            axes.set_xlabel("generation")
            axes.xaxis.set_major_locator(RoomyLocator(integer=True))
            axes.yaxis.set_major_locator(RoomyLocator())
            axes.yaxis.set_major_formatter(formatter(quantities[name]))
            if style.paper:
                axes.set_ylabel(style.wrapped(f"{label}, mean", 0.7 * height))
            else:
                axes.set_title(label)
                axes.set_ylabel("mean of the generation" if place % columns == 0 else "")
    return drawn


@dataclass(frozen=True)
class Curve:
    """The hypervolume of one search: each value holds from its evaluation to the next.

    Attributes:
        evaluations: Numbers of evaluations, (n,), which never fall.
        hypervolumes: The hypervolume after each of them, (n,).
    """

    evaluations: Values
    hypervolumes: Values

    def __post_init__(self) -> None:
        columns = {"evaluations": self.evaluations, "hypervolumes": self.hypervolumes}
        check_columns("a curve", columns)
        check_some("a curve", self.evaluations)
        if not all(np.isfinite(column).all() for column in columns.values()):
            msg = "a curve must consist of finite numbers, but some of its numbers are not finite"
            raise PruneError(msg)
        if (np.diff(self.evaluations) < 0).any():
            msg = "evaluations of a curve must never fall, but they do"
            raise PruneError(msg)

    def at(self, evaluations: Values) -> Values:
        """The hypervolume after these numbers of evaluations, none of them before the first one."""
        return self.hypervolumes[np.searchsorted(self.evaluations, evaluations, side="right") - 1]


def draw_hypervolumes(
    path: Path | str | None,
    curves: Mapping[str, Sequence[Curve]],
    *,
    title: str = "",
    label: str = "hypervolume",
    style: FigureStyle = SCREEN,
    ax: Axes | None = None,
) -> Axes:
    """Draws the hypervolume over evaluations, for several methods with several seeds each.

    The line is the median of a method's seeds, and the band goes from the lowest to the highest. A
    seed that ends earlier keeps its last hypervolume.

    Args:
        path: PNG, SVG or PDF file; None writes none.
        curves: The curves of each method, one for each seed. A method without curves is left out;
            the others keep their colours.
        title: The title above the picture.
        label: What is drawn upwards.
        style: The sizes, for a screen or a paper.
        ax: Axes of the caller's; their figure is neither written nor closed.

    Returns:
        The axes.
    """
    every = [one for seeds in curves.values() for one in seeds]
    check_some("curves", every)
    steps = {name: _steps(seeds) for name, seeds in curves.items() if seeds}
    medians = {name: np.median(rows, axis=0) for name, (_, rows) in steps.items()}
    size = style.size(7.4, 4.2)
    with axes_in(path, size, ax, title=title, style=style) as axes:
        handles = {}
        for name, (x, rows) in steps.items():
            place = list(curves).index(name)
            low, high = rows.min(axis=0), rows.max(axis=0)
            line = look(place, style.scale)
            colour = line["color"]
            axes.fill_between(x, low, high, step="post", color=colour, alpha=0.15, linewidth=0)
            # Few markers, at different places for each method, so that none covers another.
            few = (0.03 + 0.02 * (place % 7), 0.16) if len(x) > 1 else None
            (handles[name],) = axes.plot(
                x, medians[name], drawstyle="steps-post", label=name, markevery=few, **line
            )
        axes.set_ylim(_limits(every))
        axes.set_xlabel("evaluations")
        axes.set_ylabel(style.wrapped(label, 0.75 * size[1]))
        axes.xaxis.set_major_locator(RoomyLocator(8, steps=(1, 2, 5, 10)))
        axes.yaxis.set_major_locator(RoomyLocator())
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda v, _: compact(v)))
        # The legend is in the order of the lines' ends, from top to bottom.
        best_first = sorted(medians, key=lambda name: -medians[name][-1])
        legend = [*(handles[name] for name in best_first), *_key(curves, style)]
        legend_of(axes, legend, style, own=ax is None)
    return axes


def _steps(seeds: Sequence[Curve]) -> tuple[Values, Values]:
    """Evaluations at which any seed changes, (n,), and each seed's hypervolumes, (seeds, n).

    They begin where all seeds have begun.
    """
    start = max(one.evaluations[0] for one in seeds)
    x = np.unique(np.concatenate([one.evaluations for one in seeds]))
    x = x[x >= start]
    return x, np.array([one.at(x) for one in seeds])


def _limits(curves: Sequence[Curve]) -> tuple[float, float]:
    """From the lowest hypervolume after a tenth of the evaluations to the highest.

    First generations are far below later ones, and would squeeze these together at the top. So
    lines may enter the picture from below.
    """
    first = min(one.evaluations[0] for one in curves)
    last = max(one.evaluations[-1] for one in curves)
    early = first + EARLY_SHARE * (last - first)
    late = [_from(one, early) for one in curves]
    return limits(np.concatenate(late))


def _from(one: Curve, evaluations: float) -> Values:
    """The hypervolumes of a search from this number of evaluations on."""
    place = np.searchsorted(one.evaluations, evaluations, side="right") - 1
    return one.hypervolumes[max(int(place), 0) :]


def _key(curves: Mapping[str, Sequence[Curve]], style: FigureStyle) -> list[Line2D | Patch]:
    counts = {len(seeds) for seeds in curves.values() if seeds}
    if counts == {1}:
        return []
    seeds = f"{counts.pop()} seeds" if len(counts) == 1 else "the seeds"
    return [
        Line2D([], [], color=GREY, linewidth=1.5 * style.scale, label=f"median of {seeds}"),
        Patch(facecolor=GREY, alpha=0.2, label="lowest to highest"),
    ]
