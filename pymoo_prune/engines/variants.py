"""pymoo's engines where they need a change to serve a pruning search."""

from __future__ import annotations

from typing import Any

from pymoo.algorithms.moo.ctaea import CTAEA
from pymoo.algorithms.moo.moead import MOEAD
from pymoo.algorithms.moo.rvea import RVEA
from pymoo.core.individual import Individual
from pymoo.core.population import Population


class ScaledMOEAD(MOEAD):
    """MOEA/D in whole generations, on objectives between the population's best and worst values.

    pymoo's MOEA/D compares objectives in their own units: an accuracy would hardly count beside a
    number of parameters. Zhang and Li propose this scaling for objectives of different size (IEEE
    Transactions on Evolutionary Computation 11(6), 2007). Here a step is a generation, one child
    for each direction. Children are still measured one by one: each may replace neighbours before
    the next is made.
    """

    left: int | None = None
    """The number of candidates that may still be asked for; None sets no limit."""

    def next(self) -> None:
        """Runs one generation, or less where no more candidates are left."""
        generation, asked = self.n_iter, self.evaluator.n_eval
        while self.n_iter == generation:
            super().next()
            if self.left is not None and self.evaluator.n_eval - asked >= self.left:
                self.termination.update(self)
                return

    def _replace(self, k: int, off: Individual) -> None:
        rows, F = self.neighbors[k], self.pop.get("F")
        span = F.max(axis=0) - self.ideal
        span[span <= 0] = 1.0
        weights = self.ref_dirs[rows]
        before = self.decomposition.do((F[rows] - self.ideal) / span, weights=weights)
        after = self.decomposition.do(((off.F - self.ideal) / span)[None], weights=weights)
        self.pop[rows[after.ravel() < before.ravel()]] = off


class PacedRVEA(RVEA):
    """RVEA for any budget: give it `survival=PacedAPD(ref_dirs)`, which asks how much is used.

    pymoo's RVEA accepts only a number of generations or of evaluations.
    """

    def _setup(self, problem: Any, **kwargs: Any) -> None:
        """Does nothing: any budget is accepted."""

    def _advance(self, infills: Population | None = None, **kwargs: Any) -> None:
        # Skips RVEA's `_advance`, which adapts directions by the number of the generation.
        super(RVEA, self)._advance(infills=infills, **kwargs)


class EndingCTAEA(CTAEA):
    """C-TAEA that ends when it finds no new candidates: give it `survival=ShortArchives(ref_dirs)`.

    pymoo's C-TAEA goes on without candidates, and never uses up a budget of evaluations.
    """

    def _infill(self) -> Population:
        children = super()._infill()
        if len(children) == 0:
            self.termination.force_termination = True
        return children
