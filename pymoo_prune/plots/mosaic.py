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
        line = 0.2 * style.text / 10
        gap, left, foot = (0.3, 0.5, 0.55) if style.paper else (0.45, 0.7, 0.95)
        lowest, highest, whole = 0.08, 0.3, 2.8
        if style.width is not None:
            lowest, highest = 0.04, 0.15
            whole = (style.width - left + gap - 0.05) / style.columns - gap
        cell = float(np.clip(whole / max(max(shape) for shape in shapes.values()), lowest, highest))
        if style.paper:  # a head is as wide as its panel
            heads = {n: style.wrapped(text, cell * shapes[n][1]) for n, text in heads.items()}
        slots = {
            name: gap + max(cell * shapes[name][1], *map(style.width_of, text.split("\n")))
            for name, text in heads.items()
        }
        rows = _rows(slots, np.inf if style.width is None else style.width - left + gap)
        width = style.width or left - 0.3 + max(sum(slots[n] for n in row) for row in rows)
        lines = 0 if style.paper or not title else wrapped(title, width).count("\n") + 1
        head = (0.05 if style.paper else 0.15) + line * max(
            text.count("\n") + 1 for text in heads.values()
        )
        highs = [cell * max(shapes[name][0] for name in row) for row in rows]
        height = foot + sum(highs) + len(rows) * head + (len(rows) - 1) * 0.4
        height += line * lines + 0.1 * bool(lines)
        places, top = {}, height - line * lines - 0.1 * bool(lines)
        for row, high in zip(rows, highs, strict=True):
            x, y = left, top - head
            for name in row:
                high_of, wide_of = cell * shapes[name][0], cell * shapes[name][1]
                inches = np.array([x, y - high_of, wide_of, high_of])
                places[name] = tuple(
                    float(v) for v in inches / np.array([width, height, width, height])
                )
                x += slots[name]
            top -= head + high + 0.4
        return cls((width, height), places, heads, frozenset(row[0] for row in rows))


def _rows(slots: Mapping[str, float], width: float) -> list[list[str]]:
    """Panels in rows of at most this width."""
    rows: list[list[str]] = [[]]
    for name, slot in slots.items():
        if rows[-1] and sum(slots[one] for one in rows[-1]) + slot > width:
            rows.append([])
        rows[-1].append(name)
    return rows
