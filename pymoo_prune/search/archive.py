"""The best of all candidates that a search evaluated."""

from __future__ import annotations

import numpy as np

from pymoo_prune.chromosomes import Array
from pymoo_prune.objectives import Measurements, Values, failed_rows, nondominated
from pymoo_prune.problem import PruningProblem


class Archive:
    """The best of all that was evaluated: candidates that no other dominates.

    Failed candidates stay out; X is None until a candidate has been measured.
    """

    def __init__(self, problem: PruningProblem) -> None:
        self.problem = problem
        self.X: Array | None = None
        self.measurements: dict[str, Values] = {}
        self.numbers = np.empty(0, dtype=np.int64)

    def add(self, X: Array, measurements: Measurements, first: int) -> None:
        """Takes in candidates; their evaluations are numbered from `first` on."""
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
        """Rows of the nondominated feasible candidates; the nearest miss if none is feasible."""
        G = self.problem.score(values).get("G")
        costs = self.problem.goals.costs(values)
        violation = np.zeros(len(costs)) if G is None else np.maximum(G, 0).sum(axis=1)
        feasible = np.flatnonzero(violation == 0)
        if len(feasible) == 0:
            return np.array([violation.argmin()])
        rows: Array = feasible[nondominated(costs[feasible])]
        return rows
