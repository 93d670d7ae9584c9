"""The simple alternative to a search: the filters with the largest weights stay."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

import numpy as np
from torch import nn

from pymoo_prune.chromosomes import Array
from pymoo_prune.errors import TrainingDiverged
from pymoo_prune.objectives import Values
from pymoo_prune.problem import Baseline, Rivals
from pymoo_prune.pruning import PrunableFilters


class L1Filters(Rivals):
    """Filters by the L1 norm of their weights, in all layers alike or over the whole network.

    Args:
        filters: The parent's filters.
        recovered: From a chromosome, (n_var,), to its network after the search's recovery.
        sizes: From chromosomes, (n, n_var), to quantities, (n,) each.
        all_parameters: The parent's parameters.
    """

    def __init__(
        self,
        filters: PrunableFilters,
        recovered: Callable[[Array], nn.Module],
        sizes: Callable[[Array], Mapping[str, Values]],
        all_parameters: int,
    ) -> None:
        self.filters, self.recovered, self.sizes = filters, recovered, sizes
        self.all_parameters = all_parameters

    def at(self, front: Mapping[str, Values]) -> list[Baseline]:
        """Networks at the numbers of parameters of a front."""
        shares = np.linspace(0, 1, 400)
        sizes = np.unique(np.quantile(front["parameters"], np.linspace(0, 1, 8)))
        sizes /= self.all_parameters
        return [
            self._nearest("L1 pruning, all layers alike", self.filters.uniform(shares), sizes),
            self._nearest("L1 pruning, whole network", self.filters.overall(shares), sizes),
        ]

    def _nearest(self, name: str, family: Array, sizes: Values) -> Baseline:
        X = family[np.unique(self.filters.nearest(family, sizes))]
        networks, there = [], []
        for row, x in enumerate(X):
            with suppress(TrainingDiverged):
                networks.append(self.recovered(x))
                there.append(row)
        return Baseline(name, networks, self.sizes(X[there]))
