"""Comparing searches in Python: the same problem, budget and seeds for every method."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from pymoo.core.algorithm import Algorithm
from rich.console import Console

from pymoo_prune.comparing.bounds import size_bounds
from pymoo_prune.comparing.comparison import Comparison
from pymoo_prune.comparing.methods import (
    Method,
    check_against,
    check_design,
    file_name,
    seeds_of,
    weighed,
)
from pymoo_prune.comparing.trials import Trial, recorded_trial, union_front
from pymoo_prune.comparing.volumes import HypervolumeOptions, judged_axes
from pymoo_prune.engines import check_engine, one_objective
from pymoo_prune.errors import NothingFoundError, PruneError, check_kind, check_whole
from pymoo_prune.machine import versions
from pymoo_prune.objectives import STANDARD, Objectives, Values, objectives_text
from pymoo_prune.problem import PruningProblem
from pymoo_prune.results import EVALUATION, FirstPopulation, Front, final_of, simple_series
from pymoo_prune.search import Budget, Display, SearchReporter, Step, Store, search, settle

Engine: TypeAlias = str | Algorithm | Callable[[PruningProblem], Algorithm]
"""A method's name, a fresh engine of pymoo, or a function that makes one for a problem."""


def compare(
    problem: PruningProblem,
    methods: Sequence[str] | Mapping[str, Engine],
    budget: Budget,
    *,
    seeds: int | Sequence[int] = 5,
    pop_size: int = 100,
    finish_images: int = 0,
    bounds: Sequence[str] | None = None,
    against: str | None = None,
    volumes: HypervolumeOptions | None = None,
    folder: Path | str | None = None,
    display: Display | None = None,
) -> Comparison:
    """Lets every method search the same problem, once for each seed, and compares them.

    Args:
        problem: The problem, with the objectives that methods are compared over; engines for one
            objective get them weighed into one.
        methods: Names as `Method.parse` takes them; or engines by a name of your own.
        budget: Each run's budget.
        seeds: The engines' seeds; a number n stands for 0 to n - 1.
        pop_size: The population of engines that are given by name.
        finish_images: Training images that each network of a front is retrained with.
        bounds: Bounds on sizes, as `Comparison` takes them.
        against: The method that each other one is tested against; None tests all pairs.
        volumes: The reference point and the logarithmic axes of hypervolumes.
        folder: Keeps evaluations, a file for each run: the same call goes on where it was stopped.
            None keeps nothing.
        display: Shows progress; None for silence.

    Returns:
        The comparison, with the problem's baselines.
    """
    methods = [methods] if isinstance(methods, str) else methods
    seeds = seeds_of(seeds)
    check_kind("budget", budget, Budget, "a Budget, such as Budget(generations=10)")
    check_whole("finish_images", finish_images)
    check_design(list(methods), seeds)
    check_against(against, list(methods))
    size_bounds(bounds or (), problem.quantities, problem.parent_values)
    volumes = volumes or HypervolumeOptions()
    volumes.check(judged_axes(problem), {**STANDARD, **problem.quantities}, problem.parent_values)
    engines = methods if isinstance(methods, Mapping) else {name: name for name in methods}
    display = display or Display(Console(quiet=True))
    ready = {name: _prepared(problem, one, pop_size) for name, one in engines.items()}
    trials = []
    for name, (twin, make) in ready.items():
        for seed in seeds:
            path = ":memory:" if folder is None else _file(Path(folder), name, seed)
            store = Store(path, tuple(twin.quantities), twin.fingerprint, versions())
            try:
                trials.append(
                    _trial(twin, make(), budget, name, seed, store, finish_images, display)
                )
                if folder is not None:
                    store.close()
                    settle(store.path)
            finally:
                store.close()
    goals = next(iter(ready.values()))[0].goals
    others = simple_series(
        problem,
        union_front(trials, goals),
        seed=problem.seed,
        images=finish_images,
        display=display,
    )
    return Comparison(
        trials,
        others,
        goals=goals,
        quantities={**problem.quantities, **final_of(problem.quantities), **EVALUATION},
        parent=problem.parent_values,
        bounds=bounds,
        against=against,
        volumes=volumes,
        problem=type(problem).__name__,
    )


def _prepared(
    problem: PruningProblem, engine: Engine, pop_size: int
) -> tuple[PruningProblem, Callable[[], Algorithm]]:
    """The problem with a method's goal, and a function that makes a fresh engine for each run."""
    front = problem.goals.names
    if isinstance(engine, str):
        method = Method.parse(engine)
        twin = problem.with_goals(method.goal(problem), front=front)

        def by_name() -> Algorithm:
            return method.engine(twin, pop_size)

        by_name()  # what cannot be made is refused before anything is searched
        return twin, by_name
    twin = problem.with_goals(_goal(problem, engine), front=front)

    def given() -> Algorithm:
        fresh = copy.deepcopy(engine) if isinstance(engine, Algorithm) else engine(twin)
        check_engine(fresh, twin)
        return fresh

    given()
    return twin, given


def _goal(
    problem: PruningProblem, engine: Algorithm | Callable[[PruningProblem], Algorithm]
) -> Objectives:
    """What an engine minimises: the problem's objectives, weighed into one if it needs one."""
    front, one = problem.goals.names, weighed(problem)
    if isinstance(engine, Algorithm):
        return one if one_objective(engine) else front
    try:
        return one if one_objective(engine(problem)) else front
    except PruneError:
        # A function that makes an engine for one objective may check that there is one.
        with suppress(PruneError):
            if one_objective(engine(problem.with_goals(one, front=front))):
                return one
        raise


def _file(folder: Path, name: str, seed: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{file_name(name)}-{seed}.sqlite"


def _trial(
    problem: PruningProblem,
    algorithm: Algorithm,
    budget: Budget,
    name: str,
    seed: int,
    store: Store,
    images: int,
    display: Display,
) -> Trial:
    last: Step | None = None
    columns: Mapping[str, Values] = {}
    first: Mapping[str, Values] | None = None
    try:
        with display.phase(f"{name} {seed}") as update:
            reporter = SearchReporter(problem, update)
            found = search(
                problem, algorithm, budget, seed=seed, store=store, on_generation=reporter
            )
        last = found.last
        front = Front.from_found(problem, found).finish(images=images)
        started = FirstPopulation.of(problem, found, front, images=images, display=display)
        columns, first = front.columns, started.series.columns
    except NothingFoundError as error:
        display.console.print(f"{name} {seed}: {error}", highlight=False, markup=False)
    return recorded_trial(
        store,
        columns,
        method=name,
        seed=seed,
        generations=None if last is None else last.generation,
        rows=None if last is None or problem.approximation else last.evaluated,
        evaluations=None if last is None else last.evaluated,
        goal=objectives_text(problem.goals.objectives),
        first=first,
    )
