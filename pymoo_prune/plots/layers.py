"""The parts of networks that are kept, by layer and by connection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from pymoo_prune.chromosomes import Booleans
from pymoo_prune.errors import PruneError
from pymoo_prune.objectives import Quantity, Values
from pymoo_prune.plots.canvas import panels_in
from pymoo_prune.plots.checks import check_some
from pymoo_prune.plots.mosaic import Mosaic
from pymoo_prune.plots.style import (
    COLOURS,
    GREY,
    SCREEN,
    AnyFigure,
    FigureStyle,
    formatter,
)

MOST_LABELS = 64
"""Up to this number of layers, each is named."""
GONE_MARKER: dict[str, Any] = {"marker": "x", "color": GREY, "markersize": 4, "linestyle": "none"}
LAYER_TEXT = 7.5
"""The size of layers' names on a screen, in points."""
LINE = 1.6
"""The height of a line, in units of its size."""
CELL_COLOURS = {"live": COLOURS[0], "removed": "#ecbf98", "impossible": "#f4f4f4"}
"""Dark, middle and light, so that they differ without colours too."""


def draw_layers(
    path: Path | str | None,
    kept: Mapping[str, Mapping[str, float]],
    *,
    title: str = "",
    label: str = "weights kept",
    style: FigureStyle = SCREEN,
    figure: AnyFigure | None = None,
) -> AnyFigure:
    """Draws the share of each layer that networks keep, in a panel for each network.

    The panels are one below the other, with the outline of the first network in the others.

    Args:
        path: PNG, SVG or PDF file; None writes none.
        kept: The shares of each network by layer, in the layers' order. A layer that a network
            lacks counts as 0.
        title: The title above the picture.
        label: The label of the shares.
        style: The sizes, for a screen or a paper.
        figure: A figure of the caller's, for the panels; it is neither written nor closed.

    Returns:
        The picture.
    """
    layers = _checked_layers(kept)
    table = {
        name: np.array([shares.get(layer, 0.0) for layer in layers])
        for name, shares in kept.items()
    }
    width = style.width or float(np.clip(1.6 + 0.16 * len(layers), 6.0, 12.0))
    named = range(0, len(layers), -(-len(layers) // _most_labels(width, style)))
    size = style.text if style.paper else LAYER_TEXT
    longest = max(style.width_of(layers[place], size) for place in named)
    upright = longest > 0.8 * width / len(named)
    bars, names = (0.95 if style.paper else 1.25) * len(kept), longest if upright else 0.15
    height = bars + names + 0.7
    with panels_in(path, (width, height), figure, title=title, style=style) as drawn:
        panels = drawn.subplots(len(kept), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
        for place, (axes, name) in enumerate(zip(panels, table, strict=True)):
            _draw_bars(axes, table[name], COLOURS[place % len(COLOURS)])
            if len(table) > 1 or not style.paper:  # a caption names the only network
                axes.set_title(name, loc="left", fontsize=style.text)
        for axes in panels[1:]:
            outline = next(iter(table.values()))
            axes.stairs(outline, np.arange(len(layers) + 1) - 0.5, color=GREY, linewidth=1)
        panels[0].set(xlim=(-0.7, len(layers) - 0.3), ylim=(0, 1.04))
        panels[0].yaxis.set_major_formatter(formatter(Quantity("higher", label, share=True)))
        panels[-1].set_xticks(named, labels=[layers[place] for place in named])
        panels[-1].tick_params("x", rotation=90 * upright, labelsize=size)
        # Beside the middle of the panels, which is not that of the picture.
        drawn.supylabel(label, y=(0.4 + names + bars / 2) / height, fontsize=style.text)
        drawn.legend(handles=_legend(table), loc="outside lower right", ncols=2)
    return drawn


def _most_labels(width: float, style: FigureStyle) -> int:
    """How many layers can be named in a picture of this width in inches."""
    if not style.paper:
        return MOST_LABELS
    return min(MOST_LABELS, int((width - 0.6) / (LINE * style.text / 72)))


def _checked_layers(kept: Mapping[str, Mapping[str, float]]) -> list[str]:
    """All layers in order; a layer that earlier networks lack follows its own predecessor."""
    check_some("kept", kept)
    order: list[str] = []
    for name, shares in kept.items():
        place = 0
        for layer, share in shares.items():
            if not 0 <= share <= 1:
                msg = f"shares must be from 0 to 1, but {name!r} keeps {share} of {layer!r}"
                raise PruneError(msg)
            if layer not in order:
                order.insert(place, layer)
            place = order.index(layer) + 1
    check_some("layers", order)
    return order


def _draw_bars(axes: Axes, shares: Values, colour: str) -> None:
    axes.bar(np.arange(len(shares)), shares, width=0.8, color=colour)
    gone = np.flatnonzero(shares == 0)
    axes.plot(gone, np.full(len(gone), 0.05), **GONE_MARKER)
    axes.grid(visible=False, axis="x")


def _legend(table: Mapping[str, Values]) -> list[Line2D]:
    handles = []
    if len(table) > 1:
        first = next(iter(table))
        handles.append(Line2D([], [], color=GREY, linewidth=1, label=f"outline of {first}"))
    if any((shares == 0).any() for shares in table.values()):
        handles.append(Line2D([], [], label="nothing kept", **GONE_MARKER))
    return handles


def draw_matrices(
    path: Path | str | None,
    matrices: Mapping[str, Booleans],
    *,
    possible: Mapping[str, Booleans] | None = None,
    title: str = "",
    rows: str = "reads from",
    columns: str = "layer",
    style: FigureStyle = SCREEN,
    figure: AnyFigure | None = None,
) -> AnyFigure:
    """Draws the live connections, as matrices beside each other.

    Args:
        path: PNG, SVG or PDF file; None writes none.
        matrices: Matrices by name, True where a connection lives, (rows, columns).
        possible: Matrices by the same names, True where a connection is possible. Default:
            everywhere.
        title: The title above the picture.
        rows: The label of the rows.
        columns: The label of the columns.
        style: The sizes, for a screen or a paper.
        figure: A figure of the caller's, for the panels; it is neither written nor closed.

    Returns:
        The picture.
    """
    if possible is None:
        possible = {name: np.ones_like(live) for name, live in matrices.items()}
    _check_matrices(matrices, possible)
    heads = {
        name: f"{name}: {live.sum():,} of {possible[name].sum():,} live"
        for name, live in matrices.items()
    }
    plan = Mosaic.of({name: live.shape for name, live in matrices.items()}, heads, title, style)
    with panels_in(path, plan.size, figure, title=title, style=style) as drawn:
        own = figure is None
        panels = _placed(drawn, plan) if own else _side_by_side(drawn, list(matrices), style)
        for name, live in matrices.items():
            axes = panels[name]
            _draw_cells(axes, possible[name].astype(int) + live)
            axes.set_title(plan.heads[name], loc="left", fontsize=style.text)
            axes.set_xlabel(columns)
            if name in plan.leftmost:
                axes.set_ylabel(rows)
        everywhere = all(one.all() for one in possible.values())
        kinds = list(CELL_COLOURS.items())[:2] if everywhere else CELL_COLOURS.items()
        handles = [Patch(facecolor=c, edgecolor=GREY, linewidth=0.5, label=n) for n, c in kinds]
        if own:
            drawn.legend(handles=handles, loc="lower center", ncols=3)
        else:
            drawn.legend(handles=handles, loc="outside lower center", ncols=3)
    return drawn


def _placed(figure: AnyFigure, plan: Mosaic) -> dict[str, Axes]:
    """Panels in which cells are squares of one size."""
    if isinstance(figure, Figure):
        figure.set_layout_engine("none")
    return {name: figure.add_axes(place) for name, place in plan.places.items()}


def _side_by_side(figure: AnyFigure, names: Sequence[str], style: FigureStyle) -> dict[str, Axes]:
    """Panels in a figure of the caller's, which lays them out; cells are squares."""
    grid = figure.subplots(*style.grid(len(names)), squeeze=False)
    for axes in grid.flat[len(names) :]:
        axes.remove()
    panels = dict(zip(names, grid.flat, strict=False))
    for axes in panels.values():
        axes.set_aspect("equal")
    return panels


def _check_matrices(matrices: Mapping[str, Booleans], possible: Mapping[str, Booleans]) -> None:
    check_some("matrices", matrices)
    if matrices.keys() != possible.keys():
        msg = f"possible must have the names {list(matrices)}, but it has {list(possible)}"
        raise PruneError(msg)
    for name, live in matrices.items():
        for matrix in (live, possible[name]):
            if matrix.ndim != 2 or matrix.dtype != bool or not matrix.size:
                what = f"{matrix.dtype} of shape {matrix.shape}"
                msg = f"matrix {name!r} must be booleans, (rows, columns), but it is {what}"
                raise PruneError(msg)
        if live.shape != possible[name].shape:
            shapes = f"{live.shape}, but that of possible has {possible[name].shape}"
            msg = f"matrix {name!r} has shape {shapes}"
            raise PruneError(msg)
        wrong = np.argwhere(live & ~possible[name]).tolist()
        if wrong:
            msg = f"connection {tuple(wrong[0])} of matrix {name!r} lives, but is not possible"
            raise PruneError(msg)


def _draw_cells(axes: Axes, kinds: NDArray[np.int_]) -> None:
    """Cells of a matrix: 0 where impossible, 1 where removed, 2 where live; row 0 on top."""
    down, right = (np.arange(size + 1) - 0.5 for size in kinds.shape)
    colours = ListedColormap(list(CELL_COLOURS.values())[::-1])
    axes.pcolormesh(
        right, down, kinds, cmap=colours, vmin=0, vmax=2, edgecolors="white", linewidth=0.6
    )
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=2)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True))
