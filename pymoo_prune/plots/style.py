"""Colours, lines and axes of all pictures, and their sizes on a screen and in a paper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from textwrap import fill
from typing import Any, Literal, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import Formatter, FuncFormatter, NullFormatter
from numpy.typing import ArrayLike

from pymoo_prune.errors import PruneError, unknown_name
from pymoo_prune.objectives import Quantity, Values
from pymoo_prune.plots.ticks import RoomyLocator, RoomyLogLocator, text_width

AnyFigure: TypeAlias = Figure | SubFigure

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
LIGHT, LIGHT_MARKER = "#8C8C8C", "x"
"""The look of networks that are there for orientation: no method has this grey or this marker."""
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
    "svg.fonttype": "none",  # text stays text, which can be searched and edited
    "pdf.fonttype": 42,  # TrueType: many publishers refuse matplotlib's default
    "savefig.bbox": None,  # a picture is as large as it says
}
TEXT, PAPER_TEXT = 10.0, 8.0
"""The size of text in points, on a screen and in a paper."""
PAPER: dict[Any, Any] = {
    **dict.fromkeys(
        (
            "font.size", "axes.titlesize", "axes.labelsize", "xtick.labelsize", "ytick.labelsize",
            "legend.fontsize", "legend.title_fontsize", "figure.titlesize", "figure.labelsize",
        ),
        PAPER_TEXT,
    ),
    "figure.titleweight": "normal",
    "axes.linewidth": 0.6,
    "axes.labelpad": 2.0,
    "axes.titlepad": 3.0,
    "grid.linewidth": 0.4,
    **{f"{axis}tick.major.{what}": size for axis in "xy"
       for what, size in (("width", 0.6), ("size", 2.5), ("pad", 2.0))},
    **{f"{axis}tick.minor.{what}": size for axis in "xy"
       for what, size in (("width", 0.4), ("size", 1.5))},
    "legend.handlelength": 2.4,
    "legend.handletextpad": 0.5,
    "legend.columnspacing": 1.2,
    "legend.labelspacing": 0.3,
    "legend.borderpad": 0.1,
    "legend.borderaxespad": 0.2,
    "figure.constrained_layout.w_pad": 0.02,
    "figure.constrained_layout.h_pad": 0.02,
}  # fmt: skip
"""Settings for the columns of a paper, besides `STYLE`."""
SERIF = ("STIXGeneral", "serif")
"""Times, for papers that are set in it or in Linux Libertine. Matplotlib brings STIX everywhere.
The second family is for readers of SVG files, and for letters that STIX lacks."""
SERIFS: dict[Any, Any] = {
    "font.family": SERIF,
    "font.serif": ("Times New Roman", "Times", "DejaVu Serif"),
    "mathtext.fontset": "stix",
}
"""Settings for pictures in these fonts."""
WIDEST = 12.6
"""The width in inches that pictures of several panels keep on a screen."""


@dataclass(frozen=True)
class FigureStyle:
    """The sizes of pictures: for a screen, or for a column or a page of a paper.

    Attributes:
        width: The width of every picture in inches; None: as wide as it needs.
        columns: The most panels beside each other.
        scale: Factor for lines and markers.
        dpi: Pixels per inch, where a picture has pixels.
        endings: The files of each picture in a report.
        serif: Whether text is in Times, as in many papers.
    """

    width: float | None = None
    columns: int = 3
    scale: float = 1.0
    dpi: int = 160
    endings: tuple[str, ...] = (".png", ".svg")
    serif: bool = False

    @property
    def paper(self) -> bool:
        """Whether pictures are for a paper: they have captions there, and no titles."""
        return self.width is not None

    @property
    def text(self) -> float:
        """The size of text in points."""
        return PAPER_TEXT if self.paper else TEXT

    @property
    def settings(self) -> dict[Any, Any]:
        """Matplotlib's settings; names are shown unchanged, even with dollars."""
        paper, serifs = PAPER if self.paper else {}, SERIFS if self.serif else {}
        return {**STYLE, **paper, **serifs, "text.parse_math": False}

    def grid(self, panels: int) -> tuple[int, int]:
        """Rows and columns for this number of panels: four are two rows of two."""
        rows = -(-panels // self.columns)
        return rows, -(-panels // rows)

    def size(self, wide: float, high: float, *, columns: int = 1) -> tuple[float, float]:
        """Width and height in inches: as given on a screen, the paper's width in a paper.

        Args:
            wide: The width on a screen.
            high: The height on a screen.
            columns: Panels beside each other. In a paper the height is that of one row of them.
        """
        if self.width is None:
            return wide, high
        return self.width, float(np.clip(0.62 * self.width / columns, 1.5, 2.8))

    def width_of(self, text: str, points: float | None = None) -> float:
        """The width of a text in inches.

        Args:
            text: A line of text.
            points: Its size; None is the size of most text.
        """
        return text_width(text, points or self.text, SERIF if self.serif else ())

    def wrapped(self, text: str, width: float) -> str:
        """A text in as many lines as it needs within this width in inches; words stay whole."""
        lines: list[str] = []
        for word in text.split():
            longer = f"{lines[-1]} {word}" if lines else word
            if lines and self.width_of(longer) <= width:
                lines[-1] = longer
            else:
                lines.append(word)
        return "\n".join(lines)


SCREEN = FigureStyle()
COLUMN = FigureStyle(3.5, columns=2, scale=0.72, dpi=300, endings=(".png", ".svg", ".pdf"))
"""One column: 3.5 inches, as in IEEE's two-column journals. ACM's are 3.33 inches."""
PAGE = FigureStyle(7.16, columns=3, scale=0.8, dpi=300, endings=(".png", ".svg", ".pdf"))
"""The text of a page with two columns: 7.16 inches, as in IEEE's journals."""
FIGURES: Mapping[str, FigureStyle] = {"screen": SCREEN, "column": COLUMN, "page": PAGE}
"""The styles by the name that `report --figures` takes."""
STYLES: Mapping[str, Mapping[str, FigureStyle]] = {
    "plain": {"column": COLUMN, "page": PAGE},
    "ieee": {"column": replace(COLUMN, serif=True), "page": replace(PAGE, serif=True)},
    "acm": {
        "column": replace(COLUMN, width=3.33, serif=True),
        "page": replace(PAGE, width=7.0, serif=True),
    },
}
"""The styles of publishers, by the names that `report --style` and `--figures` take.

IEEE's journals have columns of 3.5 inches, ACM's conferences (sigconf) of 3.33 inches.
"""
LOG_SPREAD = 20
"""Axes whose values spread over more than this factor are logarithmic."""
MARGIN = 0.04
"""The distance from the outermost values to the ends of an axis, as a share of their range."""


def paper_style(style: str = "plain", figures: str = "column") -> FigureStyle:
    """The style of pictures for a paper.

    Args:
        style: One of `STYLES`: the publisher.
        figures: "column", or "page" for both columns.
    """
    if style not in STYLES:
        raise unknown_name("style", style, STYLES)
    if figures not in STYLES[style]:
        msg = f"pictures for a paper are as wide as a column or a page, but figures is {figures!r}"
        raise PruneError(msg)
    return STYLES[style][figures]


def wrapped(title: str, width: float) -> str:
    """A title in as many lines as it needs in a picture of this width in inches."""
    return fill(title, max(int(9.5 * width), 1))


def look(place: int, scale: float = 1.0) -> dict[str, Any]:
    """The look of the method at this place, the same in every picture.

    Args:
        place: The method's place.
        scale: Factor for its line and markers.
    """
    return {
        "color": COLOURS[place % len(COLOURS)],
        "marker": MARKERS[place % len(MARKERS)],
        "linestyle": LINE_STYLES[place % len(LINE_STYLES)],
        "markersize": 4.5 * scale,
        "linewidth": 1.3 * scale,
    }


def light_look(scale: float = 1.0) -> dict[str, Any]:
    """The look of networks that are there for orientation: crosses, behind the methods' markers.

    Args:
        scale: Factor for their markers.
    """
    return {
        "color": LIGHT,
        "marker": LIGHT_MARKER,
        "linestyle": "none",
        "markersize": 8.5 * scale,
        "markeredgewidth": 1.3 * scale,
        "zorder": 1.5,
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
        axis.set_major_locator(RoomyLogLocator((1,) if wide else (1, 2, 5)))
        axis.set_minor_formatter(NullFormatter())
    else:
        axis.set_major_locator(RoomyLocator())
    axes.set(**{f"{which}lim": limits(known, log=log)})
    axis.set_major_formatter(formatter(quantity))


def _finite(values: ArrayLike) -> Values:
    numbers = np.asarray(values, dtype=np.float64)
    return numbers[np.isfinite(numbers)]
