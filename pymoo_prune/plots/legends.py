"""Legends: beside pictures on a screen, below them in a paper."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend

from pymoo_prune.plots.style import AnyFigure, FigureStyle


def place_legend(
    figure: AnyFigure,
    handles: Sequence[Artist],
    style: FigureStyle,
    *,
    title: str = "",
    own: bool = True,
) -> None:
    """Writes the legend of a whole picture.

    Args:
        figure: The picture.
        handles: The entries.
        style: The sizes; in a paper the legend is below the panels.
        title: What holds for all entries.
        own: Whether the picture may grow by the legend.
    """
    if not style.paper:
        figure.legend(handles=handles, loc="outside right center", title=title or None)
        return
    if not handles:
        return
    legend = _widest(figure, handles, title)
    if own and isinstance(figure, Figure):
        width, height = figure.get_size_inches()
        figure.set_size_inches(width, height + legend.get_window_extent().height / figure.dpi)


def _widest(figure: AnyFigure, handles: Sequence[Artist], title: str) -> Legend:
    """A legend with as many columns as fit into the picture."""
    for columns in range(len(handles), 0, -1):
        legend = figure.legend(
            handles=handles, loc="outside lower center", ncols=columns, title=title or None
        )
        if columns == 1 or legend.get_window_extent().width <= figure.bbox.width:
            break
        legend.remove()
    return legend


def legend_of(
    axes: Axes, handles: Sequence[Artist], style: FigureStyle, *, own: bool, title: str = ""
) -> None:
    """Writes the legend of a picture of one panel: within the axes where they are the caller's.

    Args:
        axes: The axes.
        handles: The entries.
        style: The sizes.
        own: Whether the picture is new, and none of the caller's.
        title: What holds for all entries.
    """
    if own:
        figure = axes.get_figure()
        assert figure is not None  # noqa: S101 - new axes have one
        place_legend(figure, handles, style, title=title)
    elif handles:
        axes.legend(handles=handles, title=title or None)
