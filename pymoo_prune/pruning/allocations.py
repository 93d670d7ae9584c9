"""How many weights each layer loses, as chromosomes: by counts, or by thresholds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from pymoo.core.repair import Repair
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.mutation.pm import PM

from pymoo_prune.chromosomes import Array, Counts, Floats
from pymoo_prune.errors import PruneError
from pymoo_prune.operators import Candidates, KeepShareMutation, UniformVectorCrossover
from pymoo_prune.pruning.magnitude import MagnitudeOrder

LEAST_KEPT = 0.01
"""The smallest share of the weights that first populations keep."""


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
        if number < 2:
            msg = f"levels must be at least 2, but there are {number}"
            raise PruneError(msg)
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


class CountAllocations:
    """Chromosomes are counts: how many of its smallest weights each layer loses.

    Args:
        order: The network's weights.
        levels: The levels that counts are rounded to; None for any count.
        losses: Gives the loss of each layer at each level, (levels, layers), or None.
    """

    vtype: type = int

    def __init__(
        self,
        order: MagnitudeOrder,
        levels: Levels | None,
        losses: Callable[[Counts], Floats | None] = lambda _: None,
    ) -> None:
        self.order, self.levels, self.losses = order, levels, losses
        self.n_var = len(order)
        self.xl: Any = 0
        self.xu: Any = order.counts

    def operators(self) -> dict[str, Any]:
        """Sampling, crossover and mutation for pymoo."""
        repair = {} if self.levels is None else {"repair": OnLevels(self.levels)}
        return {
            "sampling": Candidates(self.initial),
            "crossover": UniformVectorCrossover(n_offsprings=2),
            "mutation": KeepShareMutation(self.order.counts),
            **repair,
        }

    def initial(self, n: int, generator: np.random.Generator) -> Counts:
        """The first population, spread over all sparsities.

        It contains global and uniform magnitude pruning, which users would otherwise do, and
        disturbed copies. Where the layers' losses are known, it also contains the allocations that
        lose least for their weights, or for their MACs.
        """
        shares = spread_shares(n)
        globally, uniformly = self.order.smallest(1 - shares), self.order.uniform(1 - shares)
        kinds = [globally, uniformly, self._disturbed(globally, generator)]
        losses = None if self.levels is None else self.losses(self.levels.pruned)
        if self.levels is not None and losses is not None:
            weights, macs = np.ones(self.n_var), self.order.positions.astype(float)
            # A power above 1: one layer with a large loss is worse than two with half of it.
            thrifty = self.levels.cheapest(losses**1.5, weights, shares)
            kinds += [
                thrifty,
                self._disturbed(thrifty, generator),
                self.levels.cheapest(losses, weights, shares),
                self.levels.cheapest(losses**1.5, macs, shares),
            ]
        # The kinds take turns, from dense to sparse.
        return self._rounded(np.stack(kinds)[np.arange(n) % len(kinds), np.arange(n)])

    def _disturbed(self, counts: Counts, generator: np.random.Generator) -> Counts:
        kept = (self.order.counts - counts) * np.exp(generator.normal(0, 0.3, counts.shape))
        disturbed: Counts = self.order.counts - np.rint(kept).astype(np.int64)
        return disturbed

    def random(self, n: int, generator: np.random.Generator) -> Counts:
        """Random shares of every layer, around random totals, for random search."""
        total = generator.uniform(np.log(LEAST_KEPT), 0, (n, 1))
        shares = np.exp(total + generator.uniform(-0.7, 0.7, (n, self.n_var)))
        return self._rounded(self.order.uniform(1 - shares.clip(max=1)))

    def _rounded(self, counts: Counts) -> Counts:
        counts = counts.clip(0, self.order.counts)
        return counts if self.levels is None else self.levels.nearest(counts)

    def decode(self, X: Array) -> Counts:
        """Counts, checked, (n, layers)."""
        if not np.issubdtype(X.dtype, np.integer):
            msg = f"pruned counts must be integers, but they are {X.dtype}"
            raise PruneError(msg)
        if X.ndim != 2 or X.shape[1] != self.n_var:
            msg = f"pruned counts must be (n, {self.n_var}), a column a layer, not {X.shape}"
            raise PruneError(msg)
        wrong = np.argwhere((X < 0) | (self.order.counts < X))
        if len(wrong):
            row, layer = wrong[0]
            msg = (
                f"candidate {row} prunes {X[row, layer]} weights of layer "
                f"{self.order.names[layer]!r}, which has {self.order.counts[layer]}; counts must "
                "lie between 0 and that"
            )
            raise PruneError(msg)
        return X.astype(np.int64)


class ThresholdAllocations:
    """Chromosomes are thresholds: one for all layers, and a factor for each.

    Gene 0 is -log2 of the share of the whole network that the common threshold keeps; genes 1 to N
    are log2 of each layer's factor. With equal factors this is global magnitude pruning, which
    therefore lies in the middle of the search space.

    Args:
        order: The network's weights.
        levels: The levels that the resulting counts are rounded to; None for any count.
        widest: The largest log2 of a factor; the smallest is its negative.
    """

    vtype: type = float

    def __init__(
        self, order: MagnitudeOrder, levels: Levels | None, *, widest: float = 2.0
    ) -> None:
        self.order, self.levels, self.widest = order, levels, widest
        self.n_var = 1 + len(order)
        self.xl: Any = np.array([0.0, *[-widest] * len(order)])
        self.xu: Any = np.array([-np.log2(LEAST_KEPT), *[widest] * len(order)])

    def operators(self) -> dict[str, Any]:
        """Sampling, and pymoo's crossover and mutation for real numbers."""
        return {
            "sampling": Candidates(self.initial),
            "crossover": SBX(prob=0.9, eta=15),
            "mutation": PM(prob=0.9, eta=20),
        }

    def initial(self, n: int, generator: np.random.Generator) -> Floats:
        """Half of it is global magnitude pruning over the whole range, the rest is around it."""
        X = np.zeros((n, self.n_var))
        X[:, 0] = -np.log2(spread_shares(n))
        others = np.arange(n) % 2 == 1
        X[others, 1:] = generator.normal(0, 0.3, (others.sum(), len(self.order)))
        return X.clip(self.xl, self.xu)

    def random(self, n: int, generator: np.random.Generator) -> Floats:
        """Random thresholds between the bounds, for random search."""
        X: Floats = generator.uniform(self.xl, self.xu, (n, self.n_var))
        return X

    def decode(self, X: Array) -> Counts:
        """Counts, (n, layers)."""
        if X.ndim != 2 or X.shape[1] != self.n_var:
            msg = f"thresholds must be (n, {self.n_var}), one more than layers, not {X.shape}"
            raise PruneError(msg)
        wrong = np.argwhere(~np.isfinite(X.astype(float)))
        if len(wrong):
            row, gene = wrong[0]
            msg = f"thresholds must be finite, but gene {gene} of candidate {row} is {X[row, gene]}"
            raise PruneError(msg)
        sizes = self.order.all_magnitudes
        place = np.rint((1 - 2.0 ** -X[:, 0]) * len(sizes)).astype(np.int64)
        common = np.append(sizes, np.inf)[place.clip(0, len(sizes))]
        counts = self.order.below(common[:, None] * 2.0 ** X[:, 1:])
        return counts if self.levels is None else self.levels.nearest(counts)


def spread_shares(n: int) -> Floats:
    """Shares of weights to keep, evenly spaced in the logarithm, from large to small."""
    return np.geomspace(0.9, LEAST_KEPT, n)
