"""Limits of a search, and its working time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real

from pymoo.core.algorithm import Algorithm
from pymoo.core.evaluator import Evaluator
from pymoo.core.termination import Termination

from pymoo_prune.errors import PruneError, StoreError
from pymoo_prune.search.settled import times_of
from pymoo_prune.search.store import Store

LARGEST = 2.0**63
"""Limits are lower; databases know no larger numbers."""


@dataclass(frozen=True)
class Budget:
    """The limits of a search; it ends at the first that it reaches.

    Attributes:
        generations: Generations; the first population counts as one.
        evaluations: Candidates that the engine asks for, known ones included. The last generation
            is cut short, except where generations have images of their own.
        seconds: Working time, including that of an interrupted run.
    """

    generations: int | None = None
    evaluations: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        limits = [self.generations, self.evaluations, self.seconds]
        given = [limit for limit in limits if limit is not None]
        counts = (self.generations, self.evaluations)
        if (
            not given
            or any(isinstance(one, bool) or not isinstance(one, Real) for one in given)
            or not all(one is None or isinstance(one, Integral) for one in counts)
            or not all(0 < one < LARGEST for one in given)
        ):
            msg = (
                "a budget needs a limit, and limits above 0, generations and evaluations whole "
                f"numbers; but it is {self}"
            )
            raise PruneError(msg)
        for name in ("generations", "evaluations"):  # numpy's numbers cannot be written as JSON
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else int(value))


class Limits(Termination):
    """A budget as a termination of pymoo."""

    def __init__(self, budget: Budget, clock: Callable[[int], float], evaluator: Evaluator) -> None:
        super().__init__()
        self.budget, self.clock, self.evaluator = budget, clock, evaluator

    @property
    def left(self) -> int | None:
        """The number of candidates that may still be asked for; None where it has no limit."""
        most = self.budget.evaluations
        return None if most is None else most - self.evaluator.n_eval

    def _update(self, algorithm: Algorithm) -> float:
        used = (
            (self.budget.generations, algorithm.n_iter),
            (self.budget.evaluations, self.evaluator.n_eval),
            (self.budget.seconds, self.clock(algorithm.n_iter)),
        )
        return max(value / limit for limit, value in used if limit is not None)


class Clock:
    """Working time at the end of a generation; recorded time where there is a record.

    Args:
        store: The record.
        limits: Whether time is a limit: a recorded time that is lost is then an error.
    """

    def __init__(self, store: Store | None, *, limits: bool) -> None:
        self.store, self.limits = store, limits
        self.before, self.since = 0.0, time.perf_counter()
        self.looked: tuple[int, float] | None = None

    def __call__(self, generation: int) -> float:
        """Seconds of work up to the end of a generation."""
        # One look a generation: the time that is recorded also decides about the budget.
        if self.looked is None or self.looked[0] != generation:
            self.looked = (generation, self._look(generation))
        return self.looked[1]

    def _look(self, generation: int) -> float:
        recorded = None if self.store is None else self.store.elapsed(generation)
        if self.store is not None and recorded == 0 and self.limits:
            msg = (
                f"{times_of(self.store.path)} has no time of generation {generation}, and the "
                "search has a time budget; restore the file from a copy, or start a new run"
            )
            raise StoreError(msg)
        if recorded is not None:
            self.before, self.since = recorded, time.perf_counter()
            return recorded
        return self.before + time.perf_counter() - self.since
