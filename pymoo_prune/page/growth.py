"""How a front grew: which evaluations were on it, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pymoo_prune.objectives import Values, nondominated
from pymoo_prune.page.thinning import Rows


@dataclass(frozen=True)
class Growth:
    """The evaluations that were on the front at one of several stops.

    Attributes:
        stops: Increasing numbers of evaluations.
        rows: The evaluations, (m,).
        since: The stop from which each of them is on the front, (m,).
        until: The stop at which it no longer is, (m,); beyond the last stop if it stays.
    """

    stops: Rows
    rows: Rows
    since: Rows
    until: Rows


def growth(costs: Values, stops: Sequence[int], *, most: int) -> Growth:
    """Follows a front over the evaluations.

    Args:
        costs: (n, objectives), in the order of the search; rows with NaN are left out.
        stops: Increasing numbers of evaluations. Every second one is left out, as long as more
            evaluations than `most` were on the front. The last one stays.
        most: The most evaluations.
    """
    found = _growth(costs, np.array(stops, dtype=np.int64))
    while len(found.rows) > most and len(found.stops) > 1:
        found = _growth(costs, found.stops[::-2][::-1])
    return found


def _growth(costs: Values, stops: Rows) -> Growth:
    known = np.asarray(~np.isnan(costs).any(axis=1), dtype=bool)
    since = np.full(len(costs), -1, dtype=np.int64)
    until = np.full(len(costs), -1, dtype=np.int64)
    best, before = np.empty(0, dtype=np.int64), 0
    for stop in stops:
        new = np.arange(before, stop)[known[before:stop]]
        rows = np.concatenate([best, new])
        stay = nondominated(costs[rows])
        lost, best, before = rows[~stay], rows[stay], stop
        until[lost[since[lost] >= 0]] = stop
        since[best[since[best] < 0]] = stop
    until[best] = int(stops[-1]) + 1 if len(stops) else 0
    rows = np.flatnonzero(since >= 0)
    return Growth(stops, rows, since[rows], until[rows])
