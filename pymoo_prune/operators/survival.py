"""Survival operators: they choose the candidates that live on, and mend pymoo's own survivals."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from pymoo.algorithms.moo.ctaea import CADASurvival
from pymoo.algorithms.moo.nsga3 import HyperplaneNormalization
from pymoo.algorithms.moo.rvea import APDSurvival
from pymoo.core.population import Population
from pymoo.core.survival import Survival
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

from pymoo_prune.chromosomes import Array
from pymoo_prune.errors import PruneError
from pymoo_prune.operators.selection import single_objective


class Generational(Survival):
    """All children replace all parents, whether they are better or worse."""

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
    """The best few parents live on, with the best of the children.

    Kim et al., section III and Table I: the top 20 % of the parents and the best 80 % of the
    offspring. So a child may replace a better parent, unless that is one of the few. If there are
    fewer children than places, because duplicates were eliminated, the next best parents fill the
    rest. Individuals that violate constraints rank behind all that do not; those without fitness
    (NaN) rank behind those with the same violation; equals keep their order. The survivors are
    sorted by this rank, the best first. Single-objective: several objectives give no single best.

    Args:
        share: The parents' share of the places, at least 0 and below 1, rounded to whole places.
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
        # By violation, by fitness, then in their old order: lexsort is stable and puts NaN last.
        ranked = pop[np.lexsort([single_objective(pop, self), pop.get("CV")[:, 0]])]
        # All of a first population are children; if mating finds nothing new, there are none.
        off = () if algorithm.off is None else algorithm.off
        born = np.isin([id(one) for one in ranked], [id(one) for one in off])
        elite = min(round(self.share * n_survive), int((~born).sum()))
        children = np.flatnonzero(born)[: n_survive - elite]
        parents = np.flatnonzero(~born)[: n_survive - len(children)]
        return ranked[np.sort(np.concatenate([parents, children]))]


class Remeasured(Survival):
    """Measures the old population on the new generation's batch before it competes.

    If every generation has its own batch, an elitist engine would compare children on this batch
    with parents on another, and a candidate that once had an easy batch would live for ever.

    Args:
        survival: Chooses the survivors afterwards.
    """

    def __init__(self, survival: Survival) -> None:
        # The wrapped survival splits by feasibility itself, once the values are fresh.
        super().__init__(filter_infeasible=False)
        self.survival = survival

    @property
    def opt(self) -> Population:
        """The wrapped survival's optimum, which NSGA-III reads."""
        return self.survival.opt

    def _do(
        self,
        problem: Any,
        pop: Population,
        *args: Any,
        algorithm: Any,
        **kwargs: Any,
    ) -> Population:
        if algorithm.is_initialized:
            # pymoo would keep the constraint violation of the first measurement.
            for individual in algorithm.pop:
                individual.CV = None
            algorithm.evaluator.eval(
                problem, algorithm.pop, skip_already_evaluated=False, algorithm=algorithm
            )
        return self.survival.do(problem, pop, *args, algorithm=algorithm, **kwargs)


class OpenRanges(HyperplaneNormalization):
    """Ranges of objectives, none of them empty, for the survivals of NSGA-III and SPEA2.

    If all candidates are equal in an objective, pymoo's SPEA2 divides by 0, and all fitness is NaN.
    pymoo's ranges also silence every warning of the process; these do not.
    """

    nadir_point: Array

    def update(self, F: Array, nds: Array | None = None) -> None:
        """Updates the ranges with a generation.

        Args:
            F: Objectives, (n, objectives).
            nds: Rows of the nondominated candidates, if they are known.
        """
        with warnings.catch_warnings():
            super().update(F, nds)
        open_end = self.ideal_point + 1
        self.nadir_point = np.where(self.nadir_point > self.ideal_point, self.nadir_point, open_end)


class PacedAPD(APDSurvival):
    """RVEA's survival for any kind of budget and for objectives in any unit.

    pymoo's survival takes its pace from a number of generations. Here the pace is the used share of
    the budget, in generations, evaluations or seconds. pymoo's survival first adapts its directions
    to the objectives' ranges when a tenth of the search is over. If one objective counts parameters
    and another is a share, nearly all candidates belong to one direction until then, and all but
    one of them are lost. So here the directions start with the ranges of the first population.

    Args:
        ref_dirs: Reference directions, (directions, objectives).
        alpha: The exponent of the pace: the larger, the later directions count.
        adapt_freq: The directions are adapted each time this share of the search is over.
    """

    nadir: Array | None

    def __init__(self, ref_dirs: Array, *, alpha: float = 2.0, adapt_freq: float = 0.1) -> None:
        super().__init__(ref_dirs, alpha=alpha)
        self.adapt_freq, self.adapted = adapt_freq, 0

    def _do(
        self,
        problem: Any,
        pop: Population,
        n_survive: int,
        *args: Any,  # noqa: ARG002
        algorithm: Any,
        **kwargs: Any,  # noqa: ARG002
    ) -> Population:
        used = algorithm.termination.perc
        due = int(np.round(used / self.adapt_freq, 9))  # 0.3 / 0.1 is 2.9999999999999996
        if self.nadir is None:
            F = pop.get("F")
            self.ideal, self.nadir = F.min(axis=0), F.max(axis=0)
            self.adapt()
        elif due > self.adapted:
            self.adapt()
        self.adapted = due
        # Rounding gives cosines of 1 + 2e-16, whose angle is NaN; argmin takes it for the least.
        with np.errstate(invalid="ignore"):
            return super()._do(
                problem, pop, n_survive, algorithm=algorithm, n_gen=used, n_max_gen=1.0
            )

    def adapt(self) -> None:
        """Scales the directions to the objectives' ranges, unless one of these is empty."""
        if np.all(self.nadir > self.ideal):
            super().adapt()


class ShortArchives(CADASurvival):
    """C-TAEA's survival with two archives that may have fewer candidates than there are directions.

    If duplicates were eliminated, there may be fewer candidates than directions. pymoo's survival
    then fails, or loops for ever.
    """

    def _updateCA(  # noqa: N802 - pymoo's name
        self, pop: Population, n_survive: int, random_state: np.random.Generator
    ) -> Population:
        if len(pop) >= n_survive:
            return super()._updateCA(pop, n_survive, random_state=random_state)
        best = NonDominatedSorting().do(pop.get("F"), only_non_dominated_front=True)
        self.opt = pop[best]
        return pop

    def _updateDA(self, pop: Population, Hd: Population, n_survive: int) -> Population:  # noqa: N802
        short = len(Hd) < len(self.ref_dirs)
        return Hd if short else super()._updateDA(pop, Hd, n_survive)
