"""A few numbers of weights for each layer to choose from, and the cheapest choice of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from pymoo.core.repair import Repair

from pymoo_prune.chromosomes import Array, Counts, Floats
from pymoo_prune.errors import check_whole

LEAST_KEPT = 0.01
"""The smallest share of the weights that first populations keep."""

MOST_LEVELS = 1_000
"""The most levels of a layer; neighbours then differ by half a percent of the kept weights."""


def check_levels(number: int) -> None:
    """Refuses too few levels, and too many.

    Args:
        number: Levels of each layer.
    """
    why = "a refit is solved for each level of each layer"
    check_whole("levels", number, least=2, most=MOST_LEVELS, why=why)


class Levels:
    """A few pruned counts for each layer, evenly spaced in the logarithm of the kept share.

    A refit is solved once for each level of each layer. Levels are spaced in the logarithm because
    a point of the pruned share is a fifth of what is left at 95 % sparsity, and a fiftieth at 50 %.

    Args:
        counts: Weights of each layer, (layers,).
        number: The number of levels; the first keeps everything, the last the share `LEAST_KEPT`,
            but at least one weight.
    """

    def __init__(self, counts: Counts, number: int) -> None:
        check_levels(number)
        shares = np.geomspace(1, LEAST_KEPT, number)
        kept = np.maximum(np.rint(shares[:, None] * counts), 1).astype(np.int64)
        self.counts = counts
        self.pruned: Counts = counts - kept  # (levels, layers), ascending

    def nearest(self, counts: Counts) -> Counts:
        """The nearest level of each gene, (n, layers); counts that are levels stay as they are."""
        snapped = np.empty_like(counts)
        for layer, levels in enumerate(self.pruned.T):
            genes = counts[:, layer]
            above = np.searchsorted(levels, genes).clip(1, len(levels) - 1)
            low, high = levels[above - 1], levels[above]
            snapped[:, layer] = np.where(genes - low <= high - genes, low, high)
        return snapped

    def cheapest(self, losses: Floats, prices: Floats, kept: Floats) -> Counts:
        """Counts with the least sum of losses for a given sum of prices, (n, layers).

        Lagrange's method: given a rate of exchange between loss and price, every layer chooses for
        itself. Bisection finds the lowest rate that keeps within the budget.

        Args:
            losses: The loss of every level, (levels, layers).
            prices: The price of each weight that is kept, (layers,).
            kept: The share of the price of all weights that may be spent, (n,).
        """
        left = (self.counts - self.pruned) * prices
        budgets = kept * (self.counts * prices).sum()

        def chosen(rates: Floats) -> Counts:
            found: Counts = (losses + rates[:, None, None] * left).argmin(axis=1)
            return found

        low, high = np.full(len(kept), 1e-15), np.full(len(kept), 1e6)
        for _ in range(100):
            rates = np.sqrt(low * high)
            over = np.take_along_axis(left, chosen(rates), axis=0).sum(axis=1) > budgets
            low, high = np.where(over, rates, low), np.where(over, high, rates)
        counts: Counts = np.take_along_axis(self.pruned, chosen(high), axis=0)
        return counts


class OnLevels(Repair):
    """Moves every gene to its nearest level.

    Args:
        levels: The levels.
    """

    def __init__(self, levels: Levels) -> None:
        super().__init__()
        self.levels = levels

    def _do(self, problem: Any, X: Array, **kwargs: Any) -> Array:  # noqa: ARG002
        return self.levels.nearest(X)
