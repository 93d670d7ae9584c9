"""Checks for operators on layer-pruning vectors: weights of layers, shares, and frozen genes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pymoo_prune.chromosomes import Array, Booleans, Counts
from pymoo_prune.errors import PruneError

Genes = Sequence[int] | Array
"""Some genes, as indices or as a boolean mask, (layers,)."""


def check_counts(counts: Sequence[int] | Array) -> Counts:
    """Checks the weights of each layer; returns them as a new array of integers, (layers,)."""
    array = np.asarray(counts)
    whole = np.issubdtype(array.dtype, np.integer)
    if array.ndim != 1 or array.size == 0 or not whole or (array < 0).any():
        msg = f"counts must be whole numbers, not negative, one a layer, but they are {counts}"
        raise PruneError(msg)
    return array.astype(np.int64)


def whole_numbers(counts: Counts, low: float, high: float) -> tuple[Counts, Counts]:
    """The first and the last whole number in [low * count, high * count] of each layer.

    If a layer is so small that there is none, both are the next whole number below.

    Args:
        counts: Weights of each layer, (layers,).
        low: The smallest share.
        high: The largest share.

    Returns:
        Two arrays, (layers,) each.
    """
    if not 0 <= low <= high <= 1:
        msg = f"shares must be 0 <= low <= high <= 1, but they are {low} and {high}"
        raise PruneError(msg)
    # Rounded before floor and ceiling, since 0.29 * 100 is 28.999999999999996.
    last = np.floor(np.round(high * counts, 6))
    first = np.minimum(np.ceil(np.round(low * counts, 6)), last)
    return first.astype(np.int64), last.astype(np.int64)


def gene_mask(genes: Genes, n: int) -> Booleans:
    """Checks genes, as indices or as a mask; returns them as a new boolean mask, (n,)."""
    array = np.asarray(genes)
    if array.dtype == bool and array.shape == (n,):
        return array.copy()
    whole = array.size == 0 or np.issubdtype(array.dtype, np.integer)
    if array.ndim != 1 or not whole or (array < 0).any() or (array >= n).any():
        msg = f"frozen genes must be indices below {n}, or {n} booleans, but they are {genes}"
        raise PruneError(msg)
    mask = np.zeros(n, dtype=bool)
    mask[array.astype(np.int64)] = True
    return mask
