"""Where methods stand over many problems: the numbers of a study's page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pymoo_prune.comparing import (
    LEVEL,
    enough_seeds,
    holm,
    least_p,
    mann_whitney,
    named_test,
    superiority,
)
from pymoo_prune.errors import PruneError, unknown_name
from pymoo_prune.objectives import Values
from pymoo_prune.standings.over_time import GAPS, OverTime
from pymoo_prune.standings.ranks import DIGITS, Ranks, tied_ranks
from pymoo_prune.standings.tasks import Task

BETTER, WORSE, SAME = "+", "−", "="
SEED = 0
"""The seed of permutations and bootstrap samples."""


@dataclass(frozen=True)
class Cell:
    """A method on a problem.

    Attributes:
        values: The figures of its runs, (runs,); empty where it is missing.
        missing: Why it is missing; empty where it has runs.
        best: Whether no method has a larger mean there.
        sign: Whether it is better or worse than the method that all are tested against, or neither
            was shown; empty where it is not tested.
        adjusted: The p of the rank-sum test after Holm's correction for the table; NaN where it is
            not tested.
    """

    values: Values
    missing: str = ""
    best: bool = False
    sign: str = ""
    adjusted: float = float("nan")

    @property
    def mean(self) -> float:
        """The mean over the runs; NaN where there are none."""
        return float(self.values.mean()) if len(self.values) else float("nan")


class Standings:
    """Methods over many problems.

    Args:
        tasks: The problems; their names differ.
        methods: The methods, in the order of the tables; None takes all of the problems' methods.
            Those without any results come last.
        against: The method that all others are tested against; where it is None, or has no results
            at all, the one with the best mean rank.
        gaps: The gaps 1 - share of the targets over time.
        seed: The seed of permutations and bootstrap samples.

    Attributes:
        ranked: The methods that have results on some problem.
        against: The method that all others are tested against.
        chosen: Whether that is the one that was asked for.
        wanted: The one that was asked for.
        over_time: The courses of all runs, on the problems that all ranked methods have.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        methods: Sequence[str] | None = None,
        against: str | None = None,
        *,
        gaps: Sequence[float] | Values = GAPS,
        seed: int = SEED,
    ) -> None:
        self.tasks = list(tasks)
        names = [method for task in tasks for method in (*task.methods, *task.missing)]
        given = list(dict.fromkeys(names if methods is None else methods))
        self.ranked = [m for m in given if any(task.of(m) for task in tasks)]
        self.methods = [*self.ranked, *(m for m in given if m not in self.ranked)]
        self._check(names)
        if against is not None and against not in self.methods:
            raise unknown_name("method to test against", against, self.methods)
        self.wanted = against
        self.chosen = against in self.ranked
        self.against = against if against in self.ranked else self.leader
        self.over_time = OverTime(self.complete, self.ranked, gaps)
        self._seed = seed

    def _check(self, known: Sequence[str]) -> None:
        if not self.ranked:
            msg = "a study needs a problem and a run of a method, but there is none"
            raise PruneError(msg)
        names = [task.name for task in self.tasks]
        if len(set(names)) < len(names):
            msg = f"the names of problems must differ, but they are {names}"
            raise PruneError(msg)
        for method in self.methods:
            if method not in known:
                raise unknown_name("method", method, known)
        for task in self.tasks:
            for course in task.courses:
                if not np.isfinite(course.value):
                    msg = (
                        f"the value of {course.method} with seed {course.seed} on {task.name} must "
                        f"be a finite number, but it is {course.value}"
                    )
                    raise PruneError(msg)

    def __repr__(self) -> str:
        return f"Standings({len(self.tasks)} problems; {', '.join(self.methods)})"

    # Means.

    @cached_property
    def means(self) -> Values:
        """The mean of each method's runs on each problem, (problems, methods); NaN: no runs."""
        rows = [
            [float(v.mean()) if len(v := task.values(m)) else np.nan for m in self.methods]
            for task in self.tasks
        ]
        return np.array(rows, dtype=np.float64)

    @property
    def complete(self) -> list[Task]:
        """The problems on which all methods have runs that have any."""
        return [task for task in self.tasks if set(self.ranked) <= set(task.methods)]

    @cached_property
    def seeds(self) -> int:
        """The number of runs of a method on a problem; fewer mean that some are still to come."""
        return max((len(task.of(m)) for task in self.tasks for m in self.methods), default=0)

    @property
    def unfinished(self) -> bool:
        """Whether some method has fewer runs on a problem than others."""
        counts = {len(task.of(m)) for task in self.tasks for m in self.methods} - {0}
        return len(counts) > 1

    # The table.

    @cached_property
    def cells(self) -> dict[tuple[str, str], Cell]:
        """Every method on every problem."""
        signs = self._signs()
        found = {}
        for task, means in zip(self.tasks, np.round(self.means, DIGITS), strict=True):
            best = np.nanmax(means) if np.isfinite(means).any() else np.nan
            for method, mean in zip(self.methods, means.tolist(), strict=True):
                sign, adjusted = signs.get((task.name, method), ("", np.nan))
                found[task.name, method] = Cell(
                    values=task.values(method),
                    missing="" if np.isfinite(mean) else _reason(task, method),
                    best=bool(mean == best),
                    sign=sign,
                    adjusted=adjusted,
                )
        return found

    def _signs(self) -> dict[tuple[str, str], tuple[str, float]]:
        """The outcome of each rank-sum test, and its adjusted p."""
        pairs = self._tested
        p = holm(np.array([mann_whitney(*pair) for pair in pairs.values()]))
        signs: dict[tuple[str, str], tuple[str, float]] = {}
        for place, (mine, other) in zip(pairs, pairs.values(), strict=True):
            adjusted = float(p[len(signs)])
            sign = BETTER if superiority(mine, other) > 0.5 else WORSE
            signs[place] = (sign if adjusted <= LEVEL else SAME), adjusted
        return signs

    @property
    def _tested(self) -> dict[tuple[str, str], tuple[list[float], list[float]]]:
        """The samples of each test, the method's and those of the method it is tested against."""
        return {
            (task.name, method): (_rounded(task, method), _rounded(task, self.against))
            for task in self.tasks
            for method in self.methods
            if method != self.against and task.of(method) and task.of(self.against)
        }

    @property
    def tests(self) -> int:
        """The number of rank-sum tests, which Holm's correction is for."""
        return len(self._tested)

    @property
    def named_test(self) -> str:
        """The rank-sum test in words."""
        sizes = [len(a) + len(b) for a, b in self._tested.values()]
        return named_test(max(sizes, default=0), "rank-sum (Mann-Whitney)")

    @property
    def needed_seeds(self) -> int:
        """The number of seeds that a test of the table needs to show anything; 0: enough."""
        sizes = [(len(a), len(b)) for a, b in self._tested.values()]
        possible = holm(np.array([least_p(*size) for size in sizes]))
        return enough_seeds(self.tests) if len(possible) and possible.min() > LEVEL else 0

    def score(self, method: str) -> tuple[int, int, int]:
        """On how many problems a method is better, worse, and neither was shown."""
        signs = [self.cells[task.name, method].sign for task in self.tasks]
        return signs.count(BETTER), signs.count(WORSE), signs.count(SAME)

    # Ranks.

    @property
    def leader(self) -> str:
        """The method with the best mean rank."""
        return self.order[0]

    @cached_property
    def order(self) -> list[str]:
        """The methods by their mean ranks, the best first; of equal ones, by their means.

        Problems without some method do not count, unless no other problem is there: then a missing
        method has the last rank. Methods without any results are left out.
        """
        means = np.round(self.means[:, : len(self.ranked)], DIGITS)
        whole = np.isfinite(means).all(axis=1)
        rows = means[whole] if whole.any() else np.nan_to_num(means, nan=-np.inf)
        ranks = np.array([tied_ranks(-row) for row in rows]).mean(axis=0)
        return [self.ranked[place] for place in np.lexsort([-rows.mean(axis=0), ranks]).tolist()]

    @property
    def pair(self) -> tuple[str, str] | None:
        """The two methods whose differences are shown: the leader, and the method it is beside.

        That is the method that all are tested against, or the next one; None where there is one
        method.
        """
        if len(self.ranked) < 2:
            return None
        chosen = self.chosen and self.against != self.leader
        return self.leader, self.against if chosen else self.order[1]

    @cached_property
    def ranks(self) -> Ranks | None:
        """Ranks over the problems on which all methods have runs; None where there can be none."""
        if self.why_no_ranks:
            return None
        return Ranks(
            self.ranked,
            [task.name for task in self.complete],
            self._complete_means,
            against=self.against,
            generator=np.random.default_rng(self._seed),
        )

    @property
    def why_no_ranks(self) -> str:
        """Why there are no ranks; empty where there are."""
        if len(self.ranked) < 2:
            return f"There are no ranks: {self.ranked[0]} is the only method with results."
        if len(self.complete) < 2:
            there = "none" if not self.complete else f"only {self.complete[0].name}"
            return (
                "There are no ranks: they need two problems or more on which all methods have "
                f"results, and there is {there}."
            )
        means = np.round(self._complete_means, DIGITS)
        if (means == means[:, :1]).all():
            return "There are no ranks: all methods have the same mean on every problem."
        return ""

    @property
    def _complete_means(self) -> Values:
        means = self.means[:, : len(self.ranked)]
        found: Values = means[np.isfinite(means).all(axis=1)]
        return found


def _reason(task: Task, method: str) -> str:
    return task.missing.get(method) or "it has no results here yet"


def _rounded(task: Task, method: str) -> list[float]:
    """Figures of runs, without the differences that the order of sums makes."""
    found: list[float] = np.round(task.values(method), DIGITS).tolist()
    return found
