"""Comparing searches in Python: the same problem, budget and seeds for every method."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeAlias

import numpy as np
from pymoo.core.algorithm import Algorithm
from rich.console import Console

from pymoo_prune.baselines import simple_series
from pymoo_prune.comparison import Comparison, Trial, size_bounds, union_front
from pymoo_prune.engines import check_engine, check_engine_name, make_algorithm, one_objective
from pymoo_prune.errors import NothingFoundError, PruneError, unknown_name
from pymoo_prune.front import ACCURACIES, EVALUATION, Front
from pymoo_prune.machine import versions
from pymoo_prune.objectives import (
    Objectives,
    Scalarisation,
    Values,
    WeightedSum,
    objectives_text,
    parse_objectives,
)
from pymoo_prune.problem import PruningProblem
from pymoo_prune.progress import Display, SearchReporter
from pymoo_prune.search import Budget, Step, search
from pymoo_prune.store import Store
from pymoo_prune.surrogates import MODELS

Engine: TypeAlias = str | Algorithm | Callable[[PruningProblem], Algorithm]
"""A method's name, a fresh engine of pymoo, or what makes one for a problem."""


@dataclass(frozen=True)
class Method:
    """A way to search, by name.

    Attributes:
        name: As it was written: "nsga2", "nsga2+rbf", "ga@accuracy=1,width=0.5", "ga@pwad".
        algorithm: The engine's name.
        surrogate: A model's name, or None.
        objectives: What it minimises, where that is not what all do.
    """

    name: str
    algorithm: str
    surrogate: str | None = None
    objectives: Objectives | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads ENGINE, ENGINE+MODEL, ENGINE@OBJECTIVES, or all three."""
        engine, at, goal = text.partition("@")
        algorithm, plus, model = engine.partition("+")
        check_engine_name(algorithm)
        if plus and model not in MODELS:
            raise unknown_name("surrogate model", model, MODELS)
        return cls(text, algorithm, model or None, _objectives(goal) if at else None)

    def goal(self, problem: PruningProblem) -> Objectives:
        """What it minimises on a problem.

        Engines for one objective weigh the problem's objectives into one: as the problem does, or
        its paper for its own algorithm, or all alike.

        Args:
            problem: With the objectives that methods are compared over.
        """
        if self.objectives is not None:
            return self.objectives
        if self.algorithm == "own":
            own = [p.objectives for p in problem.presets.values() if p.algorithm == "own"]
            return next((one for one in own if one is not None), weighed(problem))
        return weighed(problem) if one_objective(self.algorithm) else problem.goals.names

    def engine(self, problem: PruningProblem, pop_size: int) -> Algorithm:
        """A fresh engine, or an error where it cannot search a problem.

        Args:
            problem: With what this method minimises.
            pop_size: Its population.
        """
        if self.algorithm == "random":  # it would be asked for candidates in the search only
            problem.random(1, np.random.default_rng(problem.seed))
        return make_algorithm(self.algorithm, problem, pop_size, surrogate=self.surrogate)


def _objectives(text: str) -> Objectives:
    parts = [part.strip() for part in text.split(",")]
    if all(re.fullmatch(r"\w+", part) for part in parts):
        return parse_objectives(parts)
    number = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
    pairs = [re.fullmatch(rf"(\w+)\s*=\s*({number})", part) for part in parts]
    weights = {pair[1]: float(pair[2]) for pair in pairs if pair}
    if len(weights) < len(parts):
        msg = (
            f"objectives {text!r} must read like 'accuracy=1,width=0.5', 'accuracy,macs' or "
            "'pwad', each name once"
        )
        raise PruneError(msg)
    return WeightedSum(weights)


def weighed(problem: PruningProblem) -> Scalarisation:
    """A problem's objectives as one: its own scalarisation, or all with the same weight.

    The same weight is that of shares; what is counted, such as MACs, is a share of the parent's.
    """
    goals = problem.goals
    if goals.scalarisation:
        return goals.scalarisation
    parent = problem.parent_values
    units = {
        name: 1.0 if goals.quantities[name].share or not parent[name] else 1 / parent[name]
        for name in goals.names
    }
    return WeightedSum(units)


def compare(
    problem: PruningProblem,
    methods: Sequence[str] | Mapping[str, Engine],
    budget: Budget,
    *,
    seeds: int | Sequence[int] = 5,
    pop_size: int = 100,
    finish_images: int = 0,
    bounds: Sequence[str] | None = None,
    folder: Path | str | None = None,
    display: Display | None = None,
) -> Comparison:
    """Lets every method search the same problem, once for each seed, and compares them.

    Args:
        problem: With the objectives that methods are compared over; engines for one objective get
            them weighed into one.
        methods: Names as `Method.parse` takes them; or engines by a name of your own.
        budget: Of each run.
        seeds: Of the engines; a number n is 0 to n - 1.
        pop_size: Of engines by name.
        finish_images: Training images that each network of a front is retrained with.
        bounds: As `Comparison` takes them.
        folder: Where evaluations are kept, a file for each run: the same call goes on where it was
            stopped. None keeps nothing.
        display: Shows progress; None for silence.

    Returns:
        The comparison, with the problem's baselines.
    """
    methods = [methods] if isinstance(methods, str) else methods
    seeds = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    check_design(list(methods), seeds)
    size_bounds(bounds or (), problem.quantities, problem.parent_values)
    if finish_images < 0:
        msg = f"finish_images must be at least 0, but it is {finish_images}"
        raise PruneError(msg)
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
        quantities={**problem.quantities, **ACCURACIES, **EVALUATION},
        parent=problem.parent_values,
        bounds=bounds,
    )


def check_design(methods: Sequence[str], seeds: Sequence[int]) -> None:
    """Refuses comparisons of nothing, or of the same run twice."""
    for what, values in (("method", methods), ("seed", seeds)):
        if not values or len(set(values)) < len(values):
            msg = f"a comparison needs one {what} or more, each once, but they are {list(values)}"
            raise PruneError(msg)
    if len({file_name(name) for name in methods}) < len(methods):
        msg = f"methods must have names that differ in letters or digits, but: {list(methods)}"
        raise PruneError(msg)
    if min(seeds) < 0:
        msg = f"seeds must be at least 0, but they are {list(seeds)}"
        raise PruneError(msg)


def _prepared(
    problem: PruningProblem, engine: Engine, pop_size: int
) -> tuple[PruningProblem, Callable[[], Algorithm]]:
    """The problem with what a method minimises, and what makes a fresh engine for each run."""
    front = problem.goals.names
    if isinstance(engine, str):
        method = Method.parse(engine)
        twin = problem.with_goals(method.goal(problem), front=front)

        def by_name() -> Algorithm:
            return method.engine(twin, pop_size)

        by_name()  # what cannot be made is refused before anything is searched
        return twin, by_name
    handed = engine if isinstance(engine, Algorithm) else engine(problem)
    goal = weighed(problem) if one_objective(handed) else front
    twin = problem.with_goals(goal, front=front)

    def given() -> Algorithm:
        fresh = copy.deepcopy(engine) if isinstance(engine, Algorithm) else engine(twin)
        check_engine(fresh, twin)
        return fresh

    given()
    return twin, given


def _file(folder: Path, name: str, seed: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{file_name(name)}-{seed}.sqlite"


def file_name(method: str) -> str:
    """A method's name as a part of a path."""
    return re.sub(r"[^\w.+=@,-]+", "-", method)


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
    try:
        with display.phase(f"{name} {seed}") as update:
            reporter = SearchReporter(problem, update)
            found = search(
                problem, algorithm, budget, seed=seed, store=store, on_generation=reporter
            )
        last = found.last
        columns = Front.from_found(problem, found).finish(images=images).columns
    except NothingFoundError as error:
        display.console.print(f"{name} {seed}: {error}", highlight=False, markup=False)
    return recorded_trial(
        store,
        columns,
        method=name,
        seed=seed,
        generations=None if last is None else last.generation,
        evaluations=None if last is None else last.evaluated,
        goal=objectives_text(problem.goals.objectives),
    )


def recorded_trial(
    store: Store,
    columns: Mapping[str, Values],
    *,
    method: str,
    seed: int,
    generations: int | None,
    evaluations: int | None,
    goal: str,
    origin: str = "",
) -> Trial:
    """A search as its store has it, however often it was interrupted.

    Args:
        store: Its evaluations.
        columns: Of its front; none where it found nothing.
        method: What it is called.
        seed: The engine's.
        generations: How many it took, where the store may have more; None is all.
        evaluations: How many candidates it asked for; None counts what the store has.
        goal: What it minimised, in words.
        origin: Where its numbers are from.
    """
    asked = [row for row in store.history() if generations is None or row[1] <= generations]
    history = {name: column[: len(asked)] for name, column in store.evaluations().items()}
    candidates = [(images, digest) for _, _, images, digest in asked]
    return Trial(
        method=method,
        seed=seed,
        columns=columns,
        history=history if _is_exact(history, columns, asked) else None,
        evaluations=len(asked) if evaluations is None else evaluations,
        known=len(candidates) - len(set(candidates)),
        seconds=store.elapsed(asked[-1][1]) or 0.0,
        goal=goal,
        origin=origin,
    )


def _is_exact(
    history: Mapping[str, Values],
    columns: Mapping[str, Values],
    asked: Sequence[tuple[int, int, str, bytes]],
) -> bool:
    """Whether a front's numbers are those of its search, which all are of the same images."""
    if len({images for _, _, images, _ in asked}) > 1:
        return False
    if "evaluation" not in columns:  # nothing was found, or the run is older than this column
        return True
    rows = columns["evaluation"].astype(np.int64)
    measured = history.keys() & columns.keys()
    return all(np.array_equal(history[name][rows], columns[name]) for name in measured)
