"""Hypervolumes of a run's methods, and the share that the search itself adds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pymoo_prune.objectives import Goals, Quantity, Series, Values, hypervolume, without_judgements
from pymoo_prune.problem import PruningProblem
from pymoo_prune.results import Gain, Judged, final_of, stacked, there_before


def shared_axes(
    names: Sequence[str], series: Sequence[Series], quantities: Mapping[str, Quantity]
) -> list[str]:
    """The axes of hypervolumes besides the error: the objectives that all methods measure.

    Args:
        names: The objectives.
        series: The methods.
        quantities: What the search measures.
    """
    sizes = without_judgements(names, quantities)
    return [n for n in sizes if all(n in one.columns for one in series)] or ["parameters"]


@dataclass(frozen=True)
class Volumes:
    """Measures hypervolumes over (error, sizes), or (divergence, sizes) without labels.

    Attributes:
        axes: The sizes.
        quantities: Labels and units of what the search measured.
        parent: The unpruned network's measurements.
    """

    axes: Sequence[str]
    quantities: Mapping[str, Quantity]
    parent: Mapping[str, float]

    def of(self, columns: Mapping[str, Values], accuracy: str) -> float:
        """The hypervolume of some networks.

        Args:
            columns: Their measurements, (n,) each.
            accuracy: The accuracy that makes the error, or the divergence.
        """
        goals = Goals({**final_of(self.quantities), **self.quantities}, [accuracy, *self.axes])
        return float(hypervolume(goals.unit_costs(columns, self.parent)))

    def gain(self, series: Sequence[Series], accuracy: str) -> Gain:
        """What a search adds to the first population and the rivals that need no search.

        Args:
            series: The search's networks first, then those of all that it is compared with.
            accuracy: The accuracy that makes the error, or the divergence.
        """
        names = [accuracy, *self.axes]
        others = [one.columns for one in there_before(series)]
        before, together = stacked(others, names), stacked([series[0].columns, *others], names)
        return Gain(self.of(before, accuracy), self.of(together, accuracy))


def share_of(series: Sequence[Series], problem: PruningProblem) -> dict[str, Any]:
    """What a search adds, as plain values.

    Args:
        series: The search's networks first, then those of all that it is compared with.
        problem: The problem that was searched.
    """
    axes = shared_axes(problem.goals.names, series, problem.quantities)
    accuracy = Judged.of(series[0].columns).last
    volumes = Volumes(axes, problem.quantities, problem.parent_values)
    gain = volumes.gain(series, accuracy)
    return {
        "accuracy": accuracy,
        "axes": axes,
        "before": gain.before,
        "together": gain.together,
        "share": gain.share,
        "test_images": len(problem.data_set.test),
    }


def with_lower_accuracies(one: Series, accuracy: str, images: int) -> Series:
    """The same networks with accuracies that are lower by a standard error.

    Args:
        one: The networks.
        accuracy: The accuracy.
        images: How many images it was measured on.
    """
    values = one.columns[accuracy]
    error = np.sqrt(values * (1 - values) / images)
    return Series(one.name, {**one.columns, accuracy: values - error})
