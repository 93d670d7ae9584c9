"""All evaluations of a search: which were on its front, when, and which stand for the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, IndexFilter

from pymoo_prune.objectives import (
    DIVERGENCE,
    Goals,
    Quantity,
    Series,
    Values,
    feasible,
    judge_of,
    without_judgements,
)
from pymoo_prune.page.growth import growth
from pymoo_prune.page.linked import COLOUR, OPACITY, Linked
from pymoo_prune.page.thinning import Rows, thinned
from pymoo_prune.plots import is_logarithmic

MOST_POINTS = 3_000
"""The most candidates that a page draws."""
STOPS = 100
"""How many fronts a slider shows at most."""
BEHIND = 0.3
"""The opacity of candidates behind a front."""
GENERATION = Quantity("higher", "generation")
STAYS = 2**31 - 1
"""Beyond the last evaluation."""


@dataclass(frozen=True)
class Searched:
    """The evaluations of one search.

    Attributes:
        front: The candidates that were on the front at some time.
        others: These and other candidates, which are drawn behind the front.
        now: Chooses those that are on the front after as many evaluations as a slider says.
        behind: Chooses the candidates behind it; none until they are switched on.
        lines: The front of that time, sorted by size, a pair of columns for each panel.
        stops: The numbers of evaluations that have a front.
        evaluations: How many candidates the search asked for.
        kept: How many of them were measured and keep the constraints.
    """

    front: Linked
    others: Linked
    now: IndexFilter
    behind: IndexFilter
    lines: ColumnDataSource
    stops: Sequence[int]
    evaluations: int
    kept: int

    @property
    def drawn(self) -> int:
        """How many candidates the page can show."""
        return len(self.others.series)


def sizes_of(goals: Goals) -> list[str]:
    """The quantities of the panels."""
    return without_judgements(goals.names, goals.quantities) or ["parameters"]


def quality_of(goals: Goals) -> str:
    """What is drawn over sizes: the objective that says how good outputs are, as it is measured."""
    judge = judge_of(goals.quantities)
    if judge not in goals.quantities:  # images without labels
        return DIVERGENCE
    return DIVERGENCE if set(goals.names) & {DIVERGENCE, judge} == {DIVERGENCE} else judge


def searched(
    name: str,
    place: int,
    history: Mapping[str, Values],
    goals: Goals,
    parent: Mapping[str, float],
    *,
    most: int = MOST_POINTS,
) -> Searched:
    """Prepares a search.

    Args:
        name: The method's name.
        place: Its place among the methods, which decides its colour and marker.
        history: Every evaluation, in the order of the search, (evaluations,) each.
        goals: The quantities of the front, and the constraints.
        parent: The parent's measurements.
        most: The most candidates that are drawn, unless the front at the end has more. Two thirds
            of them may have been on a front.
    """
    n, costs = len(history["generation"]), goals.costs(history)
    kept = feasible(history, goals.constraints, parent) & np.isfinite(costs).all(axis=1)
    costs[~kept] = np.nan
    grown = growth(costs, _stops(history), most=2 * most // 3)
    rows = np.flatnonzero(kept)
    behind = _behind_fronts(rows, _planes(history, goals, rows), grown.rows, most)
    known = {
        one: column
        for one, column in history.items()
        if one == "generation" or one in goals.quantities
    }
    until = np.where(grown.until > n, STAYS, grown.until)
    front = _linked(name, place, known, grown.rows, 1.0)
    front.source.data["since"] = grown.since.astype(np.int32)
    front.source.data["until"] = until.astype(np.int32)
    return Searched(
        front,
        _linked(name, place, known, behind, BEHIND),
        now=IndexFilter(np.flatnonzero(until == STAYS).tolist()),
        behind=IndexFilter([]),
        lines=ColumnDataSource(),
        stops=grown.stops.tolist(),
        evaluations=n,
        kept=len(rows),
    )


def _stops(history: Mapping[str, Values]) -> list[int]:
    """Numbers of evaluations, from the first generation's on."""
    generations = history["generation"]
    first = int((generations == generations[:1]).sum())
    stops = np.linspace(first, len(generations), STOPS).round().astype(np.int64)
    return [int(stop) for stop in np.unique(stops)]


def _planes(history: Mapping[str, Values], goals: Goals, rows: Rows) -> list[tuple[Values, Values]]:
    """The coordinates of candidates in each panel, evenly spread as the panel's axes are."""
    quality = history[quality_of(goals)][rows]
    planes = []
    for name in sizes_of(goals):
        sizes = history[name][rows]
        log = is_logarithmic(goals.quantities[name], sizes)
        planes.append((np.log(sizes) if log else sizes, quality))
    return planes


def _behind_fronts(
    rows: Rows, planes: Sequence[tuple[Values, Values]], fronts: Rows, most: int
) -> Rows:
    """Candidates for the layer: all that ever were on a front, and a choice of the others."""
    other = ~np.isin(rows, fronts)
    chosen = thinned([(x[other], y[other]) for x, y in planes], max(most - len(fronts), 0))
    return np.union1d(fronts, rows[other][chosen])


def _linked(
    name: str, place: int, history: Mapping[str, Values], rows: Rows, opacity: float
) -> Linked:
    """Candidates with their numbers, in few bytes each."""
    columns = {one: column[rows] for one, column in history.items()}
    fields = {one: f"value_{column}" for column, one in enumerate(columns)}
    data: dict[str, Any] = {fields[one]: columns[one].astype(np.float32) for one in columns}
    data["number"] = rows.astype(np.int32)
    data[OPACITY] = np.full(len(rows), opacity, dtype=np.float32)
    found = Linked(Series(name, columns), place, ColumnDataSource(data), fields)
    found.source.data[COLOUR] = [found.colour] * len(rows)
    return found


def with_generations(one: Series, history: Mapping[str, Values] | None) -> Series:
    """A front with the generation of each network's evaluation, where it is known.

    Args:
        one: The front.
        history: The search's evaluations, in order; None where they cannot be compared.
    """
    if history is None or "evaluation" not in one.columns:
        return one
    generations = history["generation"][one.columns["evaluation"].astype(np.int64)]
    return Series(one.name, {**one.columns, "generation": generations})
