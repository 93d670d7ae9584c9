"""Is the search worth it? Filters of a SimpleCNN, against what a user would do instead.

NSGA-II over accuracy and MACs, against random search, L1 pruning in two ways and torch-pruning's
global group importance, three seeds. All networks are distilled alike in the end, from as many
images, and only then tested. Hypervolumes are of (MACs, test error) and of (parameters, test
error), relative to the teacher, up to (1, 1).

Target: above 1

Found at 924f425: a tie with the better of L1 pruning and torch-pruning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from itertools import product
from multiprocessing import get_context
from statistics import mean
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.distilled_filters.setting import (
    data,
    problem,
    spread_over,
    teacher,
    teacher_accuracy,
    torch_pruned,
)
from benchmarks.harness import Outcome, spread
from pymoo_prune import Front
from pymoo_prune.engines import make_algorithm
from pymoo_prune.measuring import accuracy, count_macs, count_parameters
from pymoo_prune.objectives import Values, hypervolume
from pymoo_prune.search import Budget, search
from pymoo_prune_problems import DistilledFilters

SEEDS = (0, 1, 2)
POPULATION, GENERATIONS, FINISH, NETWORKS = 24, 14, 50_000, 8
RECOVERY = "refit+batch-norm+steps:20"
SEARCHED, RANDOM = "NSGA-II", "random search"
UNIFORM, OVERALL = "L1 norm, all layers alike", "L1 norm, whole network"
TORCH_PRUNING = "torch-pruning, global group importance"
METHODS = (SEARCHED, RANDOM, UNIFORM, OVERALL, TORCH_PRUNING)
AXES = ("macs", "parameters")
SMALLEST = 0.02
"""Share of the teacher's MACs where a logarithmic scale begins."""
RATIOS = np.array([0.1, 0.25, 0.4, 0.5, 0.6, 0.68, 0.75, 0.8])
"""Shares of channels that torch-pruning removes: most of the MACs stay, to a hundredth."""


def run(quick: bool) -> Outcome:
    """The figure is our hypervolume over that of the better baseline."""
    seeds = SEEDS[:1] if quick else SEEDS
    assert teacher()  # trained before the processes start
    rows: dict[str, list[dict[str, Any]]] = {method: [] for method in METHODS}
    # Searches take longest and come first.
    jobs = [(method, seed, quick) for method, seed in product(METHODS, seeds)]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for (method, seed, _), found in zip(
            jobs, pool.map(one, *zip(*jobs, strict=True)), strict=True
        ):
            rows[method].append(found)
            print(f"{method}, seed {seed}: {volume(found, 'macs'):.4f}", flush=True)
    return outcome(rows)


def outcome(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> Outcome:
    """The tables and the record, from each method's networks."""
    volumes = {
        method: {axis: [volume(one, axis) for one in found] for axis in AXES}
        for method, found in rows.items()
    }
    logarithmic = {
        method: [volume(one, "macs", logarithmic=True) for one in found]
        for method, found in rows.items()
    }
    better = max(mean(volumes[method]["macs"]) for method in (UNIFORM, OVERALL, TORCH_PRUNING))
    head = ("method", "(MACs, error)", "(parameters, error)", "(log MACs, error)")
    table = [
        (
            method,
            *(spread(volumes[method][axis]) for axis in AXES),
            spread(logarithmic[method]),
        )
        for method in rows
    ]
    return Outcome(
        mean(volumes[SEARCHED]["macs"]) / better,
        "times the hypervolume (MACs, test error) of the better baseline",
        [
            (
                f"hypervolume on test, {len(rows[SEARCHED])} seeds, {FINISH:,} images each",
                head,
                table,
            ),
            *[_at_sizes(rows, axis) for axis in AXES],
        ],
        {
            "rows": rows,
            "volumes": volumes,
            "volumes_of_log_macs": logarithmic,
            "teacher_test_accuracy": teacher_accuracy(),
            "population": POPULATION,
            "generations": GENERATIONS,
            "finish_images": FINISH,
            "recovery": RECOVERY,
            "threads": "two processes of one",
        },
    )


@cache
def here(seed: int) -> DistilledFilters:
    return problem(recovery=RECOVERY, objectives=("accuracy", "macs"), seed=seed)


def one(method: str, seed: int, quick: bool) -> dict[str, Any]:
    """A method's networks, finished and tested."""
    torch.set_num_threads(1)
    generations = 3 if quick else GENERATIONS
    count, images = (3, 5_000) if quick else (NETWORKS, FINISH)
    began = perf_counter()
    networks = _networks(here(seed), method, seed, generations, count)
    seconds = perf_counter() - began
    tested = []
    for network in networks:
        finished = here(seed).finished(network, images=images, seed=seed)
        tested.append(accuracy(finished, data().test))
    columns = {
        "parameters": [
            count_parameters(network) / count_parameters(teacher()) for network in networks
        ],
        "macs": [_macs(network) / _macs(teacher()) for network in networks],
        "test_accuracy": tested,
    }
    return {"seed": seed, "seconds": round(seconds, 1), **columns}


def volume(one: Mapping[str, Any], axis: str, *, logarithmic: bool = False) -> float:
    """Hypervolume of test error and size, up to (1, 1).

    Args:
        one: A method's networks.
        axis: The size.
        logarithmic: Half the size counts as much anywhere; 0 is `SMALLEST`, which all reach.
    """
    sizes = np.array(one[axis])
    if logarithmic:
        sizes = 1 - np.log(np.maximum(sizes, SMALLEST)) / np.log(SMALLEST)
    return hypervolume(np.column_stack([sizes, 1 - np.array(one["test_accuracy"])]))


def _macs(network: nn.Module) -> int:
    return count_macs(network, data().shape)


def _networks(
    where: DistilledFilters, method: str, seed: int, generations: int, count: int
) -> Sequence[nn.Module]:
    if method == TORCH_PRUNING:
        return torch_pruned(where, RATIOS[:: max(1, len(RATIOS) // count)])
    if method in (SEARCHED, RANDOM):
        budget = Budget(evaluations=generations * POPULATION)
        name = "nsga2" if method == SEARCHED else "random"
        found = search(where, make_algorithm(name, where, POPULATION), budget, seed=seed)
        front = Front.from_candidates(where, found.X, found.measurements)
        places = spread_over(front.columns["macs"], count)
        return [front[place].network() for place in places]
    plain = where.rivals.at({"parameters": _sizes(where)})
    return plain[0 if method == UNIFORM else 1].networks[:: max(1, 8 // count)]


def _sizes(where: DistilledFilters) -> Values:
    """Parameters of eight networks from a hundredth to all of the teacher's."""
    return np.geomspace(0.01, 0.8, 8) * count_parameters(where.parent)


def _at_sizes(rows: Mapping[str, Sequence[Mapping[str, Any]]], axis: str) -> Any:
    """The best test accuracy within a budget, mean over seeds."""
    budgets = (0.02, 0.05, 0.1, 0.2, 0.4)
    table = []
    for method, runs in rows.items():
        cells = []
        for budget in budgets:
            best = [
                max(
                    (
                        a
                        for a, s in zip(one["test_accuracy"], one[axis], strict=True)
                        if s <= budget
                    ),
                    default=np.nan,
                )
                for one in runs
            ]
            cells.append("–" if np.isnan(best).any() else f"{100 * mean(best):.2f}")
        table.append((method, *cells))
    head = ("method", *(f"{100 * budget:.0f} %" for budget in budgets))
    return f"best test accuracy % within a share of the teacher's {axis}", head, table
