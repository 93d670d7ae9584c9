"""The data of a surrogate: measured candidates, their features, and known sizes."""

from __future__ import annotations

import numpy as np
from pymoo.core.population import Population

from pymoo_prune.chromosomes import Array, digests
from pymoo_prune.errors import PruneError, unknown_name
from pymoo_prune.objectives import Values, failed_rows
from pymoo_prune.problem import PruningProblem


class Evaluated:
    """All candidates that were evaluated so far.

    Attributes:
        keys: Digests of all candidates, also of failed ones.
        Z: Features of the measured candidates, (n, features).
        values: Their measurements, (n,) each.
    """

    def __init__(self) -> None:
        self.keys: set[bytes] = set()
        self.Z: Values = np.empty((0, 0))
        self.values: dict[str, Values] = {}

    def __len__(self) -> int:
        return len(self.Z)

    def add(self, problem: PruningProblem, pop: Population) -> None:
        """Adds the new candidates of a population.

        An individual carries its measurements under their names. Failed candidates (NaN) are not
        learnt from.
        """
        pop = pop[np.array([len(one.F) > 0 for one in pop], dtype=bool)]
        keys = digests(pop.get("X")) if len(pop) else []
        rows = {key: row for row, key in enumerate(keys) if key not in self.keys}
        self.keys |= rows.keys()
        pop = pop[list(rows.values())]
        values = {name: pop.get(name).astype(np.float64) for name in problem.quantities}
        measured = ~failed_rows(values)
        if not measured.any():
            return
        Z = checked_features(problem, pop.get("X")[measured])
        values = {name: column[measured] for name, column in values.items()}
        if len(self):
            Z = np.concatenate([self.Z, Z])
            values = {n: np.concatenate([self.values[n], values[n]]) for n in values}
        self.Z, self.values = Z, values


def checked_features(problem: PruningProblem, X: Array) -> Values:
    """The problem's features of n candidates, (n, features); refuses wrong ones.

    Args:
        problem: The problem.
        X: Chromosomes, (n, n_var).
    """
    Z = np.asarray(problem.preview.features(X), dtype=np.float64)
    if Z.ndim != 2 or len(Z) != len(X) or not np.isfinite(Z).all():
        msg = (
            f"{type(problem).__name__}: preview.features must give finite numbers, ({len(X)}, "
            f"features), but it gave shape {Z.shape} with "
            f"{np.count_nonzero(~np.isfinite(Z))} others"
        )
        raise PruneError(msg)
    return Z


def checked_sizes(problem: PruningProblem, X: Array) -> dict[str, Values]:
    """Quantities that the problem knows of n candidates without measuring them, (n,) each.

    Args:
        problem: The problem.
        X: Chromosomes, (n, n_var).
    """
    sizes = {n: np.asarray(v, dtype=np.float64) for n, v in problem.preview.sizes(X).items()}
    for name, values in sizes.items():
        if name not in problem.quantities:
            raise unknown_name("size", name, problem.quantities)
        check_values(f"{type(problem).__name__}: preview.sizes, {name!r},", values, len(X))
    return sizes


def check_values(what: str, values: Values, n: int) -> None:
    """Refuses values that are not n finite numbers.

    Args:
        what: The name of the values in the message.
        values: The values.
        n: The number of candidates.
    """
    if values.shape != (n,) or not np.isfinite(values).all():
        msg = (
            f"{what} must be {n} finite numbers, but it has shape {values.shape} and "
            f"{np.count_nonzero(~np.isfinite(values))} others"
        )
        raise PruneError(msg)
