"""First populations of pruned networks (sections III.B and D), and random ones."""

from __future__ import annotations

import numpy as np

from pymoo_prune.chromosomes import Array
from pymoo_prune.objectives import Values
from pymoo_prune.pruning import PrunableFilters, RemovalOrders


class Populations:
    """Chromosomes of pruned networks at many sizes.

    Args:
        filters: The network's filters and branches.
        orders: The orders in which filters are removed.
        smallest: The share of the parameters that the smallest networks keep.
    """

    def __init__(self, filters: PrunableFilters, orders: RemovalOrders, smallest: float) -> None:
        self.filters, self.orders, self.smallest = filters, orders, smallest

    def random(self, n: int, generator: np.random.Generator) -> Array:
        """Random filters, at sizes spread evenly in the logarithm; random branches."""
        genes = self.filters.genes
        shares = np.exp(generator.uniform(np.log(self.smallest) / 2, 0, n))[:, None]
        tilt = np.exp(generator.uniform(-0.5, 0.5, (n, len(genes.sizes))))
        counts = self.filters.counts(np.minimum(shares * tilt, 1))
        filters = (
            genes.ranks(generator.random((n, genes.n_filters))) < counts[:, genes.filter_groups]
        )
        pieces = generator.random((n, genes.n_pieces)) < generator.uniform(0.3, 1, (n, 1))
        return self.filters.repaired(np.hstack([filters, pieces]))

    def first(self, n: int, generator: np.random.Generator) -> Array:
        """A diverse set of pruned networks at many sparsities (section III.B and D).

        They are spread evenly in the logarithm of their size. Three of four lose in each layer the
        filters that are missed least: those that are not worth their parameters, their MACs, or a
        mixture of both. The others lose the filters with the smallest weights, in all layers alike
        or over the whole network. Every other network may lack branches.
        """
        genes, filters = self.filters.genes, self.filters
        sizes = np.exp(np.linspace(np.log(self.smallest), 0, n + 1))[:-1]
        chosen = np.empty((n, genes.n_var), dtype=bool)
        by_weight = np.arange(n) % 4 == 3
        shares = np.linspace(0, 1, 200)
        weighty = np.vstack([filters.uniform(shares), filters.overall(shares)])
        chosen[by_weight] = weighty[filters.nearest(weighty, sizes[by_weight])]
        for row, share in zip(
            np.flatnonzero(~by_weight), generator.random(np.sum(~by_weight)), strict=True
        ):
            family = self.priced(np.logspace(-5, 2, 200), share)
            chosen[row] = family[filters.nearest(family, sizes[[row]])[0]]
        dropping = generator.random((n, genes.n_pieces)) < generator.uniform(0, 0.5, (n, 1))
        dropping &= (np.arange(n) % 2 == 1)[:, None]
        genes.pieces(chosen)[dropping] = False
        return filters.repaired(chosen)

    def priced(self, prices: Values, share: float) -> Array:
        """Networks without the filters that are not worth what they cost, (n, n_var).

        Args:
            prices: Of a network's size, (n,).
            share: What of the price is for parameters; the rest is for MACs.
        """
        parameters, macs = self.filters.filter_costs()
        costs = np.broadcast_to(share * parameters + (1 - share) * macs, (len(prices), len(macs)))
        return self.narrowed(self.orders.worth(prices, costs))

    def narrowed(self, widths: Array) -> Array:
        """Networks in which each group keeps the filters that are missed most, (n, n_var).

        Args:
            widths: Filters of each group, (n, groups); numbers that a group may not keep are moved
                to the nearest.
        """
        counts = self.filters.genes.fitted(widths)
        return self.filters.with_branches(self.orders.latest(counts))
