"""The simple alternative to a search: magnitude pruning, repaired like the candidates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
from torch import nn

from pymoo_prune.chromosomes import Array, Counts
from pymoo_prune.objectives import Values
from pymoo_prune.problem import Baseline, Rivals
from pymoo_prune.pruning import MagnitudeOrder


class MagnitudePruning(Rivals):
    """The smallest weights of the whole network go, or the same share of each layer.

    Args:
        order: The network's weights, by size.
        repaired: From weights that each layer loses, (layers,), to the repaired network.
        sizes: From such counts, (n, layers), to quantities, (n,) each.
    """

    def __init__(
        self,
        order: MagnitudeOrder,
        repaired: Callable[[Array], nn.Module],
        sizes: Callable[[Counts], Mapping[str, Values]],
    ) -> None:
        self.order, self.repaired, self.sizes = order, repaired, sizes

    def at(self, front: Mapping[str, Values]) -> list[Baseline]:
        """Global and uniform magnitude pruning, at the sparsities of a front."""
        sparsities = np.unique(np.quantile(front["sparsity"], np.linspace(0, 1, 12)))
        return [self.pruned("global", sparsities), self.pruned("uniform", sparsities)]

    def pruned(self, kind: Literal["global", "uniform"], sparsities: Values) -> Baseline:
        """Networks at certain sparsities.

        Args:
            kind: The smallest weights of the whole network, or the same share of each layer.
            sparsities: Parameters removed, as shares of all, (n,).
        """
        order = self.order
        gone = sparsities * order.all_parameters - (order.all_parameters - order.parameters)
        shares = (gone / order.counts.sum()).clip(0, 1)
        counts = order.smallest(shares) if kind == "global" else order.uniform(shares)
        networks = [self.repaired(row) for row in counts]
        return Baseline(f"{kind} magnitude pruning", networks, self.sizes(counts))
