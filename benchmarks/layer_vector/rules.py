"""Do the rules help? The GA with its two runs and rules, against the same GA in one run without.

ResNet-20 on FashionMNIST, fitness PWAD on 1,000 validation images in int8, without recovery as in
the paper; three seeds. Both get the same time (200 s), at the same time, on a core each.

Target: above 1

Found at cb5c23a: rules do not help at this length.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from statistics import mean
from typing import Any

import numpy as np
import torch

from benchmarks.harness import Outcome, spread
from benchmarks.layer_vector.setting import data, parent
from pymoo_prune import PrunedWeightsPerAccuracyDrop
from pymoo_prune.measuring import accuracy
from pymoo_prune.search import Budget, search
from pymoo_prune_problems import LayerVector
from pymoo_prune_problems.layer_vector import RuleGuidedGA

SEEDS = (0, 1, 2)
SECONDS = 200.0
RECOVERIES = ("none", "batch-norm")
ARMS = {"two runs with rules": 2, "one run": 1}


def run(quick: bool) -> Outcome:
    """The figure is the ratio of PWAD, geometric mean over seeds, as the paper measures."""
    seconds = 5.0 if quick else SECONDS
    parent()
    seeds = SEEDS[:1] if quick else SEEDS
    runs: dict[str, dict[str, list[dict[str, Any]]]] = {}
    # Both arms run at the same time, a core each: other load disturbs both.
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for recovery in RECOVERIES:
            found = {arm: [] for arm in ARMS}  # type: dict[str, list[dict[str, Any]]]
            for seed in seeds:
                pending = {
                    arm: pool.submit(one_run, recovery, runs_, seed, seconds)
                    for arm, runs_ in ARMS.items()
                }
                for arm, result in pending.items():
                    found[arm].append(result.result())
            runs[recovery] = found
    ratios = {
        recovery: [a["best_pwad"] / b["best_pwad"] for a, b in zip(*found.values(), strict=True)]
        for recovery, found in runs.items()
    }
    rows = []
    for recovery, found in runs.items():
        for arm, results in found.items():
            rows.append((recovery, arm, *_cells(results)))
    head = ("recovery", "GA", "generations", "PWAD of the best", "its sparsity", "its drop, points",
            "strategy's sparsity", "its accuracy on test")  # fmt: skip
    return Outcome(
        float(np.exp(mean(np.log(ratios["none"])))),
        "times the PWAD of the same GA without rules, at equal time",
        [(f"{seconds:.0f} s each, {len(seeds)} seeds; PWAD in parameters per point", head, rows)],
        {
            "runs": runs,
            "ratios": ratios,
            "seconds_each": seconds,
            "threads": "two processes of one",
        },
    )


def one_run(recovery: str, runs: int, seed: int, seconds: float) -> dict[str, Any]:
    """One GA; its best individuals and their average, measured on all search images."""
    torch.set_num_threads(1)
    problem = LayerVector(
        data(),
        parent=parent(),
        recovery=recovery,
        precision="int8",
        objectives=PrunedWeightsPerAccuracyDrop(),
        seed=seed,
    )
    algorithm = RuleGuidedGA(problem.order, runs=runs)
    found = search(problem, algorithm, Budget(seconds=seconds), seed=seed)
    best = algorithm.best[:1]
    strategy = algorithm.rules().strategy
    values = problem.measure(strategy[None])
    sparsity, drop = (float(best.get(name)[0]) for name in ("sparsity", "accuracy_drop"))
    # A loss of 0 counts as the smallest loss that the images can show.
    least = 1 / len(problem.search_images.split)
    return {
        "seed": seed,
        "generations": found.last.generation,
        "best_pwad": sparsity * problem.order.all_parameters / (100 * max(drop, least)),
        "best_sparsity": sparsity,
        "best_drop": drop,
        "strategy_sparsity": float(values["sparsity"][0]),
        "strategy_accuracy": float(values["accuracy"][0]),
        "strategy_test": accuracy(problem.network(strategy), data().test),
    }


def _cells(results: Sequence[dict[str, Any]]) -> list[str]:
    def values(name: str, scale: float = 1.0) -> list[float]:
        return [scale * one[name] for one in results]

    return [
        f"{mean(values('generations')):.0f}",
        f"{mean(values('best_pwad')):,.0f}",
        spread(values("best_sparsity")),
        f"{mean(values('best_drop', 100)):.2f}",
        spread(values("strategy_sparsity")),
        spread(values("strategy_test")),
    ]
