"""Repair of masks: for operators that may leave a layer empty, and for groups with a step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pymoo.core.repair import Repair

from pymoo_prune.chromosomes import Array, FilterGenes, check_strengths


class FilterRepair(Repair):
    """Gives groups of filters a number that they may keep, as `FilterGenes.repaired` does.

    Args:
        genes: The meaning of the genes.
        strengths: The strength of each filter and piece, (n_var,).
    """

    def __init__(self, genes: FilterGenes, strengths: Array) -> None:
        super().__init__()
        self.genes, self.strengths = genes, check_strengths(strengths, genes.n_var)

    def _do(self, problem: Any, X: Array, **kwargs: Any) -> Array:  # noqa: ARG002
        return self.genes.repaired(X, self.strengths)


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
