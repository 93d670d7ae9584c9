"""One search: an engine, a budget, and the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from pymoo.core.algorithm import Algorithm

from pymoo_prune.chromosomes import Array
from pymoo_prune.engines import step, takes_failures
from pymoo_prune.errors import all_failed
from pymoo_prune.executors import Executor
from pymoo_prune.objectives import Values, failed_rows
from pymoo_prune.problem import PruningProblem
from pymoo_prune.search.budget import Budget, Clock, Limits
from pymoo_prune.search.evaluator import StoredEvaluator
from pymoo_prune.search.store import Store


@dataclass(frozen=True)
class Step:
    """The state of a search after a generation.

    Attributes:
        generation: The generation that is done.
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
class First:
    """The first generation of a search, as the search measured it.

    Attributes:
        X: All candidates that it asked for, (n, n_var).
        measurements: Their measurements, (n,) each; NaN where a candidate failed.
        numbers: Their evaluations, counted from 0, (n,).
    """

    X: Array
    measurements: Mapping[str, Values]
    numbers: Array


@dataclass(frozen=True)
class Found:
    """The result of a search.

    Attributes:
        X: Candidates for the front, (n, n_var).
        measurements: Their measurements, (n,) each.
        numbers: The evaluation at which each was first asked for, (n,); -1 if that is not kept.
        last: The last step.
        failures: Reasons of candidates that failed in the search or when measured again, by digest.
        first: The first generation.
    """

    X: Array
    measurements: Mapping[str, Values]
    numbers: Array
    last: Step
    failures: Mapping[bytes, str]
    first: First


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
        problem: The problem.
        algorithm: A fresh engine.
        budget: When the search ends.
        seed: The engine's seed.
        store: Where evaluations are kept, and found again.
        recorded: Whether the order of evaluations is recorded, and checked against the record.
        executor: Measures candidates; None measures in this process. The result does not depend
            on it.
        on_generation: Called after each generation.

    Returns:
        The archive of all evaluations; or, where every generation has its own images, the last
        population. They are measured again where the search measured approximately. Failed
        candidates are left out.
    """
    loses = executor is not None and executor.loses
    # Workers of before may have lost candidates: the record scores them, whoever measures now.
    if (loses or (store is not None and store.failures())) and takes_failures(algorithm):
        problem = problem.for_workers()
    evaluator = StoredEvaluator(problem, store, recorded=recorded, executor=executor)
    history = store if recorded else None
    clock = Clock(history, limits=budget.seconds is not None)
    limits = Limits(budget, clock, evaluator)
    algorithm.setup(problem, termination=limits, seed=seed, evaluator=evaluator)
    evaluator.engine = algorithm
    while algorithm.has_next():
        generation = algorithm.n_iter or 1
        replayed = history is not None and history.elapsed(generation) is not None
        step(algorithm, None if problem.changes_batches else limits.left)
        seconds = clock(generation)
        if history is not None and not replayed:
            history.finish_generation(generation, seconds)
        done = Step(
            generation,
            evaluator.n_eval,
            min(limits.perc, 1.0),
            seconds,
            replayed,
            algorithm,
            evaluator,
        )
        if on_generation is not None:
            on_generation(done)
    return _found(problem, done)


def _found(problem: PruningProblem, last: Step) -> Found:
    archive, failures = last.evaluator.archive, last.evaluator.failures
    first = _first(last)
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
        if problem.approximation is None:
            return Found(X, archive.measurements, numbers, last, failures, first)
    values = last.evaluator.measured(problem, X)
    measured = ~failed_rows(values)
    if not measured.any():
        raise all_failed("candidates that were measured again", values.failures.values())
    kept = {name: column[measured] for name, column in values.items()}
    return Found(X[measured], kept, numbers[measured], last, failures, first)


def _first(last: Step) -> First:
    """The first generation, which may have been asked for in parts."""
    X, measured, numbers = zip(*last.evaluator.first, strict=True)
    names = measured[0]
    return First(
        np.concatenate(X),
        {name: np.concatenate([part[name] for part in measured]) for name in names},
        np.concatenate(numbers),
    )
