"""A comparison's pictures, as PNG and SVG."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pymoo_prune import plots
from pymoo_prune.comparing.comparison import Comparison
from pymoo_prune.comparing.files import (
    ATTAINMENT_PICTURE,
    CURVES_PICTURE,
    FRONTS_PICTURE,
    PARALLEL_PICTURE,
)
from pymoo_prune.files import writing
from pymoo_prune.objectives import Series, Values
from pymoo_prune.runs import PICTURE_ENDINGS


def draw(
    comparison: Comparison, folder: Path, *, title: str, published: Sequence[Series] = ()
) -> list[str]:
    """Draws every picture for which there are numbers.

    Args:
        comparison: The numbers.
        folder: The pictures' folder; files of these names are replaced.
        title: The title of each picture.
        published: Results that papers report, drawn beside the fronts.

    Returns:
        The names of the pictures, without endings.
    """
    names, quantities = comparison.goals.names, comparison.quantities
    pictures: dict[str, Callable[[Path], object]] = {
        FRONTS_PICTURE: lambda path: plots.draw_front(
            path,
            shown_fronts(comparison),
            comparison.goals,
            quantities,
            title=title,
            published=published,
        )
    }
    curves = _curves(comparison)
    if any(curves.values()):
        pictures[CURVES_PICTURE] = lambda path: plots.draw_hypervolumes(path, curves, title=title)
    if len(names) == 2:
        x, y = sorted(names, key=lambda name: "accuracy" in name)
        sets = _sets(comparison)
        pictures[ATTAINMENT_PICTURE] = lambda path: plots.draw_attainment(
            path, sets, x, y, quantities, title=title
        )
    elif len(names) > 2:
        best = Series("the best of all runs", comparison.front)
        pictures[PARALLEL_PICTURE] = lambda path: plots.draw_parallel(
            path, best, names, quantities, title=title
        )
    for name, drawn in pictures.items():
        for ending in PICTURE_ENDINGS:
            with writing(folder / f"{name}{ending}") as path:
                drawn(path)
    return list(pictures)


def shown_fronts(comparison: Comparison) -> list[Series]:
    """One front a method, that of its median run, and the baselines.

    Where that run found nothing the front is empty, and other methods keep their colours.
    """
    fronts = []
    for method in comparison.methods:
        runs = sum(trial.method == method for trial in comparison.trials)
        name = f"{method}, median of {runs} runs" if runs > 1 else method
        fronts.append(Series(name, dict(comparison.median_trial(method).columns)))
    return [*fronts, *comparison.others]


def _curves(comparison: Comparison) -> dict[str, list[plots.Curve]]:
    """Hypervolumes over the evaluations, by method; none where it measured approximately."""
    found: dict[str, list[plots.Curve]] = {method: [] for method in comparison.methods}
    for trial in comparison.trials:
        if (curve := comparison.curve(trial)) is not None:
            found[trial.method].append(plots.Curve(*curve))
    return found


def _sets(comparison: Comparison) -> dict[str, list[Mapping[str, Values]]]:
    """Fronts of all runs that found something, by method."""
    found: dict[str, list[Mapping[str, Values]]] = {method: [] for method in comparison.methods}
    for trial in comparison.trials:
        if len(trial):
            found[trial.method].append(trial.columns)
    return found
