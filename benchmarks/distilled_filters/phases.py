"""One phase or two? Distillation inside the search, against pruning first and distilling then.

A SimpleCNN on FashionMNIST, three seeds. Every arm ends with one network with at least 85 % fewer
parameters than the teacher, and has had as many gradient steps in all. The steps that a search does
not use, the network has in the end. The arms: with and without refit and batch norms, without
distillation, and without a search.

Target: above 0; the network within 1 point of its teacher

Found at 7d748bb: the difference is within noise. Distillation itself brings .30 points. A network
with 86.5 % fewer parameters loses .69 points.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from multiprocessing import get_context
from statistics import mean
from time import perf_counter
from typing import Any

import numpy as np
import torch

from benchmarks.distilled_filters.setting import data, problem, teacher, teacher_accuracy
from benchmarks.harness import Outcome, spread
from pymoo_prune import Front
from pymoo_prune.engines import make_algorithm
from pymoo_prune.measuring import accuracy
from pymoo_prune.recovery import Recovery
from pymoo_prune.search import Budget, search
from pymoo_prune_problems import DistilledFilters

SEEDS = (0, 1, 2)
POPULATION, EVALUATIONS, FINISH = 20, 100, 150_000
COMPRESSION = 0.85


@dataclass(frozen=True)
class Arm:
    """How a network is made.

    Attributes:
        recovery: The candidates' recovery in the search; None without a search.
        alpha: The labels' share in all distillation; 1 is no distillation.
    """

    recovery: str | None
    alpha: float = 0.5


ONE, TWO = "one phase: refit, batch norm, 20 steps each", "two phases: refit, batch norm, no steps"
ARMS = {
    ONE: Arm("refit+batch-norm+steps:20"),
    "one phase, as published: 20 steps each": Arm("steps:20"),
    TWO: Arm("refit+batch-norm"),
    "two phases, as published: nothing in the search": Arm("none"),
    "one phase without distillation": Arm("refit+batch-norm+steps:20", alpha=1.0),
    "no search: L1 norm, all layers alike": Arm(None),
}


def run(quick: bool) -> Outcome:
    """The figure is one phase's gain over two, in points of test accuracy."""
    seeds = SEEDS[:1] if quick else SEEDS
    assert teacher()  # trained before the processes start
    jobs = [(name, seed, quick) for seed, name in product(seeds, ARMS)]
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in ARMS}
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for (name, seed, _), found in zip(
            jobs, pool.map(one, *zip(*jobs, strict=True)), strict=True
        ):
            rows[name].append(found)
            print(f"{name}, seed {seed}: {found}", flush=True)
    head = ("arm", "in the search", "after it, test", "in the end, test", "compression %", "MACs %")
    table = [
        (
            name,
            *(spread([one[key] for one in found]) for key in ("searched", "before", "after")),
            f"{100 * mean(one['compression'] for one in found):.1f}",
            f"{100 * mean(one['macs'] for one in found):.1f}",
        )
        for name, found in rows.items()
    ]
    ahead = 100 * (mean(_column(rows[ONE])) - mean(_column(rows[TWO])))
    lost = 100 * (teacher_accuracy() - mean(_column(rows[ONE])))
    return Outcome(
        ahead,
        "points of test accuracy by which one phase is ahead of two",
        [
            (
                f"accuracy, {len(seeds)} seeds; one phase ends {lost:.2f} points below its teacher",
                head,
                table,
            )
        ],
        {
            "rows": rows,
            "teacher_test_accuracy": teacher_accuracy(),
            "points_lost_against_the_teacher": lost,
            "population": POPULATION,
            "evaluations": EVALUATIONS,
            "finish_images": FINISH,
            "threads": "two processes of one",
        },
    )


def _column(found: list[dict[str, Any]]) -> list[float]:
    return [one["after"] for one in found]


def one(name: str, seed: int, quick: bool) -> dict[str, Any]:
    """One arm, from one seed."""
    torch.set_num_threads(1)
    arm, evaluations = ARMS[name], 40 if quick else EVALUATIONS
    began = perf_counter()
    here = problem(
        recovery=arm.recovery or "refit+batch-norm",
        alpha=arm.alpha,
        objectives=("accuracy",),
        constraints=(f"sparsity>={COMPRESSION}",),
        seed=seed,
    )
    x = _smallest_loss(here) if arm.recovery is None else _searched(here, evaluations, seed)
    measured = {key: float(value[0]) for key, value in here.measure(x[None]).items()}
    seconds = perf_counter() - began
    network = here.network(x)
    # Every arm has as many steps as the arm whose search takes most.
    used = Recovery.parse(arm.recovery or "none").steps * evaluations
    most = max(Recovery.parse(other.recovery or "none").steps for other in ARMS.values())
    images = FINISH // (20 if quick else 1)
    images += (most * evaluations - used) * here.LEARNING.batch_size
    finished = here.finished(network, images=images, seed=seed)
    return {
        "searched": measured["accuracy"],
        "before": accuracy(network, data().test),
        "after": accuracy(finished, data().test),
        "compression": measured["sparsity"],
        "macs": 1 - measured["macs_removed"],
        "images_in_the_end": images,
        "search_seconds": round(seconds, 1),
        "widths": here.filters.widths(x),
    }


def _searched(here: DistilledFilters, evaluations: int, seed: int) -> Any:
    algorithm = make_algorithm("ga", here, POPULATION)
    found = search(here, algorithm, Budget(evaluations=evaluations), seed=seed)
    return Front.from_candidates(here, found.X, found.measurements).fittest().x


def _smallest_loss(here: DistilledFilters) -> Any:
    """The largest network by L1 norm that keeps the bound."""
    family = here.filters.uniform(np.linspace(0, 1, 400))
    fits = np.flatnonzero(here.preview.sizes(family)["sparsity"] >= COMPRESSION)
    return family[fits[here.preview.sizes(family[fits])["parameters"].argmax()]]
