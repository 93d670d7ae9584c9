"""The places of matrices whose cells are squares of one size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from pymoo_prune.plots.style import FigureStyle, wrapped


@dataclass(frozen=True)
class Mosaic:
    """A plan of panels in rows.

    Attributes:
        size: Width and height of the picture in inches.
        places: The place of each panel: left, bottom, width, height, as shares of the picture.
        heads: The text above each panel, in lines.
        leftmost: The first panel of each row.
    """

    size: tuple[float, float]
    places: Mapping[str, tuple[float, float, float, float]]
    heads: Mapping[str, str]
    leftmost: frozenset[str]

    @classmethod
    def of(
        cls,
        shapes: Mapping[str, tuple[int, ...]],
        heads: Mapping[str, str],
        title: str,
        style: FigureStyle,
    ) -> Self:
        """All panels in one row on a screen, and in as many rows as a paper's width needs.

        Args:
            shapes: Rows and columns of each matrix.
            heads: The text above each panel.
            title: The title of the picture.
            style: The sizes.
        """
        space = _PAPER if style.paper else _SCREEN
        cell = _cell(max(max(shape) for shape in shapes.values()), space, style)
        if style.paper:  # a head is as wide as its panel
            heads = {n: style.wrapped(text, cell * shapes[n][1]) for n, text in heads.items()}
        slots = {
            name: space.gap + max(cell * shapes[name][1], *map(style.width_of, text.split("\n")))
            for name, text in heads.items()
        }
        rows = _rows(slots, space.row(style))
        width = style.width or space.left - 0.3 + max(sum(slots[n] for n in row) for row in rows)
        line = 0.02 * style.text
        lines = 0 if style.paper or not title else wrapped(title, width).count("\n") + 1
        titled = line * lines + 0.1 * bool(lines)
        head = space.head + line * max(text.count("\n") + 1 for text in heads.values())
        highs = [cell * max(shapes[name][0] for name in row) for row in rows]
        height = titled + sum(highs) + len(rows) * (head + space.axis) - space.axis + space.foot
        places, top = {}, height - titled
        for row, high in zip(rows, highs, strict=True):
            x, y = space.left, top - head
            for name in row:
                down, right = (cell * cells for cells in shapes[name])
                places[name] = (x / width, (y - down) / height, right / width, down / height)
                x += slots[name]
            top -= head + high + space.axis
        return cls((width, height), places, heads, frozenset(row[0] for row in rows))


@dataclass(frozen=True)
class _Space:
    """Distances in inches.

    Attributes:
        gap: Between two panels of a row.
        left: For the labels of the first panel.
        foot: Below the last row, with the legend.
        axis: Between two rows, for the labels of the upper one.
        head: Above a head.
        cells: The least and the largest size of a cell.
    """

    gap: float
    left: float
    foot: float
    axis: float
    head: float
    cells: tuple[float, float]

    def row(self, style: FigureStyle) -> float:
        """The width for a row of panels, with a gap for each."""
        return np.inf if style.width is None else style.width - self.left + self.gap - 0.04


_SCREEN = _Space(gap=0.45, left=0.7, foot=0.95, axis=0.4, head=0.15, cells=(0.08, 0.3))
_PAPER = _Space(gap=0.3, left=0.5, foot=0.55, axis=0.4, head=0.05, cells=(0.04, 0.15))


def _cell(most: int, space: _Space, style: FigureStyle) -> float:
    """The size of cells, of which at most so many stand beside each other."""
    whole = 2.8 if style.width is None else space.row(style) / style.columns - space.gap - 0.01
    return float(np.clip(whole / most, *space.cells))


def _rows(slots: Mapping[str, float], width: float) -> list[list[str]]:
    """Panels in rows of at most this width."""
    rows: list[list[str]] = [[]]
    for name, slot in slots.items():
        if rows[-1] and sum(slots[one] for one in rows[-1]) + slot > width:
            rows.append([])
        rows[-1].append(name)
    return rows
