"""Methods that find small networks, and what is measured of these: for searches beside rivals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import Any

import numpy as np
from pymoo.core.algorithm import Algorithm
from scipy.stats import t as student
from torch import nn

from pymoo_prune import Front
from pymoo_prune.measuring import accuracy, count_macs, count_parameters
from pymoo_prune.objectives import hypervolume
from pymoo_prune.search import Budget, search
from pymoo_prune_problems import DistilledFilters

Row = Mapping[str, Any]


def searched(
    where: DistilledFilters, engine: Algorithm, budget: Budget, seed: int, sizes: Any
) -> Sequence[nn.Module]:
    """The networks of a search's front that are nearest to some sizes.

    Args:
        where: The problem.
        engine: The engine.
        budget: What it may spend.
        seed: The engine's seed.
        sizes: Shares of the parent's MACs.
    """
    found = search(where, engine, budget, seed=seed)
    front = Front.from_candidates(where, found.X, found.measurements)
    logarithms = np.log(front.columns["macs"] / where.filters.all_macs)
    places = np.unique(np.abs(logarithms - np.log(np.asarray(sizes))[:, None]).argmin(axis=1))
    return [front[place].network() for place in places.tolist()]


def finished(
    where: DistilledFilters, networks: Sequence[nn.Module], images: int, seed: int
) -> dict[str, list[float]]:
    """Sizes as shares of the parent's, and test accuracies before and after distillation.

    Args:
        where: The problem.
        networks: Networks after the search's recovery.
        images: Images of the distillation.
        seed: The seed of their order.
    """
    data, parent = where.data_set, where.parent
    whole = count_parameters(parent), count_macs(parent, data.shape)
    before = [accuracy(network, data.test) for network in networks]
    tested = [
        accuracy(where.finished(network, images=images, seed=seed), data.test)
        for network in networks
    ]
    return {
        "parameters": [count_parameters(network) / whole[0] for network in networks],
        "macs": [count_macs(network, data.shape) / whole[1] for network in networks],
        "test_accuracy": tested,
        "before_distillation": before,
    }


def volume(one: Row, axis: str, smallest: float | None = None) -> float:
    """Hypervolume of test error and size, up to (1, 1).

    Args:
        one: A method's networks.
        axis: The size.
        smallest: A share that all reach: 0 of a logarithmic axis, on which half the size counts as
            much anywhere; None for a linear one.
    """
    sizes = np.array(one[axis])
    if smallest is not None:
        sizes = 1 - np.log(np.maximum(sizes, smallest)) / np.log(smallest)
    return hypervolume(np.column_stack([sizes, 1 - np.array(one["test_accuracy"])]))


def best_within(one: Row, axis: str, share: float) -> float:
    """The best test accuracy within a share of the parent's size; NaN if nothing is so small."""
    fits = [
        accuracy
        for accuracy, size in zip(one["test_accuracy"], one[axis], strict=True)
        if size <= share
    ]
    return max(fits, default=float("nan"))


def at_sizes(
    rows: Mapping[str, Sequence[Row]], axis: str, shares: Sequence[float]
) -> tuple[str, Sequence[str], Sequence[Sequence[str]]]:
    """A table of the best test accuracy within shares of the teacher's size, means over seeds."""
    table = []
    for method, runs in rows.items():
        best = [[best_within(one, axis, share) for one in runs] for share in shares]
        cells = ["–" if np.isnan(found).any() else f"{100 * mean(found):.2f}" for found in best]
        table.append((method, *cells))
    head = ("method", *(f"{100 * share:.0f} %" for share in shares))
    return f"best test accuracy % within a share of the teacher's {axis}", head, table


def interval(ratios: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of a mean by Student's t; NaN for a single number."""
    if len(ratios) < 2:
        return float("nan"), float("nan")
    reach = student.ppf(0.975, len(ratios) - 1) * stdev(ratios) / len(ratios) ** 0.5
    return mean(ratios) - float(reach), mean(ratios) + float(reach)
