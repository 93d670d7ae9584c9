"""What all pictures share: colours and lines, axes, and how a figure becomes a file."""

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
"""Eight to seven colours: the eighth method has the first one's colour, but another marker."""
LINE_STYLES: tuple[Any, ...] = (
    "-",
    (0, (5, 1.5)),
    (0, (5, 1.5, 1, 1.5)),
    (0, (1.5, 1.2)),
    (0, (8, 1.5, 1, 1.5, 1, 1.5)),
)
GREY = "#555555"
"""What a legend says of all methods alike."""
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
ROOM = 0.04
"""Between the outermost values and the ends of an axis, as a share of its length."""

UNDATED: Mapping[str, dict[str, Any]] = {
    ".png": {},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
}
"""Formats by suffix, and how each is told not to write the time into the file."""
_DRAWING = RLock()  # matplotlib's settings belong to the process, not to a thread


@contextmanager
def picture(path: Path | str, size: tuple[float, float], *, title: str = "") -> Iterator[Figure]:
    """Gives an empty figure in the style of the house, and writes it when the block has ended.

    Needs no display, and may be used in threads, which then draw one after the other.

    Args:
        path: PNG or SVG file, or PDF.
        size: Width and height in inches.
        title: Above all panels.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in UNDATED:
        msg = f"pictures are {', '.join(UNDATED)} files, but the path is {str(path)!r}"
        raise PruneError(msg)
    # Names are shown as they are, dollars too.
    with _DRAWING, mpl.rc_context({**STYLE, "text.parse_math": False}):
        figure = Figure(figsize=size, layout="constrained")
        if title:
            figure.suptitle(wrapped(title, size[0]), x=0.01, ha="left")
        yield figure
        figure.savefig(path, dpi=160, metadata=UNDATED[suffix])


def wrapped(title: str, width: float) -> str:
    """A title in as many lines as it needs in a picture so many inches wide."""
    return fill(title, max(int(9.5 * width), 1))


def look(place: int) -> dict[str, Any]:
    """How the method in this place is drawn, the same in every picture."""
    return {
        "color": COLOURS[place % len(COLOURS)],
        "marker": MARKERS[place % len(MARKERS)],
        "linestyle": LINE_STYLES[place % len(LINE_STYLES)],
        "markersize": 4.5,
        "linewidth": 1.3,
    }


def compact(value: float) -> str:
    """A number as short as ticks need it: 12k, 3.5M."""
    units = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
    size, letter = next((unit for unit in units if abs(value) >= unit[0]), (1, ""))
    return f"{value / size:g}{letter}".replace("-", "−")


def formatter(quantity: Quantity) -> Formatter:
    """Ticks in percent for shares, else compact."""
    if quantity.share:
        return FuncFormatter(lambda v, _: f"{100 * v:g} %".replace("-", "−"))
    return FuncFormatter(lambda v, _: compact(v))


def limits(values: ArrayLike, *, log: bool = False) -> tuple[float, float]:
    """Where an axis over these values begins and ends, with a little room on both sides.

    Args:
        values: All that is drawn there; what is no number is passed over.
        log: Whether the axis is logarithmic.
    """
    known = _finite(values)
    if not len(known):
        return 0.0, 1.0
    ends = np.array([known.min(), known.max()])
    if log:
        ends = np.log(ends)
    room = ROOM * (ends[1] - ends[0]) or ROOM * abs(ends[0]) or 0.5
    ends += np.array([-room, room])
    low, high = np.exp(ends) if log else ends
    return float(low), float(high)


def is_logarithmic(quantity: Quantity, values: ArrayLike) -> bool:
    """Whether an axis over these values is logarithmic: where lower is better and they spread.

    Where higher is better, as with an accuracy or the share that is removed, the upper end is what
    matters, and would be squeezed.
    """
    known = _finite(values)
    return bool(
        quantity.better == "lower"
        and len(known)
        and known.min() > 0
        and known.max() / known.min() > LOG_SPREAD
    )


def set_axis(axes: Axes, which: Literal["x", "y"], quantity: Quantity, values: ArrayLike) -> None:
    """Scale, limits and ticks of an axis over a quantity.

    Args:
        axes: Where.
        which: Which of its two axes.
        quantity: How values are written.
        values: All that is drawn there.
    """
    axis = {"x": axes.xaxis, "y": axes.yaxis}[which]
    known = _finite(values)
    log = is_logarithmic(quantity, known)
    if log:
        axes.set(**{f"{which}scale": "log"})
        wide = known.max() / known.min() > 400  # more labels would touch each other
        axis.set_major_locator(LogLocator(subs=(1,) if wide else (1, 2, 5)))
        axis.set_minor_formatter(NullFormatter())
    axes.set(**{f"{which}lim": limits(known, log=log)})
    axis.set_major_formatter(formatter(quantity))


def _finite(values: ArrayLike) -> Values:
    numbers = np.asarray(values, dtype=np.float64)
    return numbers[np.isfinite(numbers)]
