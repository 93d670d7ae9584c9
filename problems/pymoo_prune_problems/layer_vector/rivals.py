"""What a user does without a search: allocations in closed form, repaired like the candidates."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from torch import nn

from pymoo_prune.chromosomes import Array, Counts, Floats
from pymoo_prune.objectives import Values
from pymoo_prune.problem import Baseline, Rivals
from pymoo_prune.pruning import CLOSED_FORMS, POWERS, Levels, MagnitudeOrder, least_loss

LEAST_LOSS = "least loss"
NAMES = {"uniform": "uniform magnitude pruning", "global": "global magnitude pruning"}
"""Those of `CLOSED_FORMS` that are not names by themselves."""
SIZES = 12


class ClosedFormAllocations(Rivals):
    """Uniform and global magnitude pruning, LAMP, ERK, and the levels that lose least.

    Args:
        order: The network's weights, by size.
        levels: The levels that least-loss allocations choose from.
        losses: Gives the loss of each layer at each level, (levels, layers).
        repaired: From weights that each layer loses, (layers,), to the repaired network.
        error: From such counts to how bad they are on the search images.
        sizes: From such counts, (n, layers), to quantities, (n,) each.
        chromosomes: Whether counts are the chromosomes of the search.
    """

    def __init__(
        self,
        order: MagnitudeOrder,
        levels: Levels,
        losses: Callable[[Counts], Floats],
        *,
        repaired: Callable[[Array], nn.Module],
        error: Callable[[Array], float],
        sizes: Callable[[Counts], Mapping[str, Values]],
        chromosomes: bool,
    ) -> None:
        self.order, self.levels, self.losses = order, levels, losses
        self.repaired, self.error, self.sizes = repaired, error, sizes
        self.chromosomes = chromosomes

    def at(self, front: Mapping[str, Values]) -> list[Baseline]:
        """All of them, at the sparsities of a front."""
        sparsities = np.unique(np.quantile(front["sparsity"], np.linspace(0, 1, SIZES)))
        return [self.pruned(kind, sparsities) for kind in (*CLOSED_FORMS, LEAST_LOSS)]

    def pruned(self, kind: str, sparsities: Values) -> Baseline:
        """Networks at certain sparsities.

        Args:
            kind: One of `CLOSED_FORMS`, or "least loss".
            sparsities: Parameters removed, as shares of all, (n,).
        """
        counts = self.counts(kind, sparsities)
        networks = [self.repaired(row) for row in counts]
        return Baseline(NAMES.get(kind, kind), networks, self.sizes(counts))

    def candidates(self, sizes: Mapping[str, Values]) -> Counts | None:
        """All of them at certain sparsities or numbers of parameters, as levels, (n, layers)."""
        if not self.chromosomes:
            return None
        if "sparsity" in sizes:
            sparsities = sizes["sparsity"]
        elif "parameters" in sizes:
            sparsities = 1 - sizes["parameters"] / self.order.all_parameters
        else:
            return None
        shares = self._shares(sparsities)
        forms = [self.levels.nearest(form(self.order, shares)) for form in CLOSED_FORMS.values()]
        least = least_loss(self.levels, self.losses(self.levels.pruned), shares)
        found: Counts = np.concatenate([*forms, *least])
        return found

    def _shares(self, sparsities: Values) -> Floats:
        """Shares of the prunable weights that go, for shares of all parameters."""
        order = self.order
        gone = sparsities * order.all_parameters - (order.all_parameters - order.parameters)
        shares: Floats = (gone / order.counts.sum()).clip(0, 1)
        return shares

    def counts(self, kind: str, sparsities: Values) -> Counts:
        """Weights that each layer loses, (n, layers); see `pruned`."""
        shares = self._shares(sparsities)
        if kind in CLOSED_FORMS:
            return CLOSED_FORMS[kind](self.order, shares)
        losses = self.losses(self.levels.pruned)
        several = least_loss(self.levels, losses, shares)  # (powers, n, layers)
        # No power is best at all sizes, so each size takes the one that the search images like.
        best = [
            min(range(len(POWERS)), key=lambda power: self.error(several[power, place]))
            for place in range(len(shares))
        ]
        chosen: Counts = several[best, np.arange(len(shares))]
        return chosen
