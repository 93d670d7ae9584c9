"""Mean ranks of methods on one axis, with bars over those that were not shown to differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from pymoo_prune.errors import PruneError, unknown_name
from pymoo_prune.plots.canvas import axes_in
from pymoo_prune.plots.checks import check_some
from pymoo_prune.plots.style import SCREEN, FigureStyle, look

ROW = 1.9
"""The height of a method's row, in units of the text size."""
BAR = 0.34
"""The distance of two bars, in rows."""
LEAD = 0.9
"""Rows between the axis and the rows of the names, without bars."""
TOP = 2.3
"""Rows above the axis: the ticks and the critical difference."""


def draw_ranks(
    path: Path | str | None,
    ranks: Mapping[str, float],
    *,
    critical: float,
    groups: Sequence[Sequence[str]] = (),
    title: str = "",
    style: FigureStyle = SCREEN,
    ax: Axes | None = None,
) -> Axes:
    """Draws a critical difference diagram.

    The best mean rank is on the left. A thick bar connects methods that were not shown to differ.

    Args:
        path: PNG, SVG or PDF file; None writes none.
        ranks: The mean rank of each method, from 1 to the number of methods. The order decides
            their colours.
        critical: The critical difference, which is drawn above the axis.
        groups: Methods that were not shown to differ, two or more each.
        title: The title above the picture.
        style: The sizes, for a screen or a paper.
        ax: Axes of the caller's; their figure is neither written nor closed.

    Returns:
        The axes.
    """
    check_some("ranks", ranks)
    _check(ranks, groups)
    order = sorted(ranks, key=lambda method: ranks[method])
    half = (len(order) + 1) // 2
    sides = order[:half], order[half:][::-1]
    bars = _levels([sorted(ranks[name] for name in group) for group in groups])
    first = LEAD + BAR * len(bars)
    rows = TOP + first + half
    inches = ROW * style.text / 72
    width = 7.4 if style.width is None else style.width
    with axes_in(path, (width, inches * rows + 0.15), ax, title=title, style=style) as axes:
        inside = 0.97 * width if ax is None else axes.get_window_extent().width / axes.figure.dpi
        axes.set_xlim(_ends(ranks, sides, critical, inside, style))
        _draw_axis(axes, len(ranks), critical)
        for level, ends in enumerate(bars):
            for low, high in ends:
                y = LEAD * 0.5 + BAR * level
                axes.plot(
                    [low, high],
                    [y, y],
                    color="black",
                    linewidth=4 * style.scale,
                    solid_capstyle="projecting",
                )
        places = {name: place for place, name in enumerate(ranks)}
        for side, names in enumerate(sides):
            for row, name in enumerate(names):
                _draw_method(axes, name, ranks[name], first + row, places[name], side, style)
        axes.set_ylim(first + half - 0.5, -TOP)
    return axes


def _check(ranks: Mapping[str, float], groups: Sequence[Sequence[str]]) -> None:
    for name, rank in ranks.items():
        if not 1 <= rank <= len(ranks):
            msg = f"mean ranks must be from 1 to {len(ranks)}, but that of {name} is {rank}"
            raise PruneError(msg)
    for name in (name for group in groups for name in group):
        if name not in ranks:
            raise unknown_name("method of a group", name, ranks)


def _levels(groups: Sequence[Sequence[float]]) -> list[list[tuple[float, float]]]:
    """The ends of bars, one list for each level: bars of one level do not overlap."""
    levels: list[list[tuple[float, float]]] = []
    for low, high in sorted((group[0], group[-1]) for group in groups):
        for level in levels:
            if level[-1][1] + 0.1 < low:
                level.append((low, high))
                break
        else:
            levels.append([(low, high)])
    return levels


def _draw_axis(axes: Axes, methods: int, critical: float) -> None:
    """The axis with its ticks, and the critical difference above it."""
    thin: dict[str, Any] = {"color": "black", "linewidth": 0.8}
    axes.set_axis_off()
    axes.plot([1, methods], [0, 0], **thin)
    for rank in range(1, methods + 1):
        axes.plot([rank, rank], [0, -0.2], **thin)
        axes.text(rank, -0.28, str(rank), ha="center", va="bottom")
    end = 1 + critical
    if np.isfinite(critical):
        axes.plot([1, end], [-1.5, -1.5], **thin)
        for edge in (1, end):
            axes.plot([edge, edge], [-1.65, -1.35], **thin)
        label = f"critical difference {critical:.2f}"
        axes.text(1, -1.72, label, ha="left", va="bottom")


def _ends(
    ranks: Mapping[str, float],
    sides: tuple[Sequence[str], Sequence[str]],
    critical: float,
    width: float,
    style: FigureStyle,
) -> tuple[float, float]:
    """Ranks at the left and the right end of a picture in which all names have room.

    Args:
        ranks: The mean ranks.
        sides: The names on the left and on the right.
        critical: The critical difference.
        width: The width of the picture in inches.
        style: The size of the text.
    """
    last = max(len(ranks), 1 + critical if np.isfinite(critical) else 1)
    names = [
        [(ranks[name], style.width_of(_label(name, ranks[name], side)) + 0.15) for name in one]
        for side, one in enumerate(sides)
    ]

    def beyond(scale: float) -> tuple[float, float]:
        """Inches to the left of rank 1 and to the right of the last one."""
        left = max(text - (rank - 1) * scale for rank, text in names[0])
        right = max((text - (last - rank) * scale for rank, text in names[1]), default=0.0)
        return max(left, 0.1), max(right, 0.1)

    low, high = 0.0, width / max(last - 1, 1)  # inches between two ranks
    for _ in range(40):
        middle = (low + high) / 2
        fits = sum(beyond(middle)) + (last - 1) * middle <= width
        low, high = (middle, high) if fits else (low, middle)
    scale = max(low, 0.05)
    left, right = beyond(scale)
    return 1 - left / scale, last + right / scale


def _label(name: str, rank: float, side: int) -> str:
    return f"{name}  {rank:.2f}" if side == 0 else f"{rank:.2f}  {name}"


def _draw_method(
    axes: Axes, name: str, rank: float, row: float, place: int, side: int, style: FigureStyle
) -> None:
    """A method's rank on the axis, and the line from there to its name.

    Names are beside their own lines. Nothing is in their way: on each side, the lines that go
    further down are nearer to the middle.
    """
    line = look(place, style.scale)
    colour = line["color"]
    axes.plot([rank, rank], [0, row], color=colour, linewidth=0.9 * style.scale)
    axes.plot(
        [rank], [0], color=colour, marker=line["marker"], markersize=5.5 * style.scale,
        zorder=3, clip_on=False,
    )  # fmt: skip
    away = -1 if side == 0 else 1
    reach = 0.6 * style.text * away
    arrow: dict[str, Any] = {
        "arrowstyle": "-",
        "color": colour,
        "linewidth": 0.9 * style.scale,
        "shrinkA": 0,
        "shrinkB": 0,
    }
    axes.annotate(
        _label(name, rank, side),
        (rank, row),
        xytext=(reach, 0),
        textcoords="offset points",
        ha="right" if side == 0 else "left",
        va="center",
        annotation_clip=False,
        arrowprops=arrow,
    )
