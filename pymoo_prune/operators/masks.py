"""Repair of keep-masks, for operators that may leave a layer empty."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pymoo_prune.chromosomes import Array


def fill_empty_layers(masks: Array, sources: Array, sizes: Sequence[int]) -> Array:
    """Copies layers without a live gene from a source.

    Args:
        masks: (..., genes).
        sources: Masks of the same shape in which no layer is empty.
        sizes: Genes in each layer.

    Returns:
        `masks`, changed in place.
    """
    start = 0
    for size in sizes:
        layer = masks[..., start : start + size]
        empty = ~layer.any(axis=-1, keepdims=True)
        np.copyto(layer, sources[..., start : start + size], where=empty)
        start += size
    return masks
