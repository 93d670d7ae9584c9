"""Steps over evaluations, one line a method: what was reached, or how good the runs were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, NullFormatter

from pymoo_prune.errors import PruneError
from pymoo_prune.objectives import Values
from pymoo_prune.plots.canvas import axes_in
from pymoo_prune.plots.checks import check_columns, check_some
from pymoo_prune.plots.legends import legend_of
from pymoo_prune.plots.style import GREY, SCREEN, FigureStyle, compact, look
from pymoo_prune.plots.ticks import RoomyLocator, RoomyLogLocator


@dataclass(frozen=True)
class Profile:
    """A method's line: each value holds from its evaluation to the next.

    Attributes:
        evaluations: Numbers of evaluations, (n,), increasing; none where nothing was reached.
        values: The value from each of them on, (n,).
        low: The lower end of a band around it, (n,); None draws no band.
        high: The upper end of the band, (n,).
    """

    evaluations: Values
    values: Values
    low: Values | None = None
    high: Values | None = None

    def __post_init__(self) -> None:
        columns = {"evaluations": self.evaluations, "values": self.values}
        if (self.low is None) != (self.high is None):
            msg = "a band must have a lower and an upper end, but only one is given"
            raise PruneError(msg)
        if self.low is not None and self.high is not None:
            columns |= {"low": self.low, "high": self.high}
        check_columns("a profile", columns)
        if not all(np.isfinite(column).all() for column in columns.values()):
            msg = "a profile must consist of finite numbers, but some of its numbers are not finite"
            raise PruneError(msg)


def draw_profiles(
    path: Path | str | None,
    profiles: Mapping[str, Profile],
    *,
    label: str,
    end: float,
    start: float = 1.0,
    low: float | None = 0.0,
    bottom: float | None = None,
    log: bool = True,
    key: Sequence[tuple[str, str]] = (),
    title: str = "",
    style: FigureStyle = SCREEN,
    ax: Axes | None = None,
) -> Axes:
    """Draws steps over evaluations, for several methods.

    Args:
        path: PNG, SVG or PDF file; None writes none.
        profiles: The line of each method.
        label: What is drawn upwards.
        end: The evaluations at which all lines end.
        start: The evaluations at which the picture begins.
        low: The value of lines before their first step; None: lines begin at their first step.
        bottom: The lower end of the values that are shown; None: as the values need it.
        log: Whether the evaluations are on a logarithmic axis.
        key: Entries of the legend that hold for all methods: "line" or "band", and a text.
        title: The title above the picture.
        style: The sizes, for a screen or a paper.
        ax: Axes of the caller's; their figure is neither written nor closed.

    Returns:
        The axes.
    """
    check_some("profiles", profiles)
    size = style.size(7.4, 4.2)
    with axes_in(path, size, ax, title=title, style=style) as axes:
        handles = {}
        for place, (name, one) in enumerate(profiles.items()):
            line = look(place, style.scale)
            x, (values, *band) = _extended(one, start, end, low)
            if band:
                low_end, high_end = band
                axes.fill_between(
                    x, low_end, high_end, step="post", color=line["color"], alpha=0.15, linewidth=0
                )
            few = (0.03 + 0.02 * (place % 7), 0.16) if len(x) > 1 else None
            (handles[name],) = axes.plot(
                x, values, drawstyle="steps-post", label=name, markevery=few, **line
            )
        _set_axes(axes, start=start, end=end, bottom=bottom, log=log)
        axes.set(xlabel="evaluations", ylabel=style.wrapped(label, 0.75 * size[1]))
        # The legend is in the order of the lines' ends, from top to bottom.
        lasts = {name: one.values[-1] if len(one.values) else 0 for name, one in profiles.items()}
        legend = [handles[name] for name in sorted(lasts, key=lambda name: -lasts[name])]
        legend_of(axes, [*legend, *_key(key, style)], style, own=ax is None)
    return axes


def _extended(
    one: Profile, start: float, end: float, low: float | None
) -> tuple[Values, list[Values]]:
    """A line and its band, from the start of the picture to its end."""
    columns = [one.values]
    if one.low is not None and one.high is not None:
        columns += [one.low, one.high]
    x = one.evaluations
    if low is not None and (not len(x) or x[0] > start):
        x, columns = np.append(start, x), [np.append(low, column) for column in columns]
    if len(x) and x[-1] < end:
        x, columns = np.append(x, end), [np.append(column, column[-1]) for column in columns]
    return x, columns


def _set_axes(axes: Axes, *, start: float, end: float, bottom: float | None, log: bool) -> None:
    end = max(end, start + 1)
    if log:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(RoomyLogLocator((1,) if end / start > 400 else (1, 2, 5)))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlim(start, end * (end / start) ** 0.02)
    else:
        axes.xaxis.set_major_locator(RoomyLocator(8, steps=(1, 2, 5, 10)))
        axes.set_xlim(start, end + 0.02 * (end - start))
    if bottom is not None:
        axes.set_ylim(bottom=bottom)
    axes.yaxis.set_major_locator(RoomyLocator())
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: compact(value)))


def _key(entries: Sequence[tuple[str, str]], style: FigureStyle) -> list[Line2D | Patch]:
    return [
        Line2D([], [], color=GREY, linewidth=1.5 * style.scale, label=text)
        if kind == "line"
        else Patch(facecolor=GREY, alpha=0.2, label=text)
        for kind, text in entries
    ]
