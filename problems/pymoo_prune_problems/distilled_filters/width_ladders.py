"""Widths of layers as levels: each group keeps the filters that are missed most."""

from __future__ import annotations

import numpy as np

from pymoo_prune.chromosomes import Array
from pymoo_prune.operators import Ladders
from pymoo_prune.pruning import PrunableFilters, RemovalOrders

LEVELS = 24
"""Widths of a group, at most, evenly spaced in the logarithm of their places among all widths."""


class WidthLadders(Ladders):
    """A ladder for the width of each group, and one for each branch, which is there or not.

    Args:
        filters: The network's filters and branches.
        orders: The orders in which filters are removed.
    """

    def __init__(self, filters: PrunableFilters, orders: RemovalOrders) -> None:
        self.filters, self.orders = filters, orders
        widths = [
            own[np.unique(np.rint(np.geomspace(1, len(own), LEVELS)).astype(np.int64)) - 1][::-1]
            for own in filters.genes.widths
        ]
        super().__init__([*widths, *[np.array([1, 0])] * filters.genes.n_pieces])

    def read(self, x: Array) -> Array:
        """Widths of groups, then 1 for each branch that is there."""
        genes = self.filters.genes
        found: Array = np.hstack([genes.counts(x[None]), genes.pieces(x[None])])[0]
        return found

    def made(self, values: Array) -> Array:
        """Chromosomes, (n, n_var)."""
        groups = len(self.filters.genes.sizes)
        X = self.filters.with_branches(self.orders.latest(values[:, :groups]))
        self.filters.genes.pieces(X)[:] = values[:, groups:].astype(bool)
        return self.filters.repaired(X)
