"""Where two methods differ on problems with two objectives."""

from __future__ import annotations

from dataclasses import dataclass

from pymoo_prune.errors import PruneError, unknown_name
from pymoo_prune.plots import AttainmentDifference, difference_of_attainment
from pymoo_prune.standings.standings import Standings
from pymoo_prune.standings.tasks import Task


@dataclass(frozen=True)
class Differing:
    """Two methods on a problem.

    Attributes:
        task: The problem.
        difference: The first method's attainment less the second's.
    """

    task: Task
    difference: AttainmentDifference

    @property
    def areas(self) -> tuple[float, float]:
        """The weighted areas where the first is ahead, and the second, as shares of the best."""
        first, second = self.difference.areas
        return first / self.task.best, second / self.task.best

    @property
    def size(self) -> float:
        """How much they differ."""
        return sum(self.areas)


def attainment_difference(task: Task, first: str, second: str) -> AttainmentDifference:
    """The difference of two methods' empirical attainment functions, in unit costs.

    Args:
        task: A problem with two objectives.
        first: A method.
        second: Another method, which is subtracted.
    """
    for method in (first, second):
        if method not in task.methods:
            raise unknown_name(f"method of {task.name}", method, task.methods)
    if len(task.objectives) != 2:
        msg = (
            f"attainments are compared for two objectives, but {task.name} has "
            f"{len(task.objectives)}: {', '.join(task.objectives)}"
        )
        raise PruneError(msg)
    sets = []
    for method in (first, second):
        costs = [course.costs for course in task.of(method) if course.costs is not None]
        if len(costs) < len(task.of(method)):
            msg = (
                f"attainments need the costs of all runs, but those of {method} on {task.name} "
                "were measured approximately"
            )
            raise PruneError(msg)
        sets.append(costs)
    return difference_of_attainment(*sets)


def differing(standings: Standings) -> list[Differing]:
    """The pair of methods that a study shows, on every problem where that can be.

    Args:
        standings: The study.

    Returns:
        The problems with two objectives, those with the largest difference first.
    """
    if standings.pair is None:
        return []
    first, second = standings.pair
    found = [
        Differing(task, attainment_difference(task, first, second))
        for task in standings.tasks
        if can_differ(task, first, second)
    ]
    return sorted(found, key=lambda one: -one.size)


def can_differ(task: Task, first: str, second: str) -> bool:
    """Whether the attainments of two methods on a problem can be compared."""
    courses = [*task.of(first), *task.of(second)]
    return (
        len(task.objectives) == 2
        and task.best > 0
        and {first, second} <= set(task.methods)
        and all(course.costs is not None for course in courses)
    )
