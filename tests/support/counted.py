"""An executor that counts what it measures."""

from __future__ import annotations

from collections.abc import Iterator

from pymoo_prune.chromosomes import Array
from pymoo_prune.executors import InProcess
from pymoo_prune.objectives import Part
from pymoo_prune.problem import PruningProblem


class Counted(InProcess):
    """Measures in this process.

    Attributes:
        candidates: How many it has measured.
    """

    candidates = 0

    def measure(self, problem: PruningProblem, X: Array, batch: int | None) -> Iterator[Part]:
        self.candidates += len(X)
        return super().measure(problem, X, batch)
