"""Pictures: fronts beside baselines, and what happened generation by generation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, PercentFormatter

from pymoo_prune.finish import Series
from pymoo_prune.objectives import Goals, Quantity, Values

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's palette, which colour-blind readers can tell apart."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
STYLE: dict[Any, Any] = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "font.size": 10,
    "axes.titlesize": 11,
    "legend.frameon": False,
    "svg.hashsalt": "pymoo-prune",  # the same picture is the same file
}
LOG_SPREAD = 20
"""Axes whose values spread over more than this factor are logarithmic."""


def draw_front(
    path: Path | str,
    series: Sequence[Series],
    goals: Goals,
    quantities: Mapping[str, Quantity],
    *,
    title: str = "",
) -> None:
    """Accuracy over every other objective, for several methods.

    Filled markers are networks after retraining, hollow ones as the method left them; the accuracy
    is that on the test images where it is known, else on the search images.

    Args:
        path: PNG or SVG file.
        series: The methods, the search first.
        goals: What the search was after.
        quantities: Labels and units.
        title: Above the picture.
    """
    axes_names = [n for n in goals.names if "accuracy" not in n] or ["parameters"]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(1.8 + 5.4 * len(axes_names), 4.4), layout="constrained")
        for place, name in enumerate(axes_names):
            axes = figure.add_subplot(1, len(axes_names), place + 1)
            _draw_methods(axes, name, series, quantities)
        shown = [place for place, one in enumerate(series) if one.columns.keys() & {*axes_names}]
        figure.legend(handles=_legend(series, shown), loc="outside right center")
        figure.suptitle(title, x=0.01, ha="left")
        figure.savefig(path, dpi=160)


def _line(place: int) -> dict[str, Any]:
    """How a method is drawn, the same in every panel."""
    return {
        "color": COLOURS[place % len(COLOURS)],
        "marker": MARKERS[place % len(MARKERS)],
        "markersize": 4.5,
        "linewidth": 1.2,
    }


HOLLOW = {"linestyle": ":", "markerfacecolor": "white"}


def _legend(series: Sequence[Series], shown: Sequence[int]) -> list[Line2D]:
    handles = [Line2D([], [], label=series[place].name, **_line(place)) for place in shown]
    if any("finished_test_accuracy" in series[place].columns for place in shown):
        grey = {**_line(0), "color": "#555555"}
        handles.append(Line2D([], [], label="after retraining", **grey))
        handles.append(Line2D([], [], label="before retraining", **{**grey, **HOLLOW}))
    return handles


def _draw_methods(
    axes: Axes, name: str, series: Sequence[Series], quantities: Mapping[str, Quantity]
) -> None:
    for place, one in enumerate(series):
        if name not in one.columns:
            continue
        order = one.columns[name].argsort()
        x = one.columns[name][order]
        raw = one.columns.get("test_accuracy", one.columns.get("accuracy"))
        done = one.columns.get("finished_test_accuracy")
        if raw is not None:
            axes.plot(x, raw[order], **{**_line(place), **({} if done is None else HOLLOW)})
        if done is not None:
            axes.plot(x, done[order], **_line(place))
    _scale_x(axes, quantities[name], [v for one in series for v in one.columns.get(name, ())])
    tested = any("test_accuracy" in one.columns for one in series)
    axes.set_ylabel("test accuracy" if tested else "accuracy on the search images")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))


def _scale_x(axes: Axes, quantity: Quantity, values: Sequence[float]) -> None:
    suffix = " (share of the parent's)" if quantity.share else ""
    axes.set_xlabel(quantity.label + suffix)
    if min(values) > 0 and max(values) / min(values) > LOG_SPREAD:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_minor_formatter(NullFormatter())
    if quantity.share:
        axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{100 * v:g} %"))
    else:
        axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: _compact(v)))


def _compact(value: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def draw_generations(
    path: Path | str,
    means: Mapping[str, Values],
    names: Sequence[str],
    quantities: Mapping[str, Quantity],
) -> None:
    """The mean of each quantity over what each generation measured.

    Args:
        path: PNG or SVG file.
        means: `generation`, and the quantities' means, (generations,) each.
        names: Which quantities to draw.
        quantities: Labels and units.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.2 * len(names), 3.4), layout="constrained")
        for place, name in enumerate(names):
            axes = figure.add_subplot(1, len(names), place + 1)
            axes.plot(means["generation"], means[name], color=COLOURS[place % len(COLOURS)])
            axes.set_xlabel("generation")
            axes.set_title(quantities[name].label)
            axes.set_ylabel("mean of the generation")
            if quantities[name].share:
                axes.yaxis.set_major_formatter(PercentFormatter(1.0))
            else:
                axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: _compact(v)))
        figure.savefig(path, dpi=160)
