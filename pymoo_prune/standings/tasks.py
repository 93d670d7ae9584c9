"""What a study knows of one problem: the course of every run, in costs that compare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pymoo_prune.objectives import Values

PROBLEMS_FOLDER = "problems"
"""The folder with a folder for each problem, in that of a study."""


@dataclass(frozen=True)
class Course:
    """What one run of one method found, and when.

    Attributes:
        method: The method's name.
        seed: The engine's seed.
        after: Numbers of evaluations, from 1 on and increasing, (n,). Results from elsewhere may
            leave some out; where `costs` is None it is empty.
        costs: Unit costs of what was evaluated then, (n, objectives): 0 is the best of an axis, 1
            the reference point; rows are NaN where a candidate failed or broke a constraint. None
            where the search measured approximately, so that only its end compares.
        value: The figure of the run, which tables and ranks are about; higher is better. 0 where
            it found nothing.
        evaluations: How many candidates it asked for.
        outside: Whether it was made elsewhere and only read here.
        origin: The file or folder that its numbers are from.
        seconds: Working time; NaN where it is not known.
        final_share: The hypervolume in the end as a share of `Task.best`. It is read where `costs`
            is None; NaN where that is not known either.
    """

    method: str
    seed: int
    after: NDArray[np.int64]
    costs: Values | None
    value: float
    evaluations: int
    outside: bool = False
    origin: str = ""
    seconds: float = float("nan")
    final_share: float = float("nan")


@dataclass(frozen=True)
class Task:
    """One problem of a study.

    Attributes:
        name: The problem's name in the study.
        objectives: The names of the axes of `Course.costs`.
        measure: What `Course.value` is, in words for captions, such as "hypervolume as a share of
            the known front's".
        best: The hypervolume in unit costs that targets are shares of.
        known: Whether `best` is that of a known front, and not that of the best of these runs.
        courses: All runs, a method's together, in the order of the methods.
        missing: Methods that have no results here, and why.
        page: The page of this problem alone, relative to the study's folder; empty for none.
        front: The known front, or the best of all runs, in unit costs, (n, objectives).
    """

    name: str
    objectives: tuple[str, ...]
    measure: str
    best: float
    known: bool
    courses: tuple[Course, ...]
    front: Values
    missing: Mapping[str, str] = field(default_factory=dict)
    page: str = ""

    @property
    def methods(self) -> list[str]:
        """The methods that have results here."""
        return list(dict.fromkeys(course.method for course in self.courses))

    def of(self, method: str) -> list[Course]:
        """A method's runs."""
        return [course for course in self.courses if course.method == method]

    def values(self, method: str) -> Values:
        """The figures of a method's runs, (runs,)."""
        return np.array([course.value for course in self.of(method)])
