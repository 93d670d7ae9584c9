"""The best of a search's first generation: what was there before the search began to search."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pymoo_prune.chromosomes import Array, digests
from pymoo_prune.errors import NothingFoundError
from pymoo_prune.objectives import Measured, Series, Values
from pymoo_prune.problem import PruningProblem
from pymoo_prune.results.front import Front
from pymoo_prune.results.quantities import final_of
from pymoo_prune.search import Display, Found, StoredEvaluator

FIRST_POPULATION = "first population"
MOST = 12
"""The most networks of a first population that are finished, if the front has none of them."""


@dataclass(frozen=True)
class FirstPopulation:
    """The non-dominated, feasible candidates of the first generation, finished like the front.

    Attributes:
        series: The networks that are shown, the smallest first; none where no candidate is
            feasible.
        candidates: How many candidates the first generation has.
        nondominated: How many of them are feasible and non-dominated.
    """

    series: Series
    candidates: int
    nondominated: int

    def about(self) -> dict[str, int]:
        """The counts, as plain values."""
        return {
            "candidates": self.candidates,
            "nondominated": self.nondominated,
            "shown": len(self.series),
        }

    @classmethod
    def of(
        cls,
        problem: PruningProblem,
        found: Found,
        front: Front,
        *,
        images: int,
        display: Display,
    ) -> FirstPopulation:
        """The first population of a search, measured and finished like its front.

        Networks that the front has are finished already, and all of them are shown. Others are
        added up to `MOST`, spread over the sizes.

        Args:
            problem: The problem that was searched.
            found: What the search ended with; its store must be open.
            front: The finished front.
            images: Training images for retraining, the same as the front's.
            display: Shows progress.
        """
        candidates = len(found.first.X)
        try:
            best = _best(problem, found)
        except NothingFoundError:
            return cls(Series(FIRST_POPULATION), candidates, 0)
        known = {digest: place for place, digest in enumerate(digests(front.X))}
        there = np.array([known.get(digest, -1) for digest in digests(best.X)])
        more = max(MOST - int((there >= 0).sum()), 0)
        rows = np.flatnonzero(there >= 0)
        added = spread(np.flatnonzero(there < 0), more)
        columns = {name: column.copy() for name, column in best.columns.items()}
        for name in final_of(problem.quantities).keys() & front.columns.keys():
            columns[name] = np.where(there >= 0, front.columns[name][there], np.nan)
        if len(added):
            for name, column in _finished(best, added, images, display).items():
                columns[name][added] = column
        shown = np.sort(np.concatenate([rows, added]))
        # In the order of the front's columns, as tables have them.
        series = {name: columns[name][shown] for name in front.columns if name in columns}
        return cls(Series(FIRST_POPULATION, series), candidates, len(best))


def spread(rows: Array, most: int) -> Array:
    """At most so many rows, evenly spread over all of them, with both ends."""
    if len(rows) <= most:
        return rows
    kept: Array = rows[np.linspace(0, len(rows) - 1, most).round().astype(int)]
    return kept


def _best(problem: PruningProblem, found: Found) -> Front:
    """The front of the first generation, made like the front of the search."""
    first = found.first
    if problem.changes_batches:
        X, numbers = first.X, None
    else:
        columns = {**first.measurements, "evaluation": first.numbers.astype(np.float64)}
        best = Front.from_candidates(problem, first.X, columns)
        if problem.approximation is None:
            return best
        X, numbers = best.X, best.columns["evaluation"]
    measured = _measured_in_full(problem, found, X)
    more = {} if numbers is None else {"evaluation": numbers}
    return Front.from_candidates(problem, X, measured | more)


def _measured_in_full(problem: PruningProblem, found: Found, X: Array) -> Measured:
    """Full measurements, by the search's executor, which its store keeps."""
    used = found.last.evaluator
    # An evaluator of its own: these candidates are not counted among those of the search.
    evaluator = StoredEvaluator(problem, used.store, recorded=False, executor=used.executor)
    return evaluator.measured(problem.for_workers() if used.executor.loses else problem, X)


def _finished(best: Front, rows: Array, images: int, display: Display) -> dict[str, Values]:
    """Accuracies of some networks after finishing."""
    some = Front(best.problem, best.X[rows], {n: c[rows] for n, c in best.columns.items()})
    with display.phase("first") as update:
        done = iter(range(1, len(some) + 1))
        finished = some.finish(
            images=images,
            progress=lambda: update(next(done) / len(some), f"finish the {FIRST_POPULATION}"),
        )
    known = final_of(best.problem.quantities)
    return {name: column for name, column in finished.columns.items() if name in known}
