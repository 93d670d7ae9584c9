"""The layer vector's genetic algorithm, and the rules that it learns (Tang et al., section III)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.core.population import Population

from pymoo_prune.chromosomes import Counts
from pymoo_prune.objectives import Values
from pymoo_prune.operators import (
    Candidates,
    CountMutation,
    Generational,
    TruncationSelection,
    UniformVectorCrossover,
    around,
    uniform_counts,
)
from pymoo_prune.pruning import Levels, MagnitudeOrder, OnLevels


def paper_operators(order: MagnitudeOrder, levels: Levels | None = None) -> dict[str, Any]:
    """Sampling, crossover and mutation of section III.A, for any of pymoo's engines.

    Args:
        order: The network's weights.
        levels: The levels that counts are rounded to; None for any count.
    """
    counts, ga = order.counts, RuleGuidedGA
    (low, high), (least, most) = ga.INITIAL_SHARES, ga.MUTATION_SHARES
    return {
        "sampling": Candidates(partial(uniform_counts, counts=counts, low=low, high=high)),
        "crossover": UniformVectorCrossover(),
        "mutation": CountMutation(counts, rate=ga.MUTATION_RATE, low=least, high=most),
        **({} if levels is None else {"repair": OnLevels(levels)}),
    }


@dataclass(frozen=True)
class Rules:
    """Properties that the best of a run have in common (section III.B).

    Attributes:
        mean: Average pruned counts, (layers,): the ILPV rule, eq. 10 without its jitter.
        compact_key: Layers that are to be left alone, (layers,) booleans: the CKL rule.
        counts: Weights of each layer, (layers,).
    """

    mean: Values
    compact_key: NDArray[np.bool_]
    counts: Counts

    @classmethod
    def derive(cls, best: Counts, counts: Counts, parameters: int) -> Rules:
        """Section III.B.1.

        Args:
            best: Pruned counts of the best individuals, (best, layers).
            counts: Weights of each layer, (layers,).
            parameters: The original network's number of parameters.
        """
        compact = counts < RuleGuidedGA.COMPACT_SHARE * parameters
        key = (best < RuleGuidedGA.KEY_PRUNED * counts).all(axis=0)
        return cls(best.mean(axis=0), compact & key, counts)

    def initial(self, n: int, generator: np.random.Generator) -> Counts:
        """The next run's first population: eq. 10 and 11, clipped."""
        jitter = RuleGuidedGA.JITTER
        return around(n, generator, self.mean, self.counts, jitter, frozen=self.compact_key)

    @property
    def strategy(self) -> Counts:
        """Section III.C.1: compact-key layers stay whole, others lose the average of the best."""
        return np.where(self.compact_key, 0, np.rint(self.mean)).astype(np.int64)


class RuleGuidedGA(GA):
    """Section III.A and B: a generational GA that starts again with the rules of the run before.

    Args:
        order: The network's weights.
        levels: The levels that counts are rounded to; None for any count.
        runs: Runs of the GA, each with the same share of the budget; the first has no rules.
    """

    POPULATION = 40  # section III.A.1
    INITIAL_SHARES = (0.5, 0.8)  # section III.A.1
    MUTATION_RATE = 0.025  # section IV
    MUTATION_SHARES = (0.0, 0.9)  # section III.A.5
    SURVIVORS = 0.5  # section III.A.3
    BEST = 10  # section III.A.6
    RUNS = 2  # section III.C.1
    RUN_SECONDS = 3600.0  # section III.A.6
    COMPACT_SHARE = 0.001  # section III.B.1: of all parameters
    KEY_PRUNED = 0.2  # section III.B.1
    JITTER = 0.05  # eq. 11

    def __init__(
        self, order: MagnitudeOrder, levels: Levels | None = None, *, runs: int = RUNS
    ) -> None:
        operators = paper_operators(order, levels)
        self.mutation: CountMutation = operators["mutation"]
        super().__init__(
            pop_size=self.POPULATION,
            selection=TruncationSelection(self.SURVIVORS),
            survival=Generational(),
            eliminate_duplicates=False,
            **operators,
        )
        self.order, self.runs, self.run_number = order, runs, 0
        self.best = Population()

    def _infill(self) -> Population:
        run_number = min(int(self.termination.perc * self.runs), self.runs - 1)
        if run_number == self.run_number:
            return super()._infill()
        self.run_number = run_number
        rules = self.rules()
        self.mutation.frozen = rules.compact_key
        self.best = Population()
        X = rules.initial(self.pop_size, self.random_state)
        return self.repair.do(self.problem, Population.new(X=X))

    def _post_advance(self) -> None:
        # Where fitness is approximate, more are kept: they are measured exactly in the end.
        size = self.BEST * (4 if self.problem.approximation else 1)
        self.best = _best_of(Population.merge(self.best, self.off), size)
        super()._post_advance()

    def rules(self) -> Rules:
        """Rules of the best that the current run has seen."""
        problem, X = self.problem, self.best.get("X")
        if problem.approximation is not None:
            F = problem.score(problem.measured(X))["F"][:, 0]
            X = X[np.argsort(F, kind="stable")[: self.BEST]]
        return Rules.derive(X, self.order.counts, self.order.all_parameters)


def _best_of(population: Population, size: int) -> Population:
    """The fittest individuals that differ."""
    order = np.argsort(population.get("F")[:, 0], kind="stable")
    _, first = np.unique(population.get("X")[order], axis=0, return_index=True)
    return population[order[np.sort(first)[:size]]]
