"""One search: an engine, a budget, and what was found."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pymoo.algorithms.moo.moead import MOEAD
from pymoo.core.algorithm import Algorithm
from pymoo.core.evaluator import Evaluator
from pymoo.core.termination import Termination

from pymoo_prune.chromosomes import Array, digests
from pymoo_prune.errors import PruneError, all_failed
from pymoo_prune.executors import Executor, InProcess, Part, gathered
from pymoo_prune.objectives import Measured, Measurements, Values, failed_rows, nondominated
from pymoo_prune.operators import Generational
from pymoo_prune.problem import PruningProblem
from pymoo_prune.search.store import Store


@dataclass(frozen=True)
class Budget:
    """When a search ends: at whichever limit comes first.

    Attributes:
        generations: The first population counts as one.
        evaluations: Candidates that the engine asks for, known ones included.
        seconds: Working time; what an interrupted run had used counts.
    """

    generations: int | None = None
    evaluations: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        limits = [self.generations, self.evaluations, self.seconds]
        given = [limit for limit in limits if limit is not None]
        if not given or min(given) <= 0:
            msg = f"a budget needs a limit, and limits above 0, but it is {self}"
            raise PruneError(msg)


class _Limits(Termination):
    """A budget, as pymoo asks for it."""

    def __init__(self, budget: Budget, clock: Callable[[int], float], evaluator: Evaluator) -> None:
        super().__init__()
        self.budget, self.clock, self.evaluator = budget, clock, evaluator

    def _update(self, algorithm: Algorithm) -> float:
        used = (
            (self.budget.generations, algorithm.n_iter),
            (self.budget.evaluations, self.evaluator.n_eval),
            (self.budget.seconds, self.clock(algorithm.n_iter)),
        )
        return max(value / limit for limit, value in used if limit is not None)


class Archive:
    """The best of all that was evaluated: what no other candidate beats in every respect.

    Who failed is not taken in; X is None until somebody was measured.
    """

    def __init__(self, problem: PruningProblem) -> None:
        self.problem = problem
        self.X: Array | None = None
        self.measurements: dict[str, Values] = {}
        self.numbers = np.empty(0, dtype=np.int64)

    def add(self, X: Array, measurements: Measurements, first: int) -> None:
        """Takes in candidates that were evaluated under the numbers from `first` on."""
        measured = np.flatnonzero(~failed_rows(measurements))
        if len(measured) == 0:
            return
        X, numbers = X[measured], first + measured
        values = {name: column[measured] for name, column in measurements.items()}
        if self.X is not None:
            X = np.concatenate([self.X, X])
            numbers = np.concatenate([self.numbers, numbers])
            values = {
                name: np.concatenate([self.measurements[name], values[name]]) for name in values
            }
        best = self._best(values)
        self.X, self.numbers = X[best], numbers[best]
        self.measurements = {name: column[best] for name, column in values.items()}

    def _best(self, values: Measurements) -> Array:
        """Rows of the feasible ones that nothing beats; the nearest miss if none is feasible."""
        G = self.problem.score(values).get("G")
        costs = self.problem.goals.costs(values)
        violation = np.zeros(len(costs)) if G is None else np.maximum(G, 0).sum(axis=1)
        feasible = np.flatnonzero(violation == 0)
        if len(feasible) == 0:
            return np.array([violation.argmin()])
        rows: Array = feasible[nondominated(costs[feasible])]
        return rows


class StoredEvaluator(Evaluator):
    """pymoo's evaluator, with a store behind it and an archive of the best.

    Args:
        problem: What is evaluated.
        store: Where evaluations are kept; None keeps nothing.
        recorded: Whether the order of evaluations is part of the store's history.
        executor: Measures; None measures here.

    Attributes:
        failures: Why candidates failed, by digest.
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
        self.racing = problem.racing if problem.n_obj == 1 else None
        self.asked = 0
        self.failures: dict[bytes, str] = {}

    def _eval(
        self,
        problem: PruningProblem,
        pop: Any,
        evaluate_values_of: list[str],
        algorithm: Algorithm | None = None,
        **kwargs: Any,
    ) -> None:
        generation = 1 if algorithm is None else algorithm.n_iter

        def measure(X: Array, batch: int) -> Measurements:
            return self.measured(problem, X, batch, generation)

        def race(X: Array, _: int) -> Measurements:
            assert self.racing is not None  # noqa: S101 - or nobody calls it
            known, places = self.racing.run(X, measure, lambda m: problem.score(m)["F"])
            # Means over different images are not comparable: the places say who is better.
            pop.set("place", places)
            keys = digests(X)
            rows = np.flatnonzero(failed_rows(known)).tolist()
            return Measured(known, {row: self.failures[keys[row]] for row in rows})

        def noted(X: Array, batch: int) -> Measurements:
            first = self.asked
            # Places are comparable within a race only: nobody may meet those of another.
            generational = isinstance(getattr(algorithm, "survival", None), Generational)
            values = (race if self.racing and generational else measure)(X, batch)
            if self.archive is not None:
                self.archive.add(X, values, first)
            return values

        super()._eval(
            problem, pop, evaluate_values_of, algorithm=algorithm, measure=noted, **kwargs
        )

    def measured(
        self, problem: PruningProblem, X: Array, batch: int, generation: int
    ) -> Measurements:
        """Measurements from the store, or new ones that go there."""
        keys = digests(X)
        if self.store is not None and self.recorded:
            self.store.follow(self.asked, generation, images_of(batch), keys)
        self.asked += len(X)
        return self._measured(problem, X, keys, batch)

    def measured_finally(self, problem: PruningProblem, X: Array) -> Measured:
        """The measurements that a front is made from."""
        return self._measured(problem, X, digests(X), None)

    def _measured(
        self, problem: PruningProblem, X: Array, keys: Sequence[bytes], batch: int | None
    ) -> Measured:
        def parts(rows: Array) -> Iterator[Part]:
            return self.executor.measure(problem, rows, batch)

        if self.store is None:
            values = gathered(parts(X), problem.quantities, len(X))
        else:
            values = self.store.gathered(X, keys, images_of(batch), parts)
        self.failures |= {keys[row]: reason for row, reason in values.failures.items()}
        return values


def images_of(batch: int | None) -> str:
    """What a store calls the images of a batch; None is the final measurement."""
    return "all batches" if batch is None else f"batch {batch}"


class _Clock:
    """Working time at the end of a generation; recorded time where there is a record."""

    def __init__(self, store: Store | None) -> None:
        self.store = store
        self.before, self.since = 0.0, time.perf_counter()
        self.looked: tuple[int, float] | None = None

    def __call__(self, generation: int) -> float:
        # One look a generation: what decides about the budget is what is recorded.
        if self.looked is None or self.looked[0] != generation:
            self.looked = (generation, self._look(generation))
        return self.looked[1]

    def _look(self, generation: int) -> float:
        recorded = None if self.store is None else self.store.elapsed(generation)
        if recorded is not None:
            self.before, self.since = recorded, time.perf_counter()
            return recorded
        return self.before + time.perf_counter() - self.since


@dataclass(frozen=True)
class Step:
    """Where a search stands after a generation.

    Attributes:
        generation: The one that is done.
        evaluated: Candidates asked for so far.
        done: Share of the budget that is used.
        seconds: Working time.
        replayed: Whether the generation was read from the store.
        algorithm: The engine.
        evaluator: Its evaluator.
    """

    generation: int
    evaluated: int
    done: float
    seconds: float
    replayed: bool
    algorithm: Algorithm
    evaluator: StoredEvaluator


@dataclass(frozen=True)
class Found:
    """What a search ended with.

    Attributes:
        X: Candidates for the front, (n, n_var).
        measurements: Theirs, (n,) each.
        numbers: The evaluation at which each was first asked for, (n,); -1 if that is not kept.
        last: The last step.
        failures: Why candidates failed, by digest, in the search or when they were measured again.
    """

    X: Array
    measurements: Mapping[str, Values]
    numbers: Array
    last: Step
    failures: Mapping[bytes, str]


def search(
    problem: PruningProblem,
    algorithm: Algorithm,
    budget: Budget,
    *,
    seed: int,
    store: Store | None = None,
    recorded: bool = True,
    executor: Executor | None = None,
    on_generation: Callable[[Step], None] | None = None,
) -> Found:
    """Runs an engine to the end of its budget.

    Args:
        problem: What is searched.
        algorithm: A fresh engine.
        budget: When it ends.
        seed: Of the engine.
        store: Where evaluations are kept, and found again.
        recorded: Whether the order of evaluations is recorded, and checked against the record.
        executor: Measures; None measures here. What is found does not depend on it.
        on_generation: Called after each generation.

    Returns:
        The archive of all evaluations; or, where every generation has its own images, the last
        population. Both are measured again where the search measured approximately, and who failed
        is in neither.
    """
    # MOEA/D knows no constraints, and so has no place for who was lost with a worker.
    if executor is not None and executor.loses and not isinstance(algorithm, MOEAD):
        problem = problem.for_workers()
    evaluator = StoredEvaluator(problem, store, recorded=recorded, executor=executor)
    history = store if recorded else None
    clock = _Clock(history)
    limits = _Limits(budget, clock, evaluator)
    algorithm.setup(problem, termination=limits, seed=seed, evaluator=evaluator)
    while algorithm.has_next():
        generation = algorithm.n_iter or 1
        replayed = history is not None and history.elapsed(generation) is not None
        algorithm.next()
        seconds = clock(generation)
        if history is not None and not replayed:
            history.finish_generation(generation, seconds)
        step = Step(
            generation,
            evaluator.n_eval,
            min(limits.perc, 1.0),
            seconds,
            replayed,
            algorithm,
            evaluator,
        )
        if on_generation is not None:
            on_generation(step)
    return _found(problem, step)


def _found(problem: PruningProblem, last: Step) -> Found:
    archive, failures = last.evaluator.archive, last.evaluator.failures
    if archive is None:
        pop = last.algorithm.pop
        measured = ~failed_rows({name: pop.get(name).astype(float) for name in problem.quantities})
        if not measured.any():
            raise all_failed("candidates of the last generation", pop.get("failure"))
        X = pop.get("X")[measured]
        numbers = np.full(len(X), -1)
    elif archive.X is None:
        raise all_failed("candidates", failures.values())
    else:
        X, numbers = archive.X, archive.numbers
        if not problem.is_approximate:
            return Found(X, archive.measurements, numbers, last, failures)
    values = last.evaluator.measured_finally(problem, X)
    measured = ~failed_rows(values)
    if not measured.any():
        raise all_failed("candidates that were measured again", values.failures.values())
    kept = {name: column[measured] for name, column in values.items()}
    return Found(X[measured], kept, numbers[measured], last, last.evaluator.failures)
