"""Survival operators: who lives on."""

from __future__ import annotations

from typing import Any

import numpy as np
from pymoo.core.population import Population
from pymoo.core.survival import Survival

from pymoo_prune.errors import PruneError
from pymoo_prune.operators.selection import single_objective


class Generational(Survival):
    """The children replace their parents, good or bad."""

    def __init__(self) -> None:
        super().__init__(filter_infeasible=False)

    def _do(
        self,
        problem: Any,  # noqa: ARG002
        pop: Population,  # noqa: ARG002
        *args: Any,  # noqa: ARG002
        algorithm: Any,
        **kwargs: Any,  # noqa: ARG002
    ) -> Population:
        return algorithm.off


class Elitism(Survival):
    """The best few parents live on, and beside them the best of the children.

    Kim et al., section III and Table I: the top 20 % of the parents and the best 80 % of the
    offspring. A good parent makes way for a child that is worse, unless it is one of the few. Where
    there are fewer children than places, as when duplicates were eliminated, further parents fill
    up. Who violates constraints stands behind everybody who does not, and who has no fitness (NaN)
    behind those that violate as little; among equals they stay as they stood. The survivors are
    sorted so, the best first. Single-objective: with several there is no one best.

    Args:
        share: The parents' share of the places, at least 0 and below 1. It is rounded to whole
            places.
    """

    def __init__(self, share: float = 0.2) -> None:
        super().__init__(filter_infeasible=False)
        if not 0 <= share < 1:
            msg = f"share must be at least 0 and below 1, but it is {share}"
            raise PruneError(msg)
        self.share = share

    def _do(
        self,
        problem: Any,  # noqa: ARG002
        pop: Population,
        *args: Any,  # noqa: ARG002
        n_survive: int,
        algorithm: Any,
        **kwargs: Any,  # noqa: ARG002
    ) -> Population:
        # By violation, then by fitness, then as they stand: lexsort is stable, and NaN comes last.
        ranked = pop[np.lexsort([single_objective(pop, self), pop.get("CV")[:, 0]])]
        # A first population is all children; when mating finds nobody new, there are none.
        off = () if algorithm.off is None else algorithm.off
        born = np.isin([id(one) for one in ranked], [id(one) for one in off])
        elite = min(round(self.share * n_survive), int((~born).sum()))
        children = np.flatnonzero(born)[: n_survive - elite]
        parents = np.flatnonzero(~born)[: n_survive - len(children)]
        return ranked[np.sort(np.concatenate([parents, children]))]


class Remeasured(Survival):
    """Measures the old population on the new generation's images before it may compete.

    Where every generation has a search batch of its own, an elitist engine would compare children
    on this batch with parents on another, and who once met an easy batch would live for ever.

    Args:
        survival: The survival that then chooses.
    """

    def __init__(self, survival: Survival) -> None:
        # The wrapped survival splits by feasibility itself, after the values are fresh.
        super().__init__(filter_infeasible=False)
        self.survival = survival

    def _do(
        self,
        problem: Any,
        pop: Population,
        *args: Any,
        algorithm: Any,
        **kwargs: Any,
    ) -> Population:
        if algorithm.is_initialized:
            # pymoo keeps the constraint violation of the first time.
            for individual in algorithm.pop:
                individual.CV = None
            algorithm.evaluator.eval(
                problem, algorithm.pop, skip_already_evaluated=False, algorithm=algorithm
            )
        return self.survival.do(problem, pop, *args, algorithm=algorithm, **kwargs)
