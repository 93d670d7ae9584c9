"""A user's own engines, as a command line names them, and things that are not engines."""

from __future__ import annotations

from typing import Any

from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.algorithms.moo.spea2 import SPEA2
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.core.algorithm import Algorithm

from pymoo_prune import Budget, PruningProblem
from pymoo_prune.engines.making import even_directions
from pymoo_prune.search import search


def spea2_of(problem: PruningProblem, pop_size: int) -> Algorithm:
    return SPEA2(pop_size=pop_size, **problem.operators())


def two_arguments_too_many(problem: Any, pop_size: int, one: int, other: int) -> None: ...


def text_of(problem: Any, pop_size: int) -> str:
    return "nsga2"


def used(problem: Any) -> Algorithm:
    algorithm = NSGA2(pop_size=4, **problem.operators())
    search(problem, algorithm, Budget(generations=1), seed=0)
    return algorithm


def used_of(problem: Any, pop_size: int) -> Algorithm:
    return used(problem)


def single_of(problem: Any, pop_size: int) -> Algorithm:
    return GA(pop_size=pop_size, **problem.operators())


class Mine(NSGA2):
    """An engine that takes a population's size and operators."""


ready_made = NSGA2(pop_size=4)
directions = even_directions(3, 10)
