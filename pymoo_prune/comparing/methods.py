"""Methods by name: which engine, with which surrogate, minimising what."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Self

import numpy as np
from pymoo.core.algorithm import Algorithm

from pymoo_prune.comparing.statistics import enough_seeds, least_p, pairs_of
from pymoo_prune.engines import check_engine_name, make_algorithm, one_objective
from pymoo_prune.errors import MOST, PruneError, check_whole, unknown_name
from pymoo_prune.objectives import Objectives, Scalarisation, WeightedSum, parse_objectives
from pymoo_prune.problem import PruningProblem
from pymoo_prune.surrogates import MODELS

MOST_SEEDS = 100_000
"""The most seeds of a comparison."""


@dataclass(frozen=True)
class Method:
    """A way to search, by name.

    Attributes:
        name: As it was written: "nsga2", "nsga2+rbf", "ga@accuracy=1,width=0.5", "ga@pwad".
        algorithm: The engine's name.
        surrogate: A model's name, or None.
        objectives: What it minimises, where it does not take the common objectives.
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
        """The goal of the method on a problem.

        Engines for one objective get the problem's objectives weighed into one: with the problem's
        weights, for a paper's own algorithm with the paper's, otherwise with equal ones.

        Args:
            problem: The problem, with the objectives that methods are compared over.
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
            problem: The problem, with this method's goal.
            pop_size: The engine's population.
        """
        if self.algorithm == "random":  # otherwise only the search would notice
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
    """A problem's objectives as one: its own scalarisation, or all with equal weights.

    Equal weights are for shares; counts, such as MACs, are taken as shares of the parent's.
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


def seeds_of(seeds: int | Iterable[int]) -> tuple[int, ...]:
    """The engines' seeds: a number n stands for 0 to n - 1; numpy's numbers serve as well.

    Args:
        seeds: How many, or which.
    """
    numbers: Iterable[int]
    if isinstance(seeds, Iterable) and not isinstance(seeds, str):
        numbers = islice(seeds, MOST_SEEDS + 1)
    else:
        check_whole("seeds", seeds)
        numbers = range(min(int(seeds), MOST_SEEDS + 1))
    found = list(numbers)
    for seed in found:
        check_whole("a seed", seed, least=-MOST)  # how small it may be, `check_design` says
    return tuple(map(int, found))


def check_design(methods: Sequence[str], seeds: Sequence[int]) -> None:
    """Refuses comparisons of nothing, of the same run twice, or with too many seeds."""
    if len(list(islice(seeds, MOST_SEEDS + 1))) > MOST_SEEDS:
        msg = f"a comparison has at most {MOST_SEEDS:,} seeds, but there are more"
        raise PruneError(msg)
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


def check_against(against: str | None, methods: Sequence[str]) -> str | None:
    """The method that others are tested against, or an error where it is none of the methods."""
    if against is not None and against not in methods:
        raise unknown_name("method to test against", against, methods)
    return against


def power_note(methods: Sequence[str], seeds: int, against: str | None = None) -> str | None:
    """What so few seeds cannot show, said before anything runs; None where they can.

    Args:
        methods: The methods' names.
        seeds: How many runs each method has.
        against: The method that each other one is tested against; None tests all pairs.
    """
    pairs = len(pairs_of(methods, against))
    needed = enough_seeds(pairs) if pairs else 0
    if seeds >= needed:
        return None
    least = min(least_p(seeds, seeds) * pairs, 1.0)
    tested = "1 pair" if pairs == 1 else f"{pairs} pairs"
    text = (
        f"{seeds} seeds cannot show a difference in every one of {tested} of methods: after Holm's "
        f"correction p cannot be below {least:.3f}. {needed} seeds can"
    )
    fewer = enough_seeds(len(methods) - 1)
    if against is None and fewer < needed:
        text += f"; {fewer} can where each method is tested against one alone (--against METHOD)"
    return f"{text}."


def file_name(method: str) -> str:
    """A method's name as a part of a path."""
    return re.sub(r"[^\w.+=@,-]+", "-", method)
