"""The contract of executors, and the one that needs nobody else."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Self

import numpy as np

from pymoo_prune.chromosomes import Array
from pymoo_prune.objectives import Measured
from pymoo_prune.problem import PruningProblem


class Part(NamedTuple):
    """Some candidates, measured.

    Attributes:
        rows: Their rows in X.
        measured: Their measurements, in the order of the rows.
        seconds: What it took to measure them.
    """

    rows: Sequence[int]
    measured: Measured
    seconds: float


class Executor(ABC):
    """Measures candidates, in parts that come as they are done, in any order.

    What is measured does not depend on the executor: a candidate's measurements depend on nothing
    but the problem and itself. An executor is a context: workers live until it is left.
    """

    loses: bool = False
    """Whether candidates can be lost with who measures them; they count as failed then."""

    _watcher: Callable[[], None] | None = None

    @abstractmethod
    def measure(self, problem: PruningProblem, X: Array, batch: int | None) -> Iterator[Part]:
        """Measures candidates; every row comes once.

        Args:
            problem: What they are candidates of.
            X: Chromosomes, (n, n_var).
            batch: The search batch they are measured on; None for the final, careful measurement.
        """

    def status(self) -> str:
        """What a progress line says of it; nothing where there is nothing to say."""
        return ""

    @contextmanager
    def watched(self, watcher: Callable[[], None]) -> Iterator[None]:
        """Calls somebody every second or so while workers measure: the status may have changed.

        Args:
            watcher: Who shows it.
        """
        self._watcher = watcher
        try:
            yield
        finally:
            self._watcher = None

    def close(self) -> None:  # noqa: B027 - not everybody has workers
        """Lets workers go; with the next candidates they are back."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def measure_here(problem: PruningProblem, X: Array, batch: int | None) -> Measured:
    """Measures candidates in this process.

    Args:
        problem: What they are candidates of.
        X: Chromosomes, (n, n_var).
        batch: The search batch; None for the final measurement.
    """
    return problem.measured_finally(X) if batch is None else problem.measured(X, batch)


class InProcess(Executor):
    """Measures here, one chunk after the other."""

    def measure(self, problem: PruningProblem, X: Array, batch: int | None) -> Iterator[Part]:
        """Measures candidates, in order."""
        for start in range(0, len(X), problem.chunk):
            chunk = X[start : start + problem.chunk]
            began = time.perf_counter()
            measured = measure_here(problem, chunk, batch)
            yield Part(range(start, start + len(chunk)), measured, time.perf_counter() - began)


def gathered(parts: Iterable[Part], quantities: Iterable[str], n: int) -> Measured:
    """Parts as one.

    Args:
        parts: What an executor gives; every row once.
        quantities: What is measured.
        n: How many candidates there are.

    Returns:
        Measurements, (n,) each, with the reasons of who failed.
    """
    whole = Measured({name: np.empty(n) for name in quantities}, {})
    for part in parts:
        rows = list(part.rows)
        for name, column in whole.items():
            column[rows] = part.measured[name]
        whole.failures |= {rows[row]: why for row, why in part.measured.failures.items()}
    whole.failures = dict(sorted(whole.failures.items()))
    return whole
