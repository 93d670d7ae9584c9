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

    pymoo's compares them in their own units: beside a number of parameters an accuracy would hardly
    count. Scaling them so is what Zhang and Li propose for objectives of different size (IEEE
    Transactions on Evolutionary Computation 11(6), 2007). And a step is a generation here, one
    child for each direction, though children are still measured one by one: each may replace
    neighbours before the next is made.
    """

    left: int | None = None
    """How many candidates may still be asked for; None sets no limit."""

    def next(self) -> None:
        """Goes on by a generation, or until no candidates are left."""
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
    """RVEA within any budget: give it `survival=PacedAPD(ref_dirs)`, which asks how much is used.

    pymoo's accepts a number of generations or of evaluations only.
    """

    def _setup(self, problem: Any, **kwargs: Any) -> None:
        """Nothing: any budget will do."""

    def _advance(self, infills: Population | None = None, **kwargs: Any) -> None:
        # Past RVEA's own, which adapts directions by the number of the generation.
        super(RVEA, self)._advance(infills=infills, **kwargs)


class EndingCTAEA(CTAEA):
    """C-TAEA that ends when nobody new can be found: give it `survival=ShortArchives(ref_dirs)`.

    pymoo's goes on without candidates, and a budget of evaluations is never used up.
    """

    def _infill(self) -> Population:
        children = super()._infill()
        if len(children) == 0:
            self.termination.force_termination = True
        return children
