"""Rivals of a front: simpler methods, retrained alike, and published results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import count

import numpy as np
from torch import nn

from pymoo_prune.engines import make_algorithm
from pymoo_prune.errors import NothingFoundError
from pymoo_prune.executors import Executor
from pymoo_prune.measuring import Expected, goodness_of
from pymoo_prune.objectives import DIVERGENCE, Series, Values, completed
from pymoo_prune.problem import PruningProblem
from pymoo_prune.results.finishing import final_accuracies, finisher
from pymoo_prune.results.front import Front
from pymoo_prune.search import Budget, Display, SearchReporter, Store, search

RANDOM = "random search"


def baseline_series(
    problem: PruningProblem,
    front: Front,
    *,
    store: Store | None,
    evaluations: int,
    pop_size: int,
    seed: int,
    images: int,
    display: Display,
    executor: Executor | None = None,
) -> list[Series]:
    """The problem's simple methods at the front's sizes, and random search with the same budget.

    Random search is left out where it finds nothing.

    Args:
        problem: The problem that was searched.
        front: The front that was found.
        store: Keeps the evaluations of random search.
        evaluations: How many candidates the search asked for.
        pop_size: The search's population.
        seed: The search's seed.
        images: Training images for retraining, the same for all.
        display: Shows progress.
        executor: Measures what random search asks for; None measures here.
    """
    found = simple_series(problem, front.columns, seed=seed, images=images, display=display)
    if type(problem).random is not PruningProblem.random:
        try:
            found.append(
                _random_search(
                    problem, store, evaluations, pop_size, seed, images, display, executor
                )
            )
        except NothingFoundError as error:
            display.console.print(f"{RANDOM} is left out: {error}", highlight=False, markup=False)
    return found


def simple_series(
    problem: PruningProblem,
    front: Mapping[str, Values],
    *,
    seed: int,
    images: int,
    display: Display,
) -> list[Series]:
    """The problem's baselines, which need no search, at the sizes of a front.

    Args:
        problem: The problem that was searched.
        front: The front's measurements, (n,) each.
        seed: The seed of each retraining.
        images: Training images for retraining.
        display: Shows progress.

    Returns:
        A series for each baseline; its accuracies are on the validation images. Baselines that
        cannot be had here are named on the console, each with the reason.
    """
    found = []
    parent = cache(lambda: _parent_values(problem))
    for baseline in () if problem.rivals is None else problem.rivals.at(front):
        with display.phase("baseline") as update:
            total, done = len(baseline.networks), count(1)
            accuracies = final_accuracies(
                baseline.networks,
                problem.data_set,
                seeds=[seed] * total,
                finished=finisher(problem, images),
                parent=problem.parent,
                progress=lambda: update(next(done) / total, baseline.name),  # noqa: B023
            )
        timed = problem.latencies
        latencies = {} if timed is None else timed.of(baseline.networks)
        before = _judged(problem, baseline.networks)
        sizes = {**baseline.sizes, **latencies}
        measured = completed({**sizes, **before}, problem.quantities, parent)
        columns = {**measured, **accuracies}
        found.append(Series(baseline.name, columns))
    for line in () if problem.rivals is None else problem.rivals.left_out():
        display.console.print(line, highlight=False, markup=False)
    return found


def _parent_values(problem: PruningProblem) -> dict[str, float]:
    """The parent's values; its accuracy is on the images on which baselines are judged."""
    judged = {} if problem.parent is None else _judged(problem, [problem.parent])
    return {**problem.parent_values, **{name: float(one[0]) for name, one in judged.items()}}


def _judged(problem: PruningProblem, networks: Sequence[nn.Module]) -> dict[str, Values]:
    """Accuracies on the validation images, and divergences where the search has them, (n,) each."""
    images = problem.data_set.validation
    if DIVERGENCE not in problem.judged or problem.parent is None:
        judge = images.task.judge
        return {judge: np.array([goodness_of(network, images) for network in networks])}
    expected = Expected.of(problem.parent, images)
    rows = [expected.measured_on(one, images.images, problem.judged) for one in networks]
    return {name: np.array([row[name] for row in rows]) for name in problem.judged}


def _random_search(
    problem: PruningProblem,
    store: Store | None,
    evaluations: int,
    pop_size: int,
    seed: int,
    images: int,
    display: Display,
    executor: Executor | None,
) -> Series:
    with display.phase("random") as update:
        found = search(
            problem,
            make_algorithm("random", problem, pop_size),
            Budget(evaluations=evaluations),
            seed=seed,
            store=store,
            recorded=False,
            executor=executor,
            on_generation=SearchReporter(problem, update),
        )
    return Series(RANDOM, Front.from_found(problem, found).finish(images=images).columns)


def published_series(problem: type[PruningProblem], data: str) -> list[Series]:
    """Results that papers report on a data set, to be drawn beside fronts."""
    return [
        Series(name, {column: np.array(values) for column, values in columns.items()})
        for name, columns in problem.published.get(data, {}).items()
    ]
