"""How good a set of networks is, as one number: hypervolume and IGD+ over costs from 0 to 1."""

from __future__ import annotations

import moocore
import numpy as np
from numpy.typing import NDArray

from pymoo_prune.objectives.quantities import Values


def nondominated(costs: Values) -> NDArray[np.bool_]:
    """Which rows no other row dominates, (n,) booleans; of equal rows, only the first."""
    if len(costs) == 0:
        return np.zeros(0, dtype=bool)
    return np.asarray(moocore.is_nondominated(costs, keep_weakly=False), dtype=bool)


def hypervolume(unit_costs: Values) -> float:
    """The share of the unit cube that is dominated, with (1, ..., 1) as reference point."""
    inside = unit_costs[(unit_costs < 1).all(axis=1)]
    if len(inside) == 0:
        return 0.0
    return float(moocore.hypervolume(inside, ref=np.ones(unit_costs.shape[1])))


def distance(unit_costs: Values, reference: Values) -> float:
    """IGD+: how far a set is behind the points of a reference front, on average."""
    if len(unit_costs) == 0:
        return float("inf")
    return float(moocore.igd_plus(unit_costs, ref=reference))


def hypervolumes(unit_costs: Values, after: NDArray[np.int64]) -> Values:
    """The hypervolumes of the first rows, for several numbers of rows.

    Args:
        unit_costs: (n, objectives), in the order of the search; rows with NaN are left out.
        after: Increasing numbers of rows.
    """
    best = np.empty((0, unit_costs.shape[1]))
    found, before = [], 0
    for end in after:
        new = unit_costs[before:end]
        best = np.concatenate([best, new[~np.isnan(new).any(axis=1)]])
        best, before = best[nondominated(best)], end
        found.append(hypervolume(best))
    return np.array(found)
