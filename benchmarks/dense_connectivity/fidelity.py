"""How well does a cheap fitness rank networks, against an epoch of training from scratch?

Sixty random networks of a mid-size DenseNet on FashionMNIST are trained for an epoch of 10,000
images, twice with different seeds: how well one ranking predicts the other is the ceiling. Each
cheaper fitness is compared with both: fewer or smaller images, weights inherited with each
recovery, size alone. It is compared once more at equal size, because the size alone says much.
Costs are processor seconds of one thread; a parent's training, where there is one, is shared out
over 200 evaluations; the paper's search has 220.

Target: at least .8

Found at 31948e9: weights inherited from one parent, at 8 % of the epoch's cost, have a Kendall's τ
of .64, and two seeds of the epoch .58. Counting parameters gives .70 for nothing, and at equal size
no fitness says much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from statistics import mean
from time import process_time
from typing import Any

import numpy as np
import torch
from scipy.stats import kendalltau

from benchmarks.harness import Outcome
from pymoo_prune import Data, load_data
from pymoo_prune.networks import DenseNet
from pymoo_prune.objectives import Values
from pymoo_prune_problems import DenseConnectivity

SETTING = {"depth": 40, "growth": 8, "train_images": 10_000}
NETWORKS, EVALUATIONS = 60, 200  # the second is the paper's search: 20 networks, 10 generations
SCRATCH = {"weights": "scratch", "search_images": 3_000}
SEEDS = (0, 1)
PARENTS: Mapping[str, Mapping[str, Any]] = {
    "random paths, 8 epochs": {"parent_epochs": 8.0},
    "random paths, 3 epochs": {"parent_epochs": 3.0},
}
FIDELITIES: Mapping[str, Mapping[str, Any]] = {
    "a tenth of the images": {"weights": "scratch", "train_images": 1_000},
    "14×14 pixels, 4,000 images": {"weights": "scratch", "train_images": 4_000, "image_size": 14},
    "inherited, batch norm": {"recovery": "batch-norm"},
    "inherited, refit, batch norm": {"recovery": "refit+batch-norm"},
    "inherited, batch norm, 8 steps": {"recovery": "batch-norm+steps:8"},
}
Row = tuple[str, float, float, dict[str, float]]


@cache
def data() -> Data:
    return load_data("fashion-mnist")


def networks(problem: DenseConnectivity, count: int) -> Values:
    """Random networks with every share of connections, as searches over a whole front have."""
    return problem.random(count, np.random.default_rng(0))


def run(quick: bool) -> Outcome:
    """The figure is the best τ at a tenth of the cost or less, over the ceiling."""
    count = 8 if quick else NETWORKS
    setting = {**SETTING, "depth": 22, "train_images": 640} if quick else SETTING
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        # The longest come first, and each process takes the next one.
        full = {
            seed: [
                pool.submit(scratch, {**setting, **SCRATCH}, count, row, seed)
                for row in range(count)
            ]
            for seed in SEEDS
        }
        some = [pool.submit(inherited, setting, count, name) for name in PARENTS]
        plain = [
            pool.submit(fidelity, {**setting, **options}, count)
            for options in FIDELITIES.values()
            if "weights" in options
        ]
        truth = {seed: [one.result() for one in rows] for seed, rows in full.items()}
        cheap = {
            name: one.result()
            for name, one in zip(
                (n for n, o in FIDELITIES.items() if "weights" in o), plain, strict=True
            )
        }
        parents = dict(zip(PARENTS, (one.result() for one in some), strict=True))
    return outcome(truth, cheap, parents, setting)


def outcome(
    truth: Mapping[int, Sequence[tuple[float, float]]],
    cheap: Mapping[str, Mapping[str, Any]],
    parents: Mapping[str, Mapping[str, Any]],
    setting: Mapping[str, Any],
) -> Outcome:
    accuracies = [[accuracy for accuracy, _ in truth[seed]] for seed in SEEDS]
    whole = float(np.mean([seconds for rows in truth.values() for _, seconds in rows]))
    found = dict(cheap)
    for parent, one in parents.items():
        for name, heirs in one["heirs"].items():
            seconds = heirs["seconds"] + one["seconds"] / EVALUATIONS
            found[f"{name} ({parent})"] = {**heirs, "seconds": seconds}
    sizes = next(iter(parents.values()))["sizes"]
    return summary(found, sizes, accuracies, whole, setting)


def summary(
    found: Mapping[str, Mapping[str, Any]],
    sizes: Mapping[str, Sequence[float]],
    accuracies: Sequence[Sequence[float]],
    whole: float,
    setting: Mapping[str, Any],
) -> Outcome:
    """What the measurements say.

    Args:
        found: Accuracies and seconds of each fidelity.
        sizes: Parameters and MACs, which cost nothing to know.
        accuracies: After the whole epoch, by seed.
        whole: Seconds of an epoch.
        setting: The networks' setting.
    """
    # Two rankings of a few barely trained networks may contradict each other.
    ceiling = max(tau(*accuracies), 0.01)
    known = sizes["parameters"]

    def scores(values: Sequence[float]) -> dict[str, float]:
        return {
            "tau": mean(tau(values, right) for right in accuracies),
            "tau_given_size": mean(partial_tau(values, right, known) for right in accuracies),
        }

    fidelities = {
        name: {**one, "share": one["seconds"] / whole, **scores(one["accuracies"])}
        for name, one in found.items()
    }
    free = {name: scores(values) for name, values in sizes.items()}
    affordable = [one["tau"] for one in fidelities.values() if one["share"] <= 0.1]
    rows = [
        _cells("an epoch from scratch, another seed", whole, 1.0, ceiling, ceiling,
               partial_tau(accuracies[0], accuracies[1], known))
    ]  # fmt: skip
    rows += [
        _cells(name, one["seconds"], one["share"], one["tau"], ceiling, one["tau_given_size"])
        for name, one in sorted(fidelities.items(), key=lambda item: -item[1]["tau"])
    ]
    rows += [
        _cells(f"no training: {name}", 0.0, 0.0, one["tau"], ceiling, one["tau_given_size"])
        for name, one in free.items()
    ]
    title = f"{len(known)} random networks, an epoch of {setting['train_images']:,} images"
    head = ("fitness", "seconds", "cost", "Kendall's τ", "of the ceiling", "τ at equal size")
    return Outcome(
        max(affordable, default=0.0) / ceiling,
        "of the ceiling, Kendall's τ of the best fidelity at a tenth of the cost or less",
        [(title, head, rows)],
        {
            "ceiling": ceiling,
            "epoch_seconds": whole,
            "epoch_accuracies": accuracies,
            "fidelities": fidelities,
            "sizes": {name: {"values": sizes[name], **free[name]} for name in sizes},
            "setting": {**setting, **SCRATCH},
            "threads": "two processes of one",
        },
    )


def _cells(
    name: str, seconds: float, share: float, found: float, ceiling: float, given_size: float
) -> tuple[str, ...]:
    return (
        name,
        f"{seconds:.2f}",
        f"{100 * share:.1f} %",
        f"{found:.3f}",
        f"{found / ceiling:.2f}",
        "" if np.isnan(given_size) else f"{given_size:.3f}",
    )


def tau(one: Sequence[float], other: Sequence[float]) -> float:
    return float(kendalltau(one, other).statistic)


def partial_tau(one: Sequence[float], other: Sequence[float], known: Sequence[float]) -> float:
    """Kendall's partial τ: how alike two rankings are beyond what a third explains."""
    a, b, both = tau(one, known), tau(other, known), tau(one, other)
    left = (1 - a**2) * (1 - b**2)
    return (both - a * b) / left**0.5 if left > 1e-9 else float("nan")


def scratch(options: Mapping[str, Any], count: int, row: int, seed: int) -> tuple[float, float]:
    """Accuracy of one network after its epoch, and what that cost."""
    torch.set_num_threads(1)
    problem = from_scratch(tuple(options.items()), seed)
    X = networks(problem, count)[row : row + 1]
    began = process_time()
    accuracy = float(problem.measure(X)["accuracy"][0])
    return accuracy, process_time() - began


@cache
def from_scratch(options: tuple[tuple[str, Any], ...], seed: int) -> DenseConnectivity:
    given = dict(options)
    # The parent is not used here: any network of the right shape will do, and needs no training.
    parent = DenseNet.of_depth(given["depth"], given["growth"], 1, 10)
    return DenseConnectivity(data(), parent=parent, seed=seed, **given)


def fidelity(options: Mapping[str, Any], count: int) -> dict[str, Any]:
    """Accuracies of all networks under one cheap fitness, and what one of them cost."""
    torch.set_num_threads(1)
    problem = from_scratch(tuple(options.items()), 2)
    return _timed(problem, count)


def inherited(setting: Mapping[str, Any], count: int, name: str) -> dict[str, Any]:
    """A parent trained once, and the accuracies of networks that inherit its weights."""
    torch.set_num_threads(1)
    began = process_time()
    problem = DenseConnectivity(data(), seed=2, **setting, **PARENTS[name])
    seconds = process_time() - began
    heirs = {}
    for kind, options in FIDELITIES.items():
        if "weights" not in options:
            heir = DenseConnectivity(data(), seed=2, parent=problem.parent, **setting, **options)
            heirs[kind] = _timed(heir, count)
    sizes = problem.preview.sizes(networks(problem, count))
    return {
        "seconds": seconds,
        "parent_accuracy": problem.parent_accuracy,
        "heirs": heirs,
        "sizes": {name: sizes[name].tolist() for name in ("parameters", "macs")},
    }


def _timed(problem: DenseConnectivity, count: int) -> dict[str, Any]:
    X = networks(problem, count)
    began = process_time()
    accuracies = problem.measure(X)["accuracy"].tolist()
    return {"accuracies": accuracies, "seconds": (process_time() - began) / count}
