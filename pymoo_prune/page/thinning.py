"""Fewer points that look like all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pymoo_prune.objectives import Values

Rows = NDArray[np.int64]

BINS = 100
"""Strips of a picture, in each of which the outermost points are kept."""
FINEST = 256
"""Cells of a picture along each axis at first; later ones are twice as wide."""


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
    cells = FINEST
    while cells > 1 and kept.sum() < most:
        # Coarse cells last: by then, few places are left without a point.
        new = np.concatenate([_one_each(x, y, cells) for x, y in planes])
        new = new[~kept[new]]
        room = most - int(kept.sum())
        if len(new) > room:
            new = new[np.linspace(0, len(new) - 1, room).astype(np.int64)]
        kept[new] = True
        cells //= 2
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


def _one_each(x: Values, y: Values, cells: int) -> Rows:
    """The first point in each cell."""
    _, first = np.unique(_binned(x, cells) * cells + _binned(y, cells), return_index=True)
    return np.asarray(first, dtype=np.int64)
