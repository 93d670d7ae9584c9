"""Colours, lines, axes and files of all pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from textwrap import fill
from threading import RLock
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import Formatter, FuncFormatter, LogLocator, NullFormatter
from numpy.typing import ArrayLike

from pymoo_prune.errors import PruneError
from pymoo_prune.objectives import Quantity, Values

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's palette, which colour-blind readers can tell apart."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
"""Eight markers for seven colours: the eighth method differs from the first by its marker."""
LINE_STYLES: tuple[Any, ...] = (
    "-",
    (0, (5, 1.5)),
    (0, (5, 1.5, 1, 1.5)),
    (0, (1.5, 1.2)),
    (0, (8, 1.5, 1, 1.5, 1, 1.5)),
)
GREY = "#555555"
"""The colour of legend entries that hold for all methods."""
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
    "legend.handlelength": 2.6,  # long enough to tell dashes from dots
    "svg.hashsalt": "pymoo-prune",  # the same picture is the same file
}
LOG_SPREAD = 20
"""Axes whose values spread over more than this factor are logarithmic."""
MARGIN = 0.04
"""The distance from the outermost values to the ends of an axis, as a share of their range."""

WITHOUT_DATE: Mapping[str, dict[str, Any]] = {
    ".png": {},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
}
"""Formats by suffix, each with the metadata that keeps the date out of the file."""
_DRAWING_LOCK = RLock()  # matplotlib's settings are the same for all threads


@contextmanager
def picture(
    path: Path | str | None, size: tuple[float, float], *, title: str = ""
) -> Iterator[Figure]:
    """Gives an empty figure in the common style, and writes it at the end of the block.

    It needs no display. Several threads may use it; they draw one after the other.

    Args:
        path: PNG, SVG or PDF file; None writes none.
        size: Width and height in inches.
        title: The title above all panels.
    """
    suffix = "" if path is None else Path(path).suffix.lower()
    if path is not None and suffix not in WITHOUT_DATE:
        msg = f"pictures are {', '.join(WITHOUT_DATE)} files, but the path is {str(path)!r}"
        raise PruneError(msg)
    # Names are shown unchanged, even with dollars.
    with _DRAWING_LOCK, mpl.rc_context({**STYLE, "text.parse_math": False}):
        figure = Figure(figsize=size, layout="constrained")
        if title:
            figure.suptitle(wrapped(title, size[0]), x=0.01, ha="left")
        yield figure
        if path is not None:
            figure.savefig(path, dpi=160, metadata=WITHOUT_DATE[suffix])


def wrapped(title: str, width: float) -> str:
    """A title in as many lines as it needs in a picture of this width in inches."""
    return fill(title, max(int(9.5 * width), 1))


def look(place: int) -> dict[str, Any]:
    """The look of the method at this place, the same in every picture."""
    return {
        "color": COLOURS[place % len(COLOURS)],
        "marker": MARKERS[place % len(MARKERS)],
        "linestyle": LINE_STYLES[place % len(LINE_STYLES)],
        "markersize": 4.5,
        "linewidth": 1.3,
    }


def compact(value: float) -> str:
    """A number, short enough for ticks: 12k, 3.5M."""
    units = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
    size, letter = next((unit for unit in units if abs(value) >= unit[0]), (1, ""))
    return f"{value / size:g}{letter}".replace("-", "−")


def formatter(quantity: Quantity) -> Formatter:
    """Writes ticks: shares in percent, other numbers compactly."""
    if quantity.share:
        return FuncFormatter(lambda v, _: f"{100 * v:g} %".replace("-", "−"))
    return FuncFormatter(lambda v, _: compact(v))


def limits(values: ArrayLike, *, log: bool = False) -> tuple[float, float]:
    """The ends of an axis over these values, with a margin on both sides.

    Args:
        values: All values on the axis; those that are not finite are ignored.
        log: Whether the axis is logarithmic.
    """
    known = _finite(values)
    if not len(known):
        return 0.0, 1.0
    ends = np.array([known.min(), known.max()])
    if log:
        ends = np.log(ends)
    room = MARGIN * (ends[1] - ends[0]) or MARGIN * abs(ends[0]) or 0.5
    ends += np.array([-room, room])
    low, high = np.exp(ends) if log else ends
    return float(low), float(high)


def is_logarithmic(quantity: Quantity, values: ArrayLike) -> bool:
    """Whether an axis over these values is logarithmic: if lower is better and they spread.

    Where higher is better, as for an accuracy or a removed share, the upper end matters most, and a
    logarithm would squeeze it.
    """
    known = _finite(values)
    return bool(
        quantity.better == "lower"
        and len(known)
        and known.min() > 0
        and known.max() / known.min() > LOG_SPREAD
    )


def set_axis(axes: Axes, which: Literal["x", "y"], quantity: Quantity, values: ArrayLike) -> None:
    """Sets scale, limits and ticks of an axis over a quantity.

    Args:
        axes: The axes that are changed.
        which: The axis.
        quantity: The quantity.
        values: All values on the axis.
    """
    axis = {"x": axes.xaxis, "y": axes.yaxis}[which]
    known = _finite(values)
    log = is_logarithmic(quantity, known)
    if log:
        axes.set(**{f"{which}scale": "log"})
        wide = known.max() / known.min() > 400  # more labels would touch
        axis.set_major_locator(LogLocator(subs=(1,) if wide else (1, 2, 5)))
        axis.set_minor_formatter(NullFormatter())
    axes.set(**{f"{which}lim": limits(known, log=log)})
    axis.set_major_formatter(formatter(quantity))


def _finite(values: ArrayLike) -> Values:
    numbers = np.asarray(values, dtype=np.float64)
    return numbers[np.isfinite(numbers)]
