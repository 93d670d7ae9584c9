"""The hypervolume of one run over its evaluations: exact, at every evaluation that improves it."""

from __future__ import annotations

from bisect import bisect_left
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pymoo_prune.objectives import Values, hypervolume

BLOCK = 256
"""Candidates that are compared with each other at once."""


class Progress:
    """The hypervolume of what a run has found so far.

    It never falls, and it rises only where a candidate comes that no earlier one dominates. With
    one or two objectives all these hypervolumes are computed at once, each from the one before.
    With more, each is computed when a search by bisection asks for it.

    Args:
        costs: Unit costs, (n, objectives), in the order of the search. Rows with NaN, and those
            that are not better than 1 in every cost, add nothing.
        after: The number of evaluations at each row, (n,), increasing.
    """

    def __init__(self, costs: Values, after: NDArray[np.int64]) -> None:
        rows = np.flatnonzero((costs < 1).all(axis=1))
        self._all: Values | None = None
        if costs.shape[1] <= 2:
            places, volumes = _improvements_in_two(costs[rows])
            self._all = np.array([0.0, *volumes])
        else:
            places = _improvements(costs[rows])
            self._points = costs[rows][places]
            self._ends = _ends(self._points)
            self._some: dict[int, float] = {0: 0.0}
        self.after: NDArray[np.int64] = np.asarray(after)[rows][places]

    def __len__(self) -> int:
        """The number of improvements."""
        return len(self.after)

    def hits(self, volumes: Values) -> Values:
        """The number of evaluations at which each hypervolume was reached first; else infinity.

        Args:
            volumes: Hypervolumes above 0, (targets,).
        """
        if self._all is not None:
            places = np.searchsorted(self._all, volumes)
        else:
            every = range(len(self) + 1)
            found = [bisect_left(every, volume, key=self._volume) for volume in volumes.tolist()]
            places = np.array(found, dtype=np.int64)
        return np.append(self.after.astype(np.float64), np.inf)[places - 1]

    def at(self, evaluations: Values) -> Values:
        """The hypervolume after these numbers of evaluations, (n,)."""
        places = np.searchsorted(self.after, evaluations, side="right")
        if self._all is not None:
            return np.asarray(self._all[places])
        return np.array([self._volume(place) for place in places.tolist()])

    @property
    def last(self) -> float:
        """The hypervolume in the end."""
        return self._volume(len(self))

    def _volume(self, count: int) -> float:
        """The hypervolume after so many improvements."""
        if self._all is not None:
            return float(self._all[count])
        if count not in self._some:
            alive = np.flatnonzero(self._ends[:count] >= count)
            self._some[count] = hypervolume(self._points[alive])
        return self._some[count]


def _improvements_in_two(costs: Values) -> tuple[NDArray[np.int64], list[float]]:
    """Rows that no earlier row dominates, and the hypervolume after each of them.

    Args:
        costs: Costs below 1, (n, 1) or (n, 2).
    """
    pairs = costs if costs.shape[1] == 2 else np.column_stack([costs, np.zeros(len(costs))])
    xs, ys = (
        [-np.inf, 1.0],
        [1.0, -np.inf],
    )  # the front: xs rise, ys fall, with a guard on each side
    places: list[int] = []
    volumes: list[float] = []
    volume = 0.0
    for place, (x, y) in enumerate(pairs.tolist()):
        start = bisect_left(xs, x)
        if ys[start - 1] <= y or (xs[start] == x and ys[start] <= y):
            continue
        end = start
        while ys[end] >= y:
            end += 1
        # The new point adds a staircase: right of it, below the points that were there.
        edges, heights = [x, *xs[start:end], xs[end]], ys[start - 1 : end]
        volume += sum(
            (right - left) * (height - y)
            for (left, right), height in zip(pairwise(edges), heights, strict=True)
        )
        xs[start:end], ys[start:end] = [x], [y]
        places.append(place)
        volumes.append(volume)
    return np.array(places, dtype=np.int64), volumes


def _improvements(costs: Values) -> NDArray[np.int64]:
    """Rows that are not dominated by, or equal to, an earlier row.

    Args:
        costs: Finite costs, (n, objectives).
    """
    found = np.empty(0, dtype=np.int64)
    for start in range(0, len(costs), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(costs)))
        rows = rows[~_reached(costs[rows], costs[found]).any(axis=1)]
        among = np.tril(_reached(costs[rows], costs[rows]), -1)
        found = np.concatenate([found, rows[~among.any(axis=1)]])
    return found


def _ends(points: Values) -> NDArray[np.int64]:
    """For each improvement the place of the first later one that dominates it; else their number.

    Args:
        points: The improvements, (n, objectives).
    """
    ends = np.full(len(points), len(points), dtype=np.int64)
    for start in range(0, len(points), BLOCK):
        beaten = _reached(points[start : start + BLOCK], points)
        later = np.triu(beaten, start + 1)
        some = later.any(axis=1)
        ends[start : start + BLOCK][some] = later.argmax(axis=1)[some]
    return ends


def _reached(costs: Values, others: Values) -> NDArray[np.bool_]:
    """Whether each other row is at least as good as each row in every cost, (n, others)."""
    shared = np.ones((len(costs), len(others)), dtype=bool)
    for mine, theirs in zip(costs.T, others.T, strict=True):
        shared &= theirs[None, :] <= mine[:, None]
    return shared
