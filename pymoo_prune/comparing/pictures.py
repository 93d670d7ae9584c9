"""A comparison's pictures, for a screen or a paper."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from pymoo_prune import plots
from pymoo_prune.comparing.comparison import Comparison
from pymoo_prune.comparing.files import (
    ATTAINMENT_PICTURE,
    CURVES_PICTURE,
    FRONTS_PICTURE,
    PARALLEL_PICTURE,
)
from pymoo_prune.errors import PruneError, unknown_name
from pymoo_prune.files import writing
from pymoo_prune.objectives import Series, Values, judges
from pymoo_prune.plots import SCREEN, FigureStyle
from pymoo_prune.results import FIRST_POPULATION

T = TypeVar("T")


def draw(
    comparison: Comparison,
    folder: Path,
    *,
    title: str,
    published: Sequence[Series] = (),
    labels: Mapping[str, str] | None = None,
    style: FigureStyle = SCREEN,
) -> list[str]:
    """Draws every picture for which there are numbers.

    Args:
        comparison: The numbers.
        folder: The pictures' folder; files of these names are replaced.
        title: The title of each picture.
        published: Results that papers report, drawn beside the fronts.
        labels: Names of methods and baselines in pictures, by their own names.
        style: The sizes, for a screen or a paper, and the files of each picture.

    Returns:
        The names of the pictures, without endings.
    """
    names, quantities = comparison.goals.names, comparison.quantities
    labels = checked_labels(comparison, labels or {})
    pictures: dict[str, Callable[[Path], object]] = {
        FRONTS_PICTURE: lambda path: plots.draw_front(
            path,
            shown_fronts(comparison, labels),
            comparison.goals,
            quantities,
            title=title,
            published=published,
            light=first_population(comparison, labels),
            legend_title=_of_runs(comparison),
            style=style,
        )
    }
    curves = _labelled(_curves(comparison), labels)
    if any(curves.values()):
        pictures[CURVES_PICTURE] = lambda path: plots.draw_hypervolumes(
            path, curves, title=title, label=comparison.volumes.named(), style=style
        )
    if len(names) == 2:
        judging = judges(comparison.goals.quantities)
        x, y = sorted(names, key=lambda name: "accuracy" in name or name in judging)
        sets = _labelled(_sets(comparison), labels)
        pictures[ATTAINMENT_PICTURE] = lambda path: plots.draw_attainment(
            path, sets, x, y, quantities, title=title, style=style
        )
    elif len(names) > 2:
        best = Series("the best of all runs", comparison.front)
        pictures[PARALLEL_PICTURE] = lambda path: plots.draw_parallel(
            path, best, names, quantities, title=title, style=style
        )
    for name, drawn in pictures.items():
        for ending in style.endings:
            with writing(folder / f"{name}{ending}") as path:
                drawn(path)
    return list(pictures)


def checked_labels(comparison: Comparison, labels: Mapping[str, str]) -> Mapping[str, str]:
    """Labels by name, or an error where a name is none of the comparison, or two look alike."""
    names = [*comparison.methods, *(one.name for one in comparison.others)]
    for name in labels:
        if name not in names:
            raise unknown_name("method to label", name, names)
    shown = [labels.get(name, name) for name in names]
    if len(set(shown)) < len(shown):
        msg = f"labels must differ, but pictures would have the names {shown}"
        raise PruneError(msg)
    return labels


def _labelled(found: Mapping[str, T], labels: Mapping[str, str]) -> dict[str, T]:
    return {labels.get(name, name): one for name, one in found.items()}


def shown_fronts(comparison: Comparison, labels: Mapping[str, str] | None = None) -> list[Series]:
    """One front a method, that of its median run, and the baselines.

    Where that run found nothing the front is empty, and other methods keep their colours.

    Args:
        comparison: The numbers.
        labels: Names in pictures, by the methods' and baselines' own names.
    """
    fronts = {m: comparison.median_trial(m).columns for m in comparison.methods}
    others = {one.name: one.columns for one in comparison.others}
    shown = _labelled({**fronts, **others}, labels or {})
    return [Series(name, dict(columns)) for name, columns in shown.items()]


def first_population(
    comparison: Comparison, labels: Mapping[str, str] | None = None
) -> list[Series]:
    """The first population of the shown run of the method that leads, where it is known.

    Args:
        comparison: The numbers.
        labels: Names in pictures, by the methods' and baselines' own names.
    """
    leader = comparison.leader()
    if not (columns := comparison.median_trial(leader).first):
        return []
    name = (labels or {}).get(leader, leader)
    return [Series(f"{FIRST_POPULATION} of {name}", dict(columns))]


def _of_runs(comparison: Comparison) -> str:
    """Of how many runs the shown ones are the median, said once for all methods."""
    methods = [trial.method for trial in comparison.trials]
    counts = {methods.count(method) for method in comparison.methods}
    if counts == {1}:
        return ""
    return f"methods: median of {f'{counts.pop()} runs' if len(counts) == 1 else 'their runs'}"


def _curves(comparison: Comparison) -> dict[str, list[plots.Curve]]:
    """Hypervolumes over the evaluations, by method; none where it measured approximately."""
    found: dict[str, list[plots.Curve]] = {method: [] for method in comparison.methods}
    for trial in comparison.trials:
        if (curve := comparison.curve(trial)) is not None:
            found[trial.method].append(plots.Curve(*curve))
    return found


def _sets(comparison: Comparison) -> dict[str, list[Mapping[str, Values]]]:
    """Fronts of all runs, by method; a run that found nothing has no columns."""
    found: dict[str, list[Mapping[str, Values]]] = {method: [] for method in comparison.methods}
    for trial in comparison.trials:
        found[trial.method].append(trial.columns)
    return found
