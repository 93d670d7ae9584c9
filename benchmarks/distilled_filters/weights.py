"""Weights or filters? One ResNet-20 at half of its MACs, and what is lost after an epoch.

ResNet-20 on FashionMNIST. Filters: walks by divergence below half of the MACs, L1 pruning in all
layers alike, and the filters with the least loss for their MACs. Weights: walks of the layer vector
by divergence, once below half of the MACs and once below the parameters that the searched filters
keep; multiplications by zero are not counted. All networks have refit and batch norms in the
search, and are distilled alike for an epoch; pruned weights stay zero. Latencies are of batches of
64 images on one thread, in turns. Rows are seeds: `--only 0`. A benchmark that was stopped goes on.
The time is that of the searches and rivals, without distillation.

Target: filters lose at most 1 point
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from functools import cache, partial
from statistics import mean
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.harness import Outcome, spread
from benchmarks.kept import Parts
from benchmarks.layer_vector.setting import data, parent, parent_accuracy
from benchmarks.rows import shown
from pymoo_prune import Front
from pymoo_prune.engines import level_walks
from pymoo_prune.measuring import accuracy, count_parameters, count_work, latencies
from pymoo_prune.problem import PruningProblem
from pymoo_prune.search import Budget, search
from pymoo_prune.training import Distillation
from pymoo_prune_problems import DistilledFilters, LayerVector

ROWS = ("0", "1", "2")
"""Seeds."""
HALF, EPOCH = 0.5, 50_000
FILTER_EVALUATIONS, WEIGHT_EVALUATIONS, CHILDREN = 240, 800, 16
QUICK_EVALUATIONS = 32
SEARCH_IMAGES = 500
FILTERS = "filters, searched"
UNIFORM, LEAST = "L1 pruning, all layers alike", "least loss for its MACs, best of 3"
SAME_MACS, SAME_PARAMETERS = "weights, as many MACs", "weights, as many parameters"
METHODS = (FILTERS, UNIFORM, LEAST, SAME_MACS, SAME_PARAMETERS)
PARTS = Parts("resnet-filters")
Row = dict[str, Any]


def run(quick: bool, wanted: Sequence[str] = ROWS) -> Outcome:
    """The figure is what the searched filters lose, in points of test accuracy."""
    torch.set_num_threads(1)
    seeds = [int(row) for row in (ROWS[:1] if quick else shown(ROWS, wanted, seed_is_done))]
    rows: dict[str, list[Row]] = {method: [] for method in METHODS}
    for seed in seeds:
        found = _Seed(seed, quick)
        for method in METHODS:
            rows[method].append(found.row(method))
            print(f"{method}, seed {seed}: {rows[method][-1]}", flush=True)
    timed = _latencies(quick) if quick else PARTS.of("latencies", lambda: _latencies(quick))
    if len(seeds) == len(ROWS):
        PARTS.forget()
    return outcome(rows, timed)


def seed_is_done(seed: str) -> bool:
    """Whether all methods of a seed are done."""
    return all(PARTS.has(f"{one}-{seed}") for one in METHODS)


class _Seed:
    """The networks of one seed, each from before or made now."""

    def __init__(self, seed: int, quick: bool) -> None:
        self.seed, self.quick = seed, quick
        self.rows: dict[str, Row] = {}

    def row(self, method: str) -> Row:
        """A method's numbers."""
        if method not in self.rows:
            make = partial(self._made, method)
            self.rows[method] = make() if self.quick else PARTS.of(f"{method}-{self.seed}", make)
        return self.rows[method]

    def _made(self, method: str) -> Row:
        began = perf_counter()
        network = self.network(method)
        seconds = perf_counter() - began
        images = 1_000 if self.quick else EPOCH
        distilled = teaching().distilled(
            network, images=images, recipe=DistilledFilters.LEARNING, seed=self.seed,
            keep_zeros=method in (SAME_MACS, SAME_PARAMETERS),
        )  # fmt: skip
        return {
            **left(network),
            "before": accuracy(network, data().test),
            "after": accuracy(distilled, data().test),
            "seconds": round(seconds, 1),
        }

    def network(self, method: str) -> nn.Module:
        """A method's network, after the search's recovery."""
        if method == FILTERS:
            where = filters_of(self.seed)
            return self._walked(where, QUICK_EVALUATIONS if self.quick else FILTER_EVALUATIONS)
        if method in (UNIFORM, LEAST):
            where = filters_of(self.seed)
            found = where.rivals.at({"macs": np.array([HALF * where.filters.all_macs])})
            return next(one for one in found if one.name == method).networks[0]
        bound = f"macs<={100 * HALF:g}%"
        if method == SAME_PARAMETERS:
            bound = f"sparsity>={1 - self.row(FILTERS)['parameters']}"
        weights = LayerVector(
            data(), parent=parent(), precision="int8", levels=64, seed=self.seed,
            search_images=search_images(), objectives=("divergence",), constraints=[bound],
        )  # fmt: skip
        return self._walked(weights, QUICK_EVALUATIONS if self.quick else WEIGHT_EVALUATIONS)

    def _walked(self, where: PruningProblem, evaluations: int) -> nn.Module:
        engine, budget = level_walks(where, CHILDREN), Budget(evaluations=evaluations)
        found = search(where, engine, budget, seed=self.seed)
        return Front.from_candidates(where, found.X, found.measurements).fittest().network()


@cache
def teaching() -> Distillation:
    """Distillation with all training images, as the problem of filters has it."""
    return Distillation(parent(), data().train)


def search_images() -> int:
    """Images that candidates are measured on; digits have fewer."""
    return min(SEARCH_IMAGES, len(data().validation))


@cache
def filters_of(seed: int) -> DistilledFilters:
    """The problem of the ResNet's filters."""
    return DistilledFilters(
        data(), parent=parent(), recovery="refit+batch-norm", seed=seed,
        search_images=search_images(), objectives=("divergence",),
        constraints=(f"macs_removed>={1 - HALF}",),
    )  # fmt: skip


@cache
def whole() -> Mapping[str, int]:
    """The parent's parameters and MACs."""
    return {
        "parameters": count_parameters(parent()),
        "macs": count_work(parent(), data().shape).macs,
    }


def left(network: nn.Module) -> dict[str, float]:
    """Shares of the parent's parameters and MACs: those of weights that are not zero."""
    work = count_work(network, data().shape)
    weights: Any = {layer.name: network.get_submodule(layer.name).weight for layer in work.layers}
    zeros = {name: int((weight == 0).sum()) for name, weight in weights.items()}
    saved = sum(zeros[layer.name] * layer.positions for layer in work.layers)
    parameters = count_parameters(network) - sum(zeros.values())
    return {
        "parameters": parameters / whole()["parameters"],
        "macs": (work.macs - saved) / whole()["macs"],
    }


def _latencies(quick: bool) -> dict[str, float]:
    """Median milliseconds of 64 images: the parent, half of its filters, half of its weights."""
    filters = filters_of(0).filters
    family = filters.uniform(np.linspace(0, 1, 200))
    half = np.abs(filters.complexity(family)[1] - HALF * filters.all_macs).argmin()
    networks: dict[str, nn.Module] = {
        "parent": parent(),
        "filters": filters.network(family[half]),
        "weights": _zeroed(parent()),
    }
    repeats = 3 if quick else 30
    found = latencies(networks, data().shape, batch_size=64, repeats=repeats)
    return {name: 1_000 * one.median for name, one in found.items()}


def _zeroed(network: nn.Module) -> nn.Module:
    """Half of all weights are zero: which ones does not matter to the clock."""
    found = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in found.parameters():
            if parameter.ndim > 1:
                parameter.mul_(parameter.abs() > parameter.abs().median())
    return found


def outcome(rows: Mapping[str, Sequence[Row]], timed: Mapping[str, float]) -> Outcome:
    """The tables and the record.

    Args:
        rows: Each method's numbers, by seed.
        timed: Milliseconds.
    """
    accurate = parent_accuracy()
    lost = {
        method: [100 * (accurate - one["after"]) for one in found] for method, found in rows.items()
    }
    head = ("network", "parameters %", "MACs %", "before, test", "after, test", "points lost")
    table = [
        (
            method,
            *(f"{100 * mean(one[key] for one in found):.1f}" for key in ("parameters", "macs")),
            *(spread([one[key] for one in found]) for key in ("before", "after")),
            f"{mean(lost[method]):.2f}",
        )
        for method, found in rows.items()
    ]
    seeds = len(rows[FILTERS])
    title = f"half of the MACs, seeds: {seeds}, an epoch of distillation; parent {accurate:.4f}"
    clock = [
        (name, f"{value:.1f}", f"{timed['parent'] / value:.2f}") for name, value in timed.items()
    ]
    return Outcome(
        mean(lost[FILTERS]),
        "points of test accuracy lost by filters at half of the MACs, after an epoch; weights lose "
        f"{mean(lost[SAME_MACS]):.2f} with as many MACs and {mean(lost[SAME_PARAMETERS]):.2f} with "
        "as many parameters",
        [
            (title, head, table),
            ("milliseconds of 64 images, one thread", ("network", "ms", "times faster"), clock),
        ],
        {
            "rows": rows,
            "points_lost": lost,
            "milliseconds": dict(timed),
            "parent_test_accuracy": accurate,
            "epoch": EPOCH,
            "evaluations": {"filters": FILTER_EVALUATIONS, "weights": WEIGHT_EVALUATIONS},
            "search_images": SEARCH_IMAGES,
            "threads": 1,
        },
        sum(one["seconds"] for found in rows.values() for one in found),
    )
