"""The contract of executors, and the executor without workers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

from pymoo_prune.chromosomes import Array
from pymoo_prune.objectives import Part
from pymoo_prune.problem import PruningProblem


class Executor(ABC):
    """Measures candidates, and yields them in parts as they are done, in any order.

    Measurements do not depend on the executor: a candidate's depend only on the problem and on the
    candidate. An executor is a context: workers live until it is left.
    """

    loses: bool = False
    """Whether candidates can be lost with their workers; lost candidates count as failed."""

    _watcher: Callable[[], None] | None = None

    @abstractmethod
    def measure(self, problem: PruningProblem, X: Array, batch: int | None) -> Iterator[Part]:
        """Measures candidates; every row comes once.

        Args:
            problem: The problem that they belong to.
            X: Chromosomes, (n, n_var).
            batch: The search batch they are measured on; None for the final, careful measurement.
        """

    def status(self) -> str:
        """The executor's part of a progress line; may be empty."""
        return ""

    @contextmanager
    def watched(self, watcher: Callable[[], None]) -> Iterator[None]:
        """Calls a watcher about every second while workers measure: the status may have changed.

        Args:
            watcher: Shows the status.
        """
        self._watcher = watcher
        try:
            yield
        finally:
            self._watcher = None

    def close(self) -> None:  # noqa: B027 - an executor may have no workers
        """Ends workers; the next measurement starts new ones."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class InProcess(Executor):
    """Measures in this process, one chunk after the other."""

    def measure(self, problem: PruningProblem, X: Array, batch: int | None) -> Iterator[Part]:
        """Measures candidates, chunk by chunk, in order."""
        return problem.parts(X, batch)
