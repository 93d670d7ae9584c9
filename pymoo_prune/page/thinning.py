"""Fewer points that look like all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pymoo_prune.objectives import Values

Rows = NDArray[np.int64]

BINS = 100
"""Strips of a picture, in each of which the outermost points are kept."""
CELLS = (10, 20, 40, 80, 160)
"""Cells of a picture along each axis, from coarse to fine."""


def thinned(planes: Sequence[tuple[Values, Values]], most: int) -> Rows:
    """The rows of points to draw: the outline of every picture, and the rest evenly spread.

    Args:
        planes: The coordinates of all points in each picture, (n,) each, without NaN.
        most: The most rows; the outlines of all pictures may be more.

    Returns:
        Increasing rows.
    """
    n = len(planes[0][0]) if planes else 0
    if n <= most:
        return np.arange(n)
    kept = np.zeros(n, dtype=bool)
    for x, y in planes:
        kept[_outermost(_binned(x, BINS), y)] = True
        kept[_outermost(_binned(y, BINS), x)] = True
    for cells in (*CELLS, n):
        # Coarse cells first: no place that has points is left without one.
        for x, y in planes:
            new = _in_empty_cells(x, y, cells, kept)
            room = max(most - int(kept.sum()), 0)
            if len(new) > room:
                new = new[np.linspace(0, len(new) - 1, room).astype(np.int64)]
            kept[new] = True
    return np.flatnonzero(kept)


def _binned(values: Values, bins: int) -> Rows:
    spread = np.ptp(values)
    shares = (values - values.min()) / spread if spread else np.zeros(len(values))
    return np.minimum((shares * bins).astype(np.int64), bins - 1)


def _outermost(strips: Rows, values: Values) -> Rows:
    """The points with the least and the most in each strip."""
    order = np.lexsort((values, strips))
    new = np.flatnonzero(np.diff(strips[order], prepend=-1))
    return np.concatenate([order[new], order[np.append(new[1:], len(order)) - 1]])


def _in_empty_cells(x: Values, y: Values, cells: int, kept: NDArray[np.bool_]) -> Rows:
    """The first point in each cell without a point that is kept."""
    places = _binned(x, cells) * cells + _binned(y, cells)
    left = np.flatnonzero(~np.isin(places, places[kept]))
    _, first = np.unique(places[left], return_index=True)
    return np.asarray(left[first], dtype=np.int64)
