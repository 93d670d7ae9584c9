"""Searches on instances of the suite: all that an engine asks for within a budget."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymoo.core.algorithm import Algorithm
from pymoo.core.evaluator import Evaluator

from pymoo_prune.chromosomes import Array
from pymoo_prune.engines import make_algorithm, one_objective
from pymoo_prune.errors import PruneError
from pymoo_prune.objectives import Values, nondominated
from pymoo_prune.suite import Instance

RANDOM = "random"
POPULATION = 40
"""The population of the suite's own results."""
BEYOND = {
    "own": "the paper's own algorithm is for the paper's problem, not for an instance of the suite",
    "levels": "algorithm 'levels' needs a problem's ladders, which instances of the suite lack",
}
"""Engines that search no instance, and why."""


@dataclass(frozen=True)
class Asked:
    """Candidates that a search asked for, in order.

    Attributes:
        X: Candidates, (n, n_var).
        F: Their objectives, (n, n_obj).
        G: Their constraints' values, (n, constraints).
        generations: The generation of each, from 1 on, (n,).
        seconds: Working time at the end of each generation, by its number.
        measurements: All that was measured, (n,) each.
    """

    X: NDArray[Any]
    F: Values
    G: Values
    generations: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    seconds: Mapping[int, float] = field(default_factory=dict)
    measurements: Mapping[str, Values] = field(default_factory=dict)

    @property
    def kept(self) -> NDArray[np.bool_]:
        """Which of them keep the constraints, (n,)."""
        return np.asarray((self.G <= 0).all(axis=1))


class Recorder(Evaluator):
    """Evaluates as pymoo does, and keeps what was evaluated.

    Args:
        engine: The engine that is run: its generations count, also where it asks for candidates
            without saying so.

    Attributes:
        parts: X, F, G, generation and measurements of candidates that were asked for together.
        seconds: Working time at the end of each generation, by generation.
    """

    def __init__(self, engine: Algorithm) -> None:
        super().__init__()
        self.engine = engine
        self.began = time.perf_counter()
        self.parts: list[tuple[Array, Values, Values, int, dict[str, Values]]] = []
        self.seconds: dict[int, float] = {}

    def _eval(
        self,
        problem: Instance,
        pop: Any,
        evaluate_values_of: Any,
        algorithm: Algorithm | None = None,
        **kwargs: Any,
    ) -> None:
        generation = self.engine.n_iter or 1
        found = problem.measured(pop.get("X"), generation)
        super()._eval(
            problem, pop, evaluate_values_of, algorithm=algorithm, measurements=found, **kwargs
        )
        G = np.asarray(pop.get("G"), dtype=float).reshape(len(pop), -1)
        self.parts.append((pop.get("X"), pop.get("F"), G, generation, dict(found)))
        self.seconds[generation] = time.perf_counter() - self.began

    def first(self, number: int) -> Asked:
        """The first candidates."""
        X, F, G, generations, measured = zip(*self.parts, strict=True)
        numbers = np.repeat(generations, [len(part) for part in X])[:number]
        return Asked(
            np.concatenate(X)[:number],
            np.concatenate(F)[:number],
            np.concatenate(G)[:number],
            numbers,
            {one: time for one, time in self.seconds.items() if one <= numbers[-1]},
            {n: np.concatenate([part[n] for part in measured])[:number] for n in measured[0]},
        )


def engine_for(name: str, instance: Instance, pop_size: int) -> Algorithm:
    """A fresh engine for an instance, or an error that says why it cannot search it.

    Args:
        name: An engine's name, as `make_algorithm` takes it.
        instance: The instance.
        pop_size: The size of its population.
    """
    if name in BEYOND:
        raise PruneError(BEYOND[name])
    if one_objective(name) and instance.n_obj > 1:
        msg = f"algorithm {name!r} is for one objective, but {instance.name()} has {instance.n_obj}"
        raise PruneError(msg)
    return make_algorithm(name, instance, pop_size)


def asked(
    engine: str, instance: Instance, budget: int, seed: int, pop_size: int = POPULATION
) -> Asked:
    """Runs an engine with the instance's operators, for exactly so many evaluations.

    What an engine asks for beyond the budget, in its last generation, does not count.

    Args:
        engine: An engine's name, as `make_algorithm` takes it; "random" takes random candidates.
        instance: The instance.
        budget: Evaluations.
        seed: The engine's seed.
        pop_size: The size of its population.
    """
    if engine != RANDOM:
        return recorded(engine_for(engine, instance, pop_size), instance, budget, seed)
    began = time.perf_counter()
    X = instance.random(budget, np.random.default_rng(seed))
    found = instance.measured(X, 1)
    F, G = instance.evaluate(X, return_values_of=["F", "G"], measurements=found)
    return Asked(
        X,
        F,
        np.asarray(G, dtype=float).reshape(budget, -1),
        np.ones(budget, dtype=np.int64),
        {1: time.perf_counter() - began},
        dict(found),
    )


def recorded(algorithm: Algorithm, instance: Instance, budget: int, seed: int) -> Asked:
    """Runs an engine to the end of a budget, and keeps all that it asks for.

    Args:
        algorithm: A fresh engine.
        instance: The instance.
        budget: Evaluations.
        seed: The engine's seed.
    """
    recorder = Recorder(algorithm)
    algorithm.setup(instance, termination=("n_eval", budget), seed=seed, evaluator=recorder)
    with _uncounted(instance) as uncounted:
        while algorithm.has_next():
            algorithm.next()
            if sum(uncounted):
                msg = (
                    f"the engine evaluated {sum(uncounted):,} candidates that do not count towards "
                    "the budget: let it ask with self.evaluator.eval(self.problem, population)"
                )
                raise PruneError(msg)
    if not recorder.parts:
        raise PruneError("the engine asked for no candidate")
    return recorder.first(budget)


@contextmanager
def _uncounted(instance: Instance) -> Iterator[list[int]]:
    """Numbers of candidates that are evaluated for a while, and that no evaluator counts."""
    before, instance.unmeasured = instance.unmeasured, []
    try:
        yield instance.unmeasured
    finally:
        instance.unmeasured = before


def best(instance: Instance, found: Asked) -> tuple[Array, Values]:
    """The front of a search, X and F, as the instance measures it without noise.

    Args:
        instance: The instance.
        found: All that the search asked for.
    """
    kept = found.kept
    X, F = found.X[kept], found.F[kept]
    if len(F) == 0:
        return X, F
    rows = nondominated(F)
    X, F = X[rows], F[rows]
    if instance.definition.noisy:
        F = instance.costs(instance.measurements(X))
    return X, F
