"""Figure 5 of the dense-connectivity paper, redrawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pymoo_prune.plots import COLOURS, MARKERS, STYLE
from pymoo_prune_problems.dense_connectivity.experiments import (
    AS_LARGE,
    FIRST,
    FULL,
    GENETIC,
    METHODS,
    NARROWER,
    RANDOM,
    RANDOM_AGAIN,
    RANDOM_SEARCH,
    TABLE_2,
    Row,
    Scale,
)

APART = 0.055
"""Labels above a panel are at least this share of its width apart."""
THIN: dict[str, Any] = {"color": "#999999", "linestyle": ":", "linewidth": 0.8, "zorder": 1}
LOOKS: dict[str, dict[str, Any]] = {
    method: {
        "color": COLOURS[place],
        "marker": MARKERS[place],
        "markersize": 7,
        "markeredgecolor": "white",
        "linewidth": 1.2,
    }
    for place, method in enumerate(
        (GENETIC, RANDOM_SEARCH, RANDOM, NARROWER, FIRST, AS_LARGE, RANDOM_AGAIN)
    )
} | {FULL: {"color": "black", "marker": "*", "markersize": 14, "linestyle": "none"}}
Points = Mapping[int | None, tuple[float, float, float]]
"""By p, or growth: millions of parameters, accuracy in percent, and its deviation."""


def draw_accuracies(path: Path, rows: Sequence[Row], scale: Scale, data: str) -> None:
    """Figure 5: accuracy over parameters, here and in the paper, in two panels.

    Args:
        path: PNG or SVG file.
        rows: The rows of all seeds.
        scale: The scale of the reproduction.
        data: The data set's name.
    """
    theirs = {rate: (size, right, 0.0) for rate, (size, right) in TABLE_2.items()}
    baseline: Points = {None: theirs.pop(None)}
    seeds = len({row.seed for row in rows})
    averaged = f", mean of {seeds} seeds ± deviation" if seeds > 1 else ""
    panels: dict[str, dict[str, Points]] = {
        f"Here: {data}, depth {scale.depth}, k = {scale.growth}{averaged}": {
            method: points for method in METHODS if (points := _points(rows, method))
        },
        "Kim et al.: CIFAR-10, depth 100, k = 12": {GENETIC: theirs, FULL: baseline},
    }
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11.5, 5.0), layout="constrained")
        for place, (title, series) in enumerate(panels.items()):
            _draw_panel(figure.add_subplot(1, 2, place + 1), title, series)
        there = {method for series in panels.values() for method in series}
        handles = [
            Line2D([], [], label=METHODS[name], **look)
            for name, look in LOOKS.items()
            if name in there
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=4)
        figure.savefig(path, dpi=160)


def _points(rows: Sequence[Row], method: str) -> Points:
    """Means over seeds; narrower networks by growth, because several p may share one."""
    places: dict[int | None, dict[int, Row]] = {}
    for row in rows:
        if row.method == method:
            place = row.growth if method == NARROWER else row.rate
            places.setdefault(place, {})[row.seed] = row
    return {
        place: (
            1e-6 * float(np.mean([row.parameters for row in seeds.values()])),
            100 * float(np.mean([row.accuracy for row in seeds.values()])),
            100 * float(np.std([row.accuracy for row in seeds.values()], ddof=len(seeds) > 1)),
        )
        for place, seeds in places.items()
    }


def _draw_panel(axes: Axes, title: str, series: Mapping[str, Points]) -> None:
    for method, points in series.items():
        sizes, rights, deviations = np.array(sorted(points.values())).T
        bars = deviations if deviations.any() else None
        front = 4 if method == GENETIC else 3
        axes.errorbar(
            sizes, rights, bars, capsize=2.5, elinewidth=1.2, zorder=front, **LOOKS[method]
        )
        if method == FULL:
            axes.axhline(rights[0], color="black", linestyle=(0, (4, 3)), linewidth=0.8)
    axes.set_title(title, loc="left", pad=38)
    axes.set_xlabel("parameters (millions)")
    axes.set_ylabel("test accuracy after full training (%)")
    axes.ticklabel_format(useOffset=False, style="plain")
    axes.margins(x=0.06, y=0.08)
    _label_rates(axes, {**series[GENETIC], **series[FULL]})


def _label_rates(axes: Axes, points: Points) -> None:
    """Writes the p of each winner above the panel; labels do not overlap."""
    axes.set_xlim(axes.get_xlim())
    sizes, labels = zip(
        *sorted(
            (size, "all" if rate is None else str(rate)) for rate, (size, *_) in points.items()
        ),
        strict=True,
    )
    there = axes.transLimits.transform([(size, 0.0) for size in sizes])[:, 0]
    places = there.copy()
    for place in range(1, len(places)):
        places[place] = max(places[place], places[place - 1] + APART)
    limit = 1.0
    for place in reversed(range(len(places))):
        places[place] = min(places[place], limit)
        limit = places[place] - APART
    for size, column, place, label in zip(sizes, there, places, labels, strict=True):
        axes.axvline(size, **THIN)
        axes.plot([column, place], [1.0, 1.03], transform=axes.transAxes, clip_on=False, **THIN)
        axes.text(place, 1.035, label, transform=axes.transAxes, ha="center")
    axes.text(
        0.5,
        1.085,
        "p (%), the chance that a connection lives",
        transform=axes.transAxes,
        ha="center",
    )
