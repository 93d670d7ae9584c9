"""Engines on instances of the suite: all that each asks for within a budget."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.evaluator import Evaluator

from pymoo_prune.engines import make_algorithm
from pymoo_prune.operators import Candidates, Remeasured
from pymoo_prune.suite import Instance

POPULATION, LARGE_POPULATION = 40, 200
ENGINES = ("nsga2", "nsga3", "sms-emoa", "moead", "spea2", "age-moea", "random")
"""Engines that the suite is tried with; MOEA/D takes no constraints."""


@dataclass
class Asked:
    """All that was asked for, in order.

    Attributes:
        X: Candidates, (n, n_var).
        F: Their objectives, (n, n_obj).
        G: Their constraints' values, (n, constraints).
    """

    X: NDArray[Any]
    F: NDArray[Any]
    G: NDArray[Any]

    @property
    def kept(self) -> NDArray[np.bool_]:
        """Which of them keep the constraints, (n,)."""
        return np.asarray((self.G <= 0).all(axis=1))


@dataclass
class Recorder(Evaluator):
    """Evaluates as pymoo does, and keeps what was evaluated."""

    parts: list[tuple[Any, Any, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def _eval(self, problem: Any, pop: Any, evaluate_values_of: Any, **kwargs: Any) -> None:
        super()._eval(problem, pop, evaluate_values_of, **kwargs)
        self.parts.append((pop.get("X"), pop.get("F"), pop.get("G")))


def asked(engine: str, instance: Instance, budget: int, seed: int) -> Asked:
    """Runs an engine with the instance's operators, for exactly so many evaluations.

    What an engine asks for beyond the budget, in its last generation, does not count.

    Args:
        engine: One of `ENGINES`.
        instance: The instance.
        budget: Evaluations.
        seed: The engine's seed.
    """
    if engine == "random":
        X = instance.random(budget, np.random.default_rng(seed))
        F, G = instance.evaluate(X, return_values_of=["F", "G"])
        return Asked(X, F, np.asarray(G, dtype=float).reshape(budget, -1))
    algorithm = make_algorithm(engine, instance, POPULATION)
    return recorded(algorithm, instance, budget, seed)


def continued(instance: Instance, start: NDArray[Any], budget: int, seed: int) -> Asked:
    """NSGA-II from a first population that is good already.

    Args:
        instance: The instance.
        start: The candidates that it begins with, (n, n_var); random ones come after them.
        budget: Evaluations.
        seed: The engine's seed.
    """

    def first(n: int, generator: np.random.Generator) -> NDArray[Any]:
        few = generator.permutation(start)[: n - n // 5]
        return np.vstack([few, instance.random(n - len(few), generator)])

    operators = {**instance.operators(), "sampling": Candidates(first)}
    algorithm = NSGA2(pop_size=LARGE_POPULATION, **operators)
    if instance.definition.noisy:
        algorithm.survival = Remeasured(algorithm.survival)
    return recorded(algorithm, instance, budget, seed)


def recorded(algorithm: Any, instance: Instance, budget: int, seed: int) -> Asked:
    """Runs an engine to the end of a budget, and keeps all that it asks for."""
    recorder = Recorder()
    algorithm.setup(instance, termination=("n_eval", budget), seed=seed, evaluator=recorder)
    while algorithm.has_next():
        algorithm.next()
    X, F, G = (np.concatenate(column)[:budget] for column in zip(*recorder.parts, strict=True))
    return Asked(X, F, np.asarray(G, dtype=float).reshape(len(F), -1))
