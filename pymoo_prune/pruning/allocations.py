"""How many weights each layer loses, as chromosomes: by counts, or by thresholds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.mutation.pm import PM

from pymoo_prune.chromosomes import Array, Counts, Floats
from pymoo_prune.errors import PruneError
from pymoo_prune.operators import Candidates, KeepShareMutation, UniformVectorCrossover
from pymoo_prune.pruning.levels import LEAST_KEPT, Levels, OnLevels
from pymoo_prune.pruning.magnitude import MagnitudeOrder


class CountAllocations:
    """Chromosomes are counts: how many of its smallest weights each layer loses.

    Args:
        order: The network's weights.
        levels: The levels that counts are rounded to; None for any count.
        losses: Gives the loss of each layer at each level, (levels, layers); None where they are
            not known.
    """

    vtype: type = int

    def __init__(
        self,
        order: MagnitudeOrder,
        levels: Levels | None,
        losses: Callable[[Counts], Floats] | None = None,
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
        if self.levels is not None and self.losses is not None:
            losses = self.losses(self.levels.pruned)
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

    def steps(self, number: int) -> Floats:
        """Evenly spaced values of each gene, from most weights kept to least, (n_var, number)."""
        steps: Floats = np.linspace(self.xl, self.xu, number, axis=1)
        return steps

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
