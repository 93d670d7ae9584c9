"""What a search adds to what was there before it: one instance of the suite for each paper.

NSGA-II begins with a population that needs no search, as the paper's problem samples it: methods in
closed form at all sizes. (The DenseNets of the suite are a table alone, so theirs are random
connections.) Hypervolumes are of the instance's objectives, on its search images, as
shares of the best front that anybody has found there. The figure of an instance is what the search
adds, as a share of what the first population and 200 networks without search together lack to that
front; five seeds. Beside it stands NSGA-II from random networks.

Target: at least .5

Found at 52b7824: .49 for the layer vector, .97 for dense connectivity, 1.27 for distilled filters,
where the searches found better fronts than the best known.
"""

from __future__ import annotations

from statistics import mean
from typing import Any

import numpy as np
import torch
from pymoo.algorithms.moo.nsga2 import NSGA2

from benchmarks.harness import Outcome, spread
from benchmarks.suite.study import UNSEARCHED
from pymoo_prune.operators import Candidates
from pymoo_prune.studies import POPULATION, best, recorded
from pymoo_prune.suite import Instance, problem

INSTANCES = {
    "distilled filters": "simplecnn-digits-filters",
    "layer vector": "deep-digits-levels",
    "dense connectivity": "densenet-digits-connections",
    "EComp": "mlp-digits-neurons",
}
SEEDS = (0, 1, 2, 3, 4)
BUDGET = 2_000


def run(quick: bool) -> Outcome:
    """The figure is the least of the four problems' shares, in the mean over seeds."""
    torch.set_num_threads(1)
    seeds, budget = (SEEDS[:1], 200) if quick else (SEEDS, BUDGET)
    found: dict[str, list[dict[str, float]]] = {}
    for paper, name in INSTANCES.items():
        instance = problem(name)
        found[paper] = [one_seed(instance, seed, budget) for seed in seeds]
        print(f"{name}: {[round(one['share'], 3) for one in found[paper]]}", flush=True)
    keys = ("before", "after", "share", "random_start")
    rows = [
        (paper, INSTANCES[paper], *(spread([one[key] for one in some]) for key in keys))
        for paper, some in found.items()
    ]
    least = min(found, key=lambda paper: mean(one["share"] for one in found[paper]))
    head = ("problem", "instance", "without search", "with it", "share of what lacked",
            "from random networks")  # fmt: skip
    return Outcome(
        mean(one["share"] for one in found[least]),
        f"of what lacks without search is added by the search, least of four problems ({least})",
        [(f"hypervolume as a share of the best known; {len(seeds)} seeds, {budget:,} evaluations",
          head, rows)],
        {"instances": INSTANCES, "seeds": found, "budget": budget, "population": POPULATION},
    )  # fmt: skip


def one_seed(instance: Instance, seed: int, budget: int) -> dict[str, float]:
    """One search from networks without search, and one from random networks.

    Args:
        instance: The instance.
        seed: The engine's seed.
        budget: Evaluations of each.
    """
    first = instance.random if instance.definition.table else instance.unsearched
    few = first(UNSEARCHED, np.random.default_rng(seed))
    searched = best(instance, recorded(_engine(instance, first), instance, budget, seed))[1]
    drawn = best(instance, recorded(_engine(instance, instance.random), instance, budget, seed))[1]
    # The first population is the first that the search asked for.
    start = first(POPULATION, np.random.default_rng(seed))
    there = instance.costs(instance.measurements(np.concatenate([few, start])))
    before = instance.hypervolume(there)
    after = instance.hypervolume(np.concatenate([there, searched]))
    lacked = max(1 - before, 1e-9)
    return {
        "before": before,
        "after": after,
        "share": (after - before) / lacked,
        "random_start": instance.hypervolume(drawn),
    }


def _engine(instance: Instance, first: Any) -> NSGA2:
    operators = {**instance.operators(), "sampling": Candidates(first)}
    return NSGA2(pop_size=POPULATION, **operators)
