"""SparseEA: NSGA-II over masks whose genes have scores, as the evolutionary community prunes."""

from __future__ import annotations

from typing import Any

import numpy as np
from pymoo.algorithms.moo.nsga2 import NSGA2, binary_tournament
from pymoo.core.population import Population
from pymoo.core.repair import Repair
from pymoo.operators.selection.tournament import TournamentSelection
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

from pymoo_prune.errors import PruneError
from pymoo_prune.operators import ScoredFlips, Scores
from pymoo_prune.problem import PruningProblem

TRIED = 64
"""Genes, at most, that are flipped to see what a repair does."""


class SparseEA(NSGA2):
    """SparseEA for masks: the first generation scores the genes, the second begins the search.

    The paper scores a gene by the candidate that has it alone. A network of one neuron tells
    nothing, so here a gene is scored by the whole network without it: the number of the
    non-dominated front that this candidate is in, so that a gene is the more needed the worse the
    network is without it. There are as many of these candidates as genes.

    Args:
        n_var: The number of genes.
        pop_size: The size of the population.
        operators: The problem's, of which sampling, crossover and mutation are not used.
    """

    def __init__(self, n_var: int, pop_size: int, **operators: Any) -> None:
        duplicates = operators.get("eliminate_duplicates")
        self.scores = Scores(n_var)
        parents = TournamentSelection(func_comp=binary_tournament)
        super().__init__(
            pop_size=pop_size,
            sampling=np.ones((1, n_var), dtype=bool) ^ np.eye(n_var, dtype=bool),
            repair=operators.get("repair"),
            eliminate_duplicates=True if duplicates is None else duplicates,
            mating=ScoredFlips(self.scores, parents, eliminate_duplicates=duplicates),
        )

    def _initialize_advance(self, infills: Population | None = None, **kwargs: Any) -> None:
        if infills is None:
            return
        fronts = NonDominatedSorting().do(infills.get("F"))
        values = np.zeros(self.problem.n_var)
        gone = infills.get("X").argmin(axis=1)  # the one gene that each of them lacks
        for number, front in enumerate(fronts):
            values[gone[front]] = number
        self.scores.values = values
        super()._initialize_advance(infills=infills, **kwargs)

    def _infill(self) -> Population:
        if self.n_iter != 2:
            return super()._infill()
        X = self.scores.sampled(self.pop_size, self.random_state)
        return self.repair.do(self.problem, Population.new(X=X), random_state=self.random_state)


def sparse_ea(problem: PruningProblem, pop_size: int) -> SparseEA:
    """The engine "sparse-ea".

    Args:
        problem: Its chromosomes must be masks, a bit a gene.
        pop_size: The size of the population.
    """
    if problem.vtype is not bool:
        msg = (
            f"algorithm 'sparse-ea' is for chromosomes of bits, but those of "
            f"{type(problem).__name__} are not with these options; take another engine, such as "
            "nsga2"
        )
        raise PruneError(msg)
    operators = problem.operators()
    if "repair" in operators:
        _check_repair(problem, operators["repair"])
    return SparseEA(problem.n_var, pop_size, **operators)


def _check_repair(problem: PruningProblem, repair: Repair) -> None:
    """Refuses a repair that undoes flips of single genes: scores of these would be all alike."""
    genes = np.unique(np.linspace(0, problem.n_var - 1, TRIED).astype(np.int64))
    X = np.ones((len(genes), problem.n_var), dtype=bool)
    X[np.arange(len(genes)), genes] = False
    if (repair.do(problem, Population.new(X=X.copy())).get("X") != X).any():
        msg = (
            f"algorithm 'sparse-ea' flips single genes, which {type(problem).__name__} repairs "
            "with these options; take another engine, such as nsga2"
        )
        raise PruneError(msg)
