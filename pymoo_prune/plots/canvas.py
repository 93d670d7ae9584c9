"""Figures and their files: new ones, or the caller's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pymoo_prune.errors import PruneError
from pymoo_prune.plots.style import SCREEN, AnyFigure, FigureStyle, wrapped

WITHOUT_DATE: Mapping[str, dict[str, Any]] = {
    ".png": {},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
}
"""Formats by suffix, each with the metadata that keeps the date out of the file."""
_DRAWING_LOCK = RLock()  # matplotlib's settings are the same for all threads


@contextmanager
def picture(
    path: Path | str | None,
    size: tuple[float, float],
    *,
    title: str = "",
    style: FigureStyle = SCREEN,
) -> Iterator[Figure]:
    """Gives an empty figure in the common style, and writes it at the end of the block.

    It needs no display. Several threads may use it; they draw one after the other.

    Args:
        path: PNG, SVG or PDF file; None writes none.
        size: Width and height in inches.
        title: The title above all panels; left out in a paper, which has captions.
        style: The sizes of text and lines.
    """
    suffix = "" if path is None else Path(path).suffix.lower()
    if path is not None and suffix not in WITHOUT_DATE:
        msg = f"pictures are {', '.join(WITHOUT_DATE)} files, but the path is {str(path)!r}"
        raise PruneError(msg)
    with _DRAWING_LOCK, mpl.rc_context(style.settings):
        figure = Figure(figsize=size, layout="constrained")
        if title and not style.paper:
            figure.suptitle(wrapped(title, size[0]), x=0.01, ha="left")
        yield figure
        _make_ticks(figure)
        if path is not None:
            figure.savefig(path, dpi=style.dpi, metadata=WITHOUT_DATE[suffix])


@contextmanager
def panels_in(
    path: Path | str | None,
    size: tuple[float, float],
    figure: AnyFigure | None,
    *,
    title: str = "",
    style: FigureStyle = SCREEN,
) -> Iterator[AnyFigure]:
    """Gives the caller's figure, which is neither written nor closed, or one from `picture`.

    Args:
        path: PNG, SVG or PDF file; None writes none.
        size: Width and height in inches of a new figure.
        figure: The caller's figure.
        title: The title of a new figure.
        style: The sizes of text and lines.
    """
    if figure is None:
        with picture(path, size, title=title, style=style) as made:
            yield made
        return
    _check_no_path(path, "figure")
    with _DRAWING_LOCK, mpl.rc_context(style.settings):
        yield figure
        _make_ticks(figure)


@contextmanager
def axes_in(
    path: Path | str | None,
    size: tuple[float, float],
    ax: Axes | None,
    *,
    title: str = "",
    style: FigureStyle = SCREEN,
) -> Iterator[Axes]:
    """Gives the caller's axes, whose figure is neither written nor closed, or those of a new one.

    Args:
        path: PNG, SVG or PDF file; None writes none.
        size: Width and height in inches of a new figure.
        ax: The caller's axes; their settings are the caller's.
        title: The title of a new figure.
        style: The sizes of text and lines.
    """
    if ax is None:
        with picture(path, size, title=title, style=style) as made:
            yield made.add_subplot()
        return
    _check_no_path(path, "ax")
    with _DRAWING_LOCK, mpl.rc_context({"text.parse_math": False}):
        yield ax


def _make_ticks(figure: AnyFigure) -> None:
    """Makes the ticks in the present style: matplotlib makes them when a figure is drawn."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            axis.get_major_ticks()
            axis.get_minor_ticks()


def _check_no_path(path: Path | str | None, name: str) -> None:
    if path is not None:
        msg = f"path must be None where {name} is given, which its owner writes, not {str(path)!r}"
        raise PruneError(msg)
