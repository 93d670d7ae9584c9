"""Are widths that are multiples faster? Pruned SimpleCNNs beside others with as many MACs.

Groups of filters keep multiples of 8 or of 16, or any number. At each share of the teacher's MACs
there is a pair of networks, both those that lose least for their price: the one with multiples that
is nearest to the share, and of those with other widths the one whose MACs are nearest to the first
one's. Both and the teacher are timed in turns, an image and a batch of 64 at a time. Accuracies are
those on the test images, after the cut and after the search's recovery (refit, batch norms and 20
steps). The figure is the geometric mean, over sizes and batches, of the median without multiples
over the median with multiples of 8.

Target: none; above 1 multiples are faster
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import geometric_mean
from typing import Any

import numpy as np
import torch

from benchmarks.distilled_filters.setting import data, problem, teacher, teacher_accuracy
from benchmarks.harness import Outcome
from benchmarks.quick import is_quick
from pymoo_prune.chromosomes import Array
from pymoo_prune.measuring import accuracy, latencies
from pymoo_prune_problems import DistilledFilters

STEP, COARSER = 8, 16
SHARES = (0.6, 0.4, 0.25, 0.15, 0.08)
"""Shares of the teacher's MACs."""
BATCHES, REPEATS, THREADS = (1, 64), 20 if is_quick() else 100, 1
MIXTURE = 0.25
"""What of the price is for parameters; the rest is for MACs."""
MIXTURES = np.linspace(0.15, 0.35, 9)
"""The same for any widths: enough networks for one of nearly the same MACs."""
STEPS = 2 if is_quick() else 20
PAIR = ANY, MULTIPLES = "any widths", "multiples"
TEACHER = "teacher"


def run(quick: bool) -> Outcome:
    """The figure is how many times faster multiples of 8 are, one thread."""
    torch.set_num_threads(THREADS)
    recovery = f"refit+batch-norm+steps:{STEPS}"
    free = problem(recovery=recovery)
    pairs = []
    for step in (STEP, COARSER):
        here = problem(recovery=recovery, multiple_of=step)
        for x, other in chosen(free, here, SHARES[1::2] if quick else SHARES):
            pairs.append(compared(free, here, x, other, step))
            print(f"multiples of {step}: {pairs[-1]['ratios']}", flush=True)
    figure = ratio_of([one for one in pairs if one["step"] == STEP])
    coarser = ratio_of([one for one in pairs if one["step"] == COARSER])
    return Outcome(
        figure,
        f"times faster with multiples of {STEP} at the same MACs ({coarser:.4g} with multiples of "
        f"{COARSER}), one thread",
        [times_of(pairs), accuracies_of(pairs)],
        {
            "pairs": pairs,
            "ratio_of_multiples_of_16": coarser,
            "teacher_test_accuracy": teacher_accuracy(),
            "batches": BATCHES,
            "repeats": REPEATS,
            "recovery": recovery,
            "threads": THREADS,
        },
    )


def chosen(
    free: DistilledFilters, here: DistilledFilters, shares: Sequence[float]
) -> list[tuple[Array, Array]]:
    """Chromosomes with multiples, at these shares of the MACs, and others of the same size."""
    prices = np.logspace(-5, 2, 400)
    with_multiples = here.populations.priced(prices, MIXTURE)
    others = np.concatenate([free.populations.priced(prices, share) for share in MIXTURES])
    counts = free.filters.genes.counts(others)
    others = others[(here.filters.genes.fitted(counts) != counts).any(axis=1)]
    places = nearest(here, with_multiples, np.array(shares) * here.filters.all_macs)
    X = np.unique(with_multiples[places], axis=0)
    X = X[np.argsort(-macs_of(here, X))]
    return list(zip(X, others[nearest(free, others, macs_of(here, X))], strict=True))


def macs_of(here: DistilledFilters, X: Array) -> Array:
    return here.preview.sizes(X)["macs"]


def nearest(here: DistilledFilters, X: Array, macs: Array) -> Array:
    """Where in a family the numbers of MACs are nearest to these, as ratios."""
    places: Array = np.abs(np.log(macs_of(here, X)) - np.log(macs)[:, None]).argmin(axis=1)
    return places


def compared(
    free: DistilledFilters,
    here: DistilledFilters,
    x: Array,
    other: Array,
    step: int,
) -> dict[str, Any]:
    """One pair: widths, MACs, medians in milliseconds, and accuracies."""
    problems, genes = {ANY: free, MULTIPLES: here}, {ANY: other, MULTIPLES: x}
    cut = {name: one.filters.network(genes[name]) for name, one in problems.items()}
    medians: dict[str, dict[str, float]] = {}
    for batch in BATCHES:
        found = latencies(
            {**cut, TEACHER: teacher()},
            data().shape,
            batch_size=batch,
            threads=THREADS,
            repeats=REPEATS,
        )
        medians[str(batch)] = {name: 1e3 * one.median for name, one in found.items()}
    return {
        "step": step,
        "widths": {name: one.filters.widths(genes[name]) for name, one in problems.items()},
        "macs": {name: float(macs_of(one, genes[name][None])[0]) for name, one in problems.items()},
        "share": float(macs_of(here, x[None])[0]) / here.filters.all_macs,
        "milliseconds": medians,
        "ratios": {batch: one[ANY] / one[MULTIPLES] for batch, one in medians.items()},
        "accuracy_after_the_cut": {name: accuracy(one, data().test) for name, one in cut.items()},
        "accuracy_after_recovery": {
            name: accuracy(one.network(genes[name]), data().test) for name, one in problems.items()
        },
    }


def ratio_of(pairs: Sequence[dict[str, Any]]) -> float:
    """How many times faster multiples are, over all sizes and batches."""
    return geometric_mean([ratio for one in pairs for ratio in one["ratios"].values()])


def times_of(pairs: Sequence[dict[str, Any]]) -> tuple[str, Sequence[str], Sequence[Sequence[str]]]:
    """The table of medians."""
    rows = [
        (
            str(one["step"]),
            batch,
            f"{100 * one['share']:.1f} %",
            f"{100 * (one['macs'][ANY] / one['macs'][MULTIPLES] - 1):+.1f} %",
            *(f"{times[name]:.3f}" for name in (ANY, MULTIPLES, TEACHER)),
            f"{one['ratios'][batch]:.3f}",
        )
        for one in pairs
        for batch, times in one["milliseconds"].items()
    ]
    head = ("of", "batch", "MACs", f"MACs, {ANY}", ANY, MULTIPLES, TEACHER, "times faster")
    title = f"milliseconds, medians of {REPEATS} repeats in turns, {THREADS} thread"
    return title, head, rows


def accuracies_of(
    pairs: Sequence[dict[str, Any]],
) -> tuple[str, Sequence[str], Sequence[Sequence[str]]]:
    """The table of accuracies."""
    kinds = ("accuracy_after_the_cut", "accuracy_after_recovery")
    rows = [
        (
            str(one["step"]),
            f"{100 * one['share']:.1f} %",
            *(f"{100 * one[kind][name]:.2f}" for kind in kinds for name in PAIR),
        )
        for one in pairs
    ]
    head = (
        "of",
        "MACs",
        *(f"{when}, {name}" for when in ("cut", "recovered") for name in PAIR),
    )
    return f"test accuracy %; the teacher has {100 * teacher_accuracy():.2f}", head, rows
