"""What methods reach over their evaluations: first hits of targets, and running times.

Targets are hypervolumes, as shares of a problem's best. Hansen et al., "COCO: a platform for
comparing continuous optimizers in a black-box setting", 2021, call the share of all targets that
are reached within a number of evaluations a runtime profile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pymoo_prune.errors import PruneError
from pymoo_prune.objectives import Values
from pymoo_prune.standings.progress import Progress
from pymoo_prune.standings.tasks import Course, Task

GAPS: Values = 10.0 ** (-np.arange(1, 61) / 20)
"""The gaps 1 - share of the targets: twenty a decade, from 0.89 down to 0.001."""
TABLE_GAPS = (0.1, 0.01, 0.001)
"""The gaps of tables of running times."""
BUDGETS: Mapping[str, float] = {"1/10": 1 / 10, "1/3": 1 / 3, "all": 1.0}
"""The parts of the budget at which tables show what was found by then."""
ROUNDING = 1e-9
"""A target is reached within this share of the best hypervolume: the rounding of sums."""


@dataclass(frozen=True)
class Hits:
    """The running times of a method on a problem.

    Attributes:
        first: The evaluations at which each run reached each target first, (runs, targets);
            infinite where it did not.
        lengths: The evaluations of each run, (runs,).
    """

    first: Values
    lengths: Values

    @property
    def successes(self) -> Values:
        """The number of runs that reached each target, (targets,)."""
        found: Values = np.isfinite(self.first).sum(axis=0).astype(np.float64)
        return found

    @property
    def running_times(self) -> Values:
        """The expected running time of each target, (targets,); infinite where no run reached it.

        The evaluations of all runs until they reached it, or until they ended, over the number of
        runs that reached it.
        """
        spent = np.where(np.isfinite(self.first), self.first, self.lengths[:, None]).sum(axis=0)
        with np.errstate(divide="ignore"):
            found: Values = spent / self.successes
        return found


class OverTime:
    """The courses of all runs of some problems.

    A run whose search measured approximately counts only at its end. A problem is left out where a
    method is missing, or where nothing is known of a run in costs that compare.

    Args:
        tasks: The problems.
        methods: The methods.
        gaps: The gaps 1 - share of the targets, in [0, 1).
    """

    def __init__(
        self, tasks: Sequence[Task], methods: Sequence[str], gaps: Sequence[float] | Values = GAPS
    ) -> None:
        self.methods, self.gaps = list(methods), np.asarray(gaps, dtype=np.float64)
        if not len(self.gaps) or not ((self.gaps >= 0) & (self.gaps < 1)).all():
            msg = f"gaps must be numbers from 0 to below 1, but they are {list(gaps)}"
            raise PruneError(msg)
        self.tasks = [task for task in tasks if is_timed(task, methods)]
        self._progress: dict[int, Progress] = {}
        self._hits: dict[tuple[str, str], Hits] = {}

    @property
    def shares(self) -> Values:
        """The targets, (targets,)."""
        found: Values = 1 - self.gaps
        return found

    @property
    def only_ends(self) -> list[str]:
        """Problems with runs that count only at their end."""
        return [
            task.name
            for task in self.tasks
            if any(course.costs is None for course in task.courses if course.method in self.methods)
        ]

    @property
    def other_measures(self) -> list[str]:
        """Problems whose figures are no hypervolumes of what the searches evaluated."""
        return [task.name for task in self.tasks if self._has_other_measure(task)]

    def _has_other_measure(self, task: Task) -> bool:
        for course in task.courses:
            if course.method in self.methods and (progress := self.progress(course)) is not None:
                last = np.array([progress.last, progress.last / task.best])
                if not np.isclose(course.value, last, rtol=1e-6, atol=1e-9).any():
                    return True
        return False

    def progress(self, course: Course) -> Progress | None:
        """The hypervolume of a run over its evaluations; None where only its end compares."""
        if course.costs is None:
            return None
        if id(course) not in self._progress:
            self._progress[id(course)] = Progress(course.costs, course.after)
        return self._progress[id(course)]

    def hits(self, task: Task, method: str) -> Hits:
        """First hits of the targets."""
        if (task.name, method) not in self._hits:
            self._hits[task.name, method] = self.hits_of(task, method, self.gaps)
        return self._hits[task.name, method]

    def hits_of(self, task: Task, method: str, gaps: Sequence[float] | Values) -> Hits:
        """First hits of other targets.

        Args:
            task: The problem.
            method: The method.
            gaps: The gaps 1 - share of the targets.
        """
        targets = task.best * np.maximum(1 - np.asarray(gaps) - ROUNDING, ROUNDING)
        courses = task.of(method)
        first = np.full((len(courses), len(targets)), np.inf)
        for row, course in enumerate(courses):
            progress = self.progress(course)
            if progress is not None:
                first[row] = progress.hits(targets)
            else:
                reached = course.final_share * task.best >= targets
                first[row] = np.where(reached, course.evaluations, np.inf)
        return Hits(first, np.array([course.evaluations for course in courses], dtype=np.float64))

    def reached(self, method: str) -> tuple[Values, Values]:
        """The share of all targets of all runs that is reached, over evaluations.

        Returns:
            The evaluations at which it rises, (n,), and the share from each of them on, (n,).
        """
        every = [self.hits(task, method).first.ravel() for task in self.tasks]
        hits = np.sort(np.concatenate([*every, np.empty(0)]))
        x, counts = np.unique(hits[np.isfinite(hits)], return_counts=True)
        return x, counts.cumsum() / max(len(hits), 1)

    def reached_at(self, method: str, part: float) -> float:
        """The share of all targets of all runs that is reached within a part of each budget."""
        inside = [
            (self.hits(task, method).first <= part * budget(task)).ravel() for task in self.tasks
        ]
        return float(np.concatenate(inside).mean()) if inside else np.nan

    def shares_at(self, task: Task, method: str, parts: Sequence[float] | Values) -> Values:
        """The hypervolume of each run as a share of the best, (runs, parts).

        NaN before the end of a run of which only the end compares.

        Args:
            task: The problem.
            method: The method.
            parts: Parts of the problem's budget.
        """
        evaluations = np.floor(np.asarray(parts) * budget(task) + ROUNDING)
        rows = []
        for course in task.of(method):
            progress = self.progress(course)
            if progress is not None:
                rows.append(progress.at(evaluations) / task.best)
            else:
                ended = evaluations >= course.evaluations
                rows.append(np.where(ended, course.final_share, np.nan))
        return np.array(rows).reshape(len(rows), len(evaluations))


def budget(task: Task) -> int:
    """The evaluations of the longest run on a problem."""
    return max((course.evaluations for course in task.courses), default=0)


def is_timed(task: Task, methods: Sequence[str]) -> bool:
    """Whether all methods have runs on a problem, and each run is known in costs that compare."""
    return (
        task.best > 0
        and set(methods) <= set(task.methods)
        and all(
            course.costs is not None or np.isfinite(course.final_share)
            for course in task.courses
            if course.method in methods
        )
    )
