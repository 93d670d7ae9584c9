"""Whether the suite tells engines apart: seven of them, eleven seeds, the instances' own budgets.

The budget is 2,000 evaluations, or an eighth of a small space. The figure counts instances on
which some engine is shown to be ahead of random search: exact rank-sum test, Holm's correction over
all engines and instances. An engine is the best of an instance if it is shown to be ahead of each
other one, corrected over the pairs of that instance. Two instances with a ResNet-20 are left out:
a candidate takes 26 to 29 ms, so that eleven seeds of seven engines would take hours.
`python -m benchmarks.suite.study` runs the searches and keeps them; this benchmark runs those that
are missing. Beside the searches of live instances, which begin with random networks, stands the
front of 200 networks that need no search at all: the paper's problem samples them.

Target: at least .8, and at least three different engines are the best somewhere
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from benchmarks.harness import Outcome, spread
from benchmarks.suite.study import FEW_SEEDS, study, unsearched_front
from pymoo_prune.comparing.statistics import LEVEL, holm, mann_whitney, superiority
from pymoo_prune.suite import problem, suite

RANDOM = "random"
Shares = Mapping[str, Sequence[float]]


def ahead_of_random(found: Mapping[str, Shares]) -> dict[str, list[str]]:
    """By instance, the engines that are shown to be ahead of random search."""
    pairs = [(name, one) for name, of in found.items() for one in of if one != RANDOM]
    p = np.array([mann_whitney(found[name][one], found[name][RANDOM]) for name, one in pairs])
    ahead: dict[str, list[str]] = {name: [] for name in found}
    for (name, one), adjusted in zip(pairs, holm(p), strict=True):
        if adjusted <= LEVEL and superiority(found[name][one], found[name][RANDOM]) > 0.5:
            ahead[name].append(one)
    return ahead


def best_of(shares: Shares) -> str | None:
    """The engine that is shown to be ahead of each other one; None where there is none."""
    first = max(shares, key=lambda one: float(np.median(shares[one])))
    others = [one for one in shares if one != first]
    p = holm(np.array([mann_whitney(shares[first], shares[one]) for one in others]))
    leads = all(superiority(shares[first], shares[one]) > 0.5 for one in others)
    return first if leads and (p <= LEVEL).all() else None


def run(quick: bool) -> Outcome:
    torch.set_num_threads(1)
    studied = [one.name for one in suite() if one.name not in FEW_SEEDS]
    names = [one.name for one in suite("quick")[:2]] if quick else studied
    found = {name: study(name) for name in names}
    unsearched = {
        name: problem(name).hypervolume(unsearched_front(problem(name))[1])
        for name in names
        if not problem(name).definition.table
    }
    ahead, best = ahead_of_random(found), {name: best_of(of) for name, of in found.items()}
    engines = list(dict.fromkeys(one for of in found.values() for one in of))
    rows = [
        [name, *[spread(found[name][one]) if one in found[name] else "–" for one in engines],
         f"{unsearched[name]:.4f}" if name in unsearched else "–", best[name] or "–"]
        for name in names
    ]  # fmt: skip
    winners = sorted({one for one in best.values() if one})
    details = {
        "instances": {
            name: {
                "shares": {one: list(values) for one, values in found[name].items()},
                "budget": problem(name).definition.budget,
                "ahead_of_random": ahead[name],
                "best": best[name],
                "unsearched": unsearched.get(name),
            }
            for name in names
        },
        "best_somewhere": winners,
    }
    table = (
        "share of the known hypervolume",
        ["instance", *engines, "no search", "ahead of all"],
        rows,
    )
    figure = sum(bool(ahead[name]) for name in names) / len(names)
    return Outcome(figure, f"of {len(names)} instances tell engines from random search; "
                   f"the best somewhere: {', '.join(winners)}", [table], details)  # fmt: skip
