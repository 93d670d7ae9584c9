"""Widths of layers that instances offer."""

from __future__ import annotations

import numpy as np


def every(size: int) -> tuple[int, ...]:
    """All widths of a layer, the widest first."""
    return tuple(range(size, 0, -1))


def spaced(size: int, number: int, least: int = 1) -> tuple[int, ...]:
    """Widths of a layer, even in the logarithm, the widest first.

    Args:
        size: The widest.
        number: How many widths.
        least: The narrowest.
    """
    found = np.rint(np.geomspace(size, least, number)).astype(int)
    if len(set(found.tolist())) < number:
        msg = f"there are no {number} different widths between {least} and {size} in equal ratios"
        raise ValueError(msg)
    return tuple(found.tolist())
