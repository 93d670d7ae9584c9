"""What is each repair worth, and what does it cost? Candidates of one size, after each rung.

All 36 of them have lost about 85 % of the teacher's parameters: between networks of one size, what
is left to tell apart is which filters went. Their accuracies after each of eight rungs, on the
search images, are compared with those after an epoch of distillation (50,000 images), on all
validation images. Two seeds of that epoch say how well anything can agree with it.

Target: none; the two seeds' τ stands beside it

Found at 27f9147: refit alone has a τ of .68, 20 steps alone .39, the two seeds .81.
"""

from __future__ import annotations

import copy
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from time import process_time
from typing import Any

import numpy as np
import torch
from scipy.stats import kendalltau

from benchmarks.distilled_filters.setting import data, problem, teacher
from benchmarks.harness import Outcome
from pymoo_prune.chromosomes import Array
from pymoo_prune.measuring import accuracy
from pymoo_prune.recovery import Recovery
from pymoo_prune_problems import DistilledFilters

RUNGS = (
    "none",
    "batch-norm",
    "refit",
    "refit+batch-norm",
    "steps:20",
    "batch-norm+steps:20",
    "refit+batch-norm+steps:20",
    "refit+batch-norm+steps:100",
)
DEFAULT = "refit+batch-norm+steps:20"
CANDIDATES, FINISH = 36, 50_000
SIZES = (0.13, 0.17)


def run(quick: bool) -> Outcome:
    """The figure is how well the default rung orders candidates."""
    assert teacher()  # trained before the processes start
    X = candidates(6 if quick else CANDIDATES)
    images = 5_000 if quick else FINISH
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        found = []
        for place, one in enumerate(pool.map(measured, X, [images] * len(X))):
            found.append(one)
            print(f"{place + 1} of {len(X)}", flush=True)
    final = np.array([one["final"] for one in found])
    ceiling = float(kendalltau(final[:, 0], final[:, 1]).statistic)
    rows, details = [], {}
    for rung in RUNGS:
        after = np.array([one["rungs"][rung]["accuracy"] for one in found])
        seconds = float(np.median([one["rungs"][rung]["seconds"] for one in found]))
        agreement = float(kendalltau(after, final.mean(axis=1)).statistic)
        details[rung] = {"mean": after.mean(), "tau": agreement, "seconds": seconds}
        rows.append(
            (
                rung,
                f"{100 * after.mean():.2f}",
                f"{100 * np.ptp(after):.1f}",
                f"{agreement:.2f}",
                f"{1e3 * seconds:.0f}",
            )
        )
    mean, width = 100 * final.mean(), 100 * np.ptp(final.mean(axis=1))
    rows.append(
        (f"{images:,} images, two seeds", f"{mean:.2f}", f"{width:.1f}", f"{ceiling:.2f}", "")
    )
    return Outcome(
        details[DEFAULT]["tau"],
        "Kendall's tau of the default rung with accuracy after an epoch, at one size",
        [
            (
                f"{len(X)} candidates of {100 * SIZES[0]:.0f} to {100 * SIZES[1]:.0f} %",
                ("recovery", "mean accuracy %", "from least to best", "tau", "ms a candidate"),
                rows,
            )
        ],
        {
            "rungs": details,
            "candidates": found,
            "ceiling": ceiling,
            "finish_images": images,
            "threads": "two processes of one; seconds of the processor",
        },
    )


def candidates(count: int) -> Array:
    """Candidates of one size and of many kinds: of first populations, and of what follows them."""
    where = here(DEFAULT)
    genes, filters = where.filters.genes, where.filters
    generator = np.random.default_rng(0)
    pools = [where.random(2_000, generator)]
    operators = where.operators()
    for _ in range(20):
        first = operators["sampling"].make(100, generator)
        pools.append(first)
        tilt = np.exp(generator.uniform(-0.5, 0.5, (100, len(genes.sizes))))
        counts = np.rint(genes.counts(first) * tilt).astype(int).clip(1, genes.sizes)
        pools.append(filters.with_branches(where.orders.latest(counts)))
    pool = np.vstack(pools)
    left = 1 - where.preview.sizes(pool)["sparsity"]
    kinds = np.repeat(np.arange(len(pools)) > 0, [len(pool) for pool in pools])
    fits = np.flatnonzero((left >= SIZES[0]) & (left <= SIZES[1]))
    # One random network to five that a user would try.
    random, tried = fits[~kinds[fits]], fits[kinds[fits]]
    few = count // 6
    chosen = [*generator.permutation(random)[:few], *generator.permutation(tried)[: count - few]]
    picked: Array = pool[np.array(chosen)]
    return picked


@cache
def here(rung: str) -> DistilledFilters:
    """A problem for each rung; statistics and the teacher's outputs are shared."""
    if rung != DEFAULT:
        whole, recovery = here(DEFAULT), Recovery.parse(rung)
        where = copy.copy(whole)
        where.recovery, where.refit = recovery, whole.refit if recovery.refit else None
        return where
    where = problem(recovery=rung)
    assert where.distillation.logits is not None  # not a candidate's own cost
    return where


def measured(x: Array, images: int) -> dict[str, Any]:
    """One candidate after each rung, and in the end."""
    torch.set_num_threads(1)
    rungs = {}
    for rung in RUNGS:
        where = here(rung)
        began = process_time()
        right = float(where.measure(x[None])["accuracy"][0])
        rungs[rung] = {"accuracy": right, "seconds": process_time() - began}
    where = here(DEFAULT)
    final = [
        accuracy(where.finished(where.network(x), images=images, seed=seed), data().validation)
        for seed in (1, 2)
    ]
    return {"rungs": rungs, "final": final, "widths": where.filters.widths(x)}
