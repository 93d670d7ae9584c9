"""A study's pictures, for a screen or a paper."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pymoo_prune import plots
from pymoo_prune.comparing import file_name
from pymoo_prune.files import writing
from pymoo_prune.objectives import Values, nondominated
from pymoo_prune.plots import SCREEN, FigureStyle, Profile
from pymoo_prune.standings.attainments import Differing
from pymoo_prune.standings.over_time import OverTime, budget
from pymoo_prune.standings.standings import Standings
from pymoo_prune.standings.tasks import Course, Task

RANKS_PICTURE, REACHED_PICTURE = "ranks", "targets-reached"
DIFFERENCE_PICTURE = "difference-{}"
MOST_DIFFERENCES = 6
"""Problems whose differences are drawn: those where two methods differ most."""
CHECKPOINTS, FEW_CHECKPOINTS = 120, 40
"""Points of a curve of a problem, with at most two objectives and with more: these take longer."""
EARLY = 0.1
"""Lines may enter a picture of a problem from below before this part of the budget."""
UNIT = "{} (unit cost)"


@dataclass(frozen=True)
class Picture:
    """A picture that was written.

    Attributes:
        name: The names of its files, without endings.
        text: What it shows.
    """

    name: str
    text: str


def draw(
    standings: Standings,
    differing: Sequence[Differing],
    folder: Path,
    *,
    title: str,
    style: FigureStyle = SCREEN,
    log: bool = True,
) -> list[Picture]:
    """Draws every picture of a study for which there are numbers.

    Args:
        standings: The study.
        differing: Problems on which two methods are compared, the most different first.
        folder: The pictures' folder; files of these names are replaced.
        title: The title of each picture.
        style: The sizes, for a screen or a paper.
        log: Whether evaluations are on a logarithmic axis.
    """
    found: list[tuple[Picture, Callable[[Path], object]]] = []
    if (ranks := standings.ranks) is not None:
        picture = Picture(RANKS_PICTURE, "Mean ranks, and bars over methods not shown to differ")
        found.append((picture, lambda path: plots.draw_ranks(
            path, ranks.mean, critical=ranks.critical, groups=ranks.groups, title=title,
            style=style,
        )))  # fmt: skip
    if (one := standings.over_time).tasks:
        picture = Picture(REACHED_PICTURE, "The share of targets reached over the evaluations")
        found.append(
            (picture, lambda path: draw_reached(path, one, log=log, title=title, style=style))
        )
    for each in differing[:MOST_DIFFERENCES]:
        text = f"Where methods differ on {each.task.name}"
        picture = Picture(DIFFERENCE_PICTURE.format(file_name(each.task.name)), text)
        found.append((picture, lambda path, each=each: _draw_difference(  # type: ignore[misc]
            path, each, standings, style
        )))  # fmt: skip
    for picture, drawn in found:
        for ending in style.endings:
            with writing(folder / f"{picture.name}{ending}") as path:
                drawn(path)
    return [picture for picture, _ in found]


def draw_reached(
    path: Path | str | None,
    over_time: OverTime,
    *,
    log: bool = True,
    title: str = "",
    style: FigureStyle = SCREEN,
) -> object:
    """Draws the share of targets that is reached over the evaluations.

    Args:
        path: PNG, SVG or PDF file; None writes none.
        over_time: The courses.
        log: Whether the evaluations are on a logarithmic axis.
        title: The title above the picture.
        style: The sizes, for a screen or a paper.
    """
    profiles = {method: Profile(*over_time.reached(method)) for method in over_time.methods}
    return plots.draw_profiles(
        path,
        profiles,
        label="share of targets reached",
        end=float(max(budget(task) for task in over_time.tasks)),
        bottom=0.0,
        log=log,
        title=title,
        style=style,
    )


def _draw_difference(
    path: Path, each: Differing, standings: Standings, style: FigureStyle
) -> object:
    assert standings.pair is not None  # noqa: S101 - it has two methods on this problem
    first, second = standings.pair
    return plots.draw_difference(
        path,
        each.difference,
        (first, second),
        (UNIT.format(each.task.objectives[0]), UNIT.format(each.task.objectives[1])),
        places=(standings.methods.index(first), standings.methods.index(second)),
        title=each.task.name,
        style=style,
    )


# One problem.


def draw_fronts(path: Path, task: Task, methods: Sequence[str], style: FigureStyle) -> bool:
    """Draws the fronts of median runs beside the known one.

    Args:
        path: The file.
        task: The problem.
        methods: The methods of the study, which decide the colours.
        style: The sizes.

    Returns:
        Whether there was something to draw: two objectives or more, and costs of a run.
    """
    fronts = {method: _front(task, method) for method in methods}
    if len(task.objectives) < 2 or not any(len(points) for points in fronts.values()):
        return False
    plots.draw_costs(
        path,
        fronts,
        [UNIT.format(name) for name in task.objectives],
        known=_inside(task.front),
        known_label="known front" if task.known else "best of all runs",
        title=task.name,
        style=style,
    )
    return True


def _front(task: Task, method: str) -> Values:
    """The front of a method's median run within the reference; empty where it is not known."""
    course = median_course(task, method)
    if course is None or course.costs is None:
        return np.empty((0, len(task.objectives)))
    inside = _inside(course.costs)
    found: Values = inside[nondominated(inside)]
    return found


def _inside(costs: Values) -> Values:
    """The points that are better than the reference point in every cost."""
    found: Values = costs[(costs < 1).all(axis=1)]
    return found


def median_course(task: Task, method: str) -> Course | None:
    """The run with the median figure, which is shown for all runs; None where there is none."""
    courses = task.of(method)
    if not courses:
        return None
    order = np.argsort(task.values(method), kind="stable")
    return courses[int(order[(len(courses) - 1) // 2])]


def draw_course(
    path: Path, task: Task, over_time: OverTime, methods: Sequence[str], style: FigureStyle
) -> bool:
    """Draws the hypervolume over the evaluations: the median, and a band between quartiles.

    Args:
        path: The file.
        task: The problem.
        over_time: Knows the courses of its runs.
        methods: The methods of the study, which decide the colours.
        style: The sizes.

    Returns:
        Whether there was something to draw.
    """
    if task.best <= 0:
        return False
    end = budget(task)
    count = CHECKPOINTS if len(task.objectives) <= 2 else FEW_CHECKPOINTS
    evaluations = np.unique(np.linspace(1, end, count).round())
    profiles = {method: _quartiles(task, method, over_time, evaluations) for method in methods}
    known = [one for one in profiles.values() if len(one.values)]
    if not known:
        return False
    late = [one.values[one.evaluations >= EARLY * end].min(initial=np.inf) for one in known]
    plots.draw_profiles(
        path,
        profiles,
        label=f"hypervolume, share of {'the known front' if task.known else 'all runs together'}",
        end=float(end),
        low=None,
        bottom=float(min(late)) if np.isfinite(min(late)) else None,
        log=False,
        key=[("line", "median of the runs"), ("band", "quartiles")],
        title=task.name,
        style=style,
    )
    return True


def _quartiles(task: Task, method: str, over_time: OverTime, evaluations: Values) -> Profile:
    """The median and the quartiles of a method's runs; empty where only their ends compare."""
    courses = task.of(method)
    if not courses or any(course.costs is None for course in courses):
        return Profile(np.empty(0), np.empty(0))
    shares = over_time.shares_at(task, method, evaluations / budget(task))
    low, median, high = np.percentile(shares, [25, 50, 75], axis=0)
    return Profile(evaluations, median, low, high)
