"""Sizes of small networks in closed form, and what a surrogate sees of chromosomes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pymoo_prune.chromosomes import Array
from pymoo_prune.measuring import count_parameters
from pymoo_prune.objectives import Values
from pymoo_prune.pruning import PrunableFilters


@dataclass(frozen=True)
class FilterSizes:
    """Sizes of the small networks, from the table of channels.

    Attributes:
        filters: The network's filters and branches.
        repaired: From chromosomes, (n, n_var), to those that are measured.
    """

    filters: PrunableFilters
    repaired: Callable[[Array], Array]

    def __call__(self, X: Array) -> dict[str, Values]:
        """Sizes by quantity, (n,) each."""
        parameters, macs = self.filters.complexity(self.repaired(X))
        return {
            "parameters": parameters,
            "sparsity": 1 - parameters / self._all_parameters,
            "macs": macs,
            "macs_removed": 1 - macs / self.filters.all_macs,
        }

    def features(self, X: Array) -> Array:
        """Widths of all groups, which branches are there, and the sizes that follow."""
        genes, sizes = self.filters.genes, self(X)
        return np.column_stack(
            [
                np.log(np.maximum(genes.counts(X), 1)),
                genes.pieces(X),
                np.log(sizes["parameters"]),
                np.log(sizes["macs"]),
            ]
        )

    @cached_property
    def _all_parameters(self) -> int:
        return count_parameters(self.filters.whole)
