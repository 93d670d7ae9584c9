"""The contract of executors, and the one that needs nobody else."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

from pymoo_prune.chromosomes import Array
from pymoo_prune.objectives import Part
from pymoo_prune.problem import PruningProblem


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


class InProcess(Executor):
    """Measures here, one chunk after the other."""

    def measure(self, problem: PruningProblem, X: Array, batch: int | None) -> Iterator[Part]:
        """Measures candidates, chunk by chunk, in order."""
        return problem.parts(X, batch)
