"""A candidate's way from the engine to its measurements, and back with F and G.

Down: the evaluator looks candidates up in the store, and hands unknown ones to the executor, which
has the problem measure them. Up: the store keeps measurements, the archive takes them in, and the
problem scores them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pymoo.core.algorithm import Algorithm
from pymoo.core.evaluator import Evaluator

from pymoo_prune.chromosomes import Array, digests
from pymoo_prune.executors import Executor, InProcess
from pymoo_prune.objectives import Measured, failed_rows, gathered
from pymoo_prune.operators import Generational
from pymoo_prune.problem import PruningProblem, Racing
from pymoo_prune.search.archive import Archive
from pymoo_prune.search.store import Store


class StoredEvaluator(Evaluator):
    """pymoo's evaluator, with a store behind it and an archive of the best.

    Args:
        problem: The problem.
        store: Where evaluations are kept; None keeps nothing.
        recorded: Whether the order of evaluations is part of the store's history.
        executor: Measures candidates; None measures in this process.

    Attributes:
        engine: The engine that is searched with; None takes the one that asks.
        asked: Candidates asked for so far.
        failures: Why candidates failed, by digest.
        first: What the first generation asked for: chromosomes, measurements and numbers of
            evaluations, for each time that it asked.
    """

    def __init__(
        self,
        problem: PruningProblem,
        store: Store | None,
        *,
        recorded: bool = True,
        executor: Executor | None = None,
    ) -> None:
        super().__init__()
        self.store, self.recorded = store, recorded
        self.executor = executor or InProcess()
        self.archive = None if problem.changes_batches else Archive(problem)
        self.racing = _racing(problem)
        self.engine: Algorithm | None = None
        self.asked = 0
        self.failures: dict[bytes, str] = {}
        self.first: list[tuple[Array, Measured, Array]] = []

    def _eval(
        self,
        problem: PruningProblem,
        pop: Any,
        evaluate_values_of: list[str],
        algorithm: Algorithm | None = None,
        **kwargs: Any,
    ) -> None:
        X, first = pop.get("X"), self.asked
        # Engines may ask without saying that it is they: the one that is searched with counts.
        algorithm = algorithm if self.engine is None else self.engine
        generation = 1 if algorithm is None else algorithm.n_iter or 1
        # Places are comparable within one race only: individuals of two races must not meet.
        generational = isinstance(getattr(algorithm, "survival", None), Generational)
        if self.racing is not None and generational:
            found, places = self._raced(problem, X, generation, self.racing)
            # Means over different images are not comparable: the places say which is better.
            pop.set("place", places)
        else:
            found = self._asked_for(problem, X, problem.batch(generation), generation)
        if generation == 1:
            self.first.append((X, found, first + np.arange(len(X))))
        if self.archive is not None:
            self.archive.add(X, found, first)
        super()._eval(
            problem, pop, evaluate_values_of, algorithm=algorithm, measurements=found, **kwargs
        )

    def _raced(
        self, problem: PruningProblem, X: Array, generation: int, racing: Racing
    ) -> tuple[Measured, Array]:
        """Means over the images that each candidate saw, and the candidates' places."""
        known, places = racing.run(
            X,
            lambda some, batch: self._asked_for(problem, some, batch, generation),
            lambda measurements: problem.score(measurements)["F"],
        )
        keys = digests(X)
        failed = np.flatnonzero(failed_rows(known)).tolist()
        return Measured(known, {row: self.failures[keys[row]] for row in failed}), places

    def _asked_for(
        self, problem: PruningProblem, X: Array, batch: int, generation: int
    ) -> Measured:
        """Measurements that the engine asks for: they count, and their order is recorded."""
        if self.store is not None and self.recorded:
            self.store.follow(self.asked, generation, images_of(batch), digests(X))
        self.asked += len(X)
        return self.measured(problem, X, batch)

    def measured(self, problem: PruningProblem, X: Array, batch: int | None = None) -> Measured:
        """Measurements: from the store where they are known, else new ones, which it keeps.

        Args:
            problem: The problem.
            X: Chromosomes, (n, n_var).
            batch: The search batch; None measures in full, as for a front.
        """
        keys, store = digests(X), self.store
        if store is None:
            parts = self.executor.measure(problem, X, batch)
            found = gathered(parts, problem.quantities, len(X))
        else:
            images = images_of(batch)
            missing = store.missing(images, keys)
            with store.writing(images) as keep:
                for part in self.executor.measure(problem, X[missing], batch):
                    rows = [missing[row] for row in part.rows]
                    chromosomes = X[rows] if problem.keeps_chromosomes else None
                    keep([keys[row] for row in rows], part, chromosomes)
            found = store.measured(images, keys)
        self.failures |= {keys[row]: reason for row, reason in found.failures.items()}
        return found


def _racing(problem: PruningProblem) -> Racing | None:
    if problem.approximation is None or problem.n_obj > 1:
        return None
    return problem.approximation.racing


def images_of(batch: int | None) -> str:
    """A store's name for the images of a batch; None is the measurement of a front."""
    return "all batches" if batch is None else f"batch {batch}"
