"""Ticks whose labels never touch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import matplotlib as mpl
import numpy as np
from matplotlib.axis import XAxis
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from matplotlib.ticker import LogLocator, MaxNLocator
from numpy.typing import NDArray

from pymoo_prune.objectives import Values

STEPS = (1, 2, 2.5, 5, 10)
"""The steps between ticks, times a power of ten: matplotlib's own."""
GAP = 0.5
"""The least distance between two labels, in units of their size."""


AnyAxis: TypeAlias = Any
"""What a locator knows as its axis; matplotlib's types allow dummies too."""


class RoomyLocator(MaxNLocator):
    """Matplotlib's own ticks; fewer of them where labels would touch.

    Args:
        most: The most intervals; "auto" takes the number that matplotlib takes.
        steps: Steps between ticks.
        integer: Whether ticks are whole numbers.
    """

    def __init__(
        self,
        most: int | str = "auto",
        *,
        steps: Sequence[float] = STEPS,
        integer: bool = False,
    ) -> None:
        super().__init__(most, steps=list(steps), integer=integer)  # type: ignore[arg-type]
        self.given = {"steps": list(steps), "integer": integer}

    def tick_values(self, vmin: float, vmax: float) -> Values:  # type: ignore[override]
        """Ticks from a least to a largest value."""
        ticks = np.asarray(super().tick_values(vmin, vmax))
        for most in range(min(len(ticks), 10), 0, -1):
            if not _touch(self.axis, ticks):
                break
            fewer = MaxNLocator(most, **self.given)
            fewer.set_axis(self.axis)
            ticks = np.asarray(fewer.tick_values(vmin, vmax))
        return ticks


class RoomyLogLocator(LogLocator):
    """Ticks at these multiples of powers of ten; fewer of them where labels would touch.

    Args:
        multiples: The multiples.
    """

    def __init__(self, multiples: Sequence[float]) -> None:
        super().__init__(subs=multiples)

    def tick_values(self, vmin: float, vmax: float) -> Values:  # type: ignore[override]
        """Ticks from a least to a largest value."""
        ticks = np.asarray(super().tick_values(vmin, vmax))
        if not _touch(self.axis, ticks):
            return ticks
        powers = LogLocator(subs=(1,))
        powers.set_axis(self.axis)
        decades = np.asarray(powers.tick_values(vmin, vmax))
        if _inside(self.axis, decades).sum() > 1 and not _touch(self.axis, decades):
            return decades
        ticks = ticks[_inside(self.axis, ticks)]
        return next(
            (few for step in range(2, len(ticks)) if not _touch(self.axis, few := ticks[::step])),
            ticks[:1],
        )


def text_width(text: str, points: float, families: Sequence[str] = ()) -> float:
    """The width of a line of text in inches.

    Args:
        text: The line.
        points: Its size.
        families: Its fonts; those of matplotlib's present settings if there are none.
    """
    font = FontProperties(family=families or None, size=points)
    return text_to_path.get_text_width_height_descent(text, font, ismath=False)[0] / 72


def _inside(axis: AnyAxis, ticks: Values) -> NDArray[np.bool_]:
    """Which ticks lie between the ends of an axis, (ticks,) booleans."""
    low, high = sorted(axis.get_view_interval())
    return np.asarray((ticks >= low) & (ticks <= high))


def _touch(axis: AnyAxis, ticks: Values) -> bool:
    """Whether the labels of two ticks would touch, in the present size of the axes."""
    shown = np.sort(ticks[_inside(axis, ticks)])
    if len(shown) < 2:
        return False
    texts = axis.get_major_formatter().format_ticks(shown.tolist())
    points = FontProperties(size=_label_size(axis)).get_size_in_points()
    box = axis.axes.bbox
    if isinstance(axis, XAxis):
        length = box.width
        extents = np.array([72 * text_width(text, points) for text in texts])
    else:
        length, extents = box.height, np.full(len(texts), 0.8 * points)
    ends = axis.get_transform().transform(np.asarray(axis.get_view_interval(), dtype=float))
    places = np.asarray(axis.get_transform().transform(shown))
    inches = length / axis.axes.get_figure().dpi
    distances = np.abs(np.diff(places) / (ends[1] - ends[0])) * 72 * inches
    return bool((distances < (extents[1:] + extents[:-1]) / 2 + GAP * points).any())


def _label_size(axis: AnyAxis) -> float | str:
    default = mpl.rcParams["xtick.labelsize" if isinstance(axis, XAxis) else "ytick.labelsize"]
    size: float | str = axis.get_tick_params().get("labelsize", default)
    return size
