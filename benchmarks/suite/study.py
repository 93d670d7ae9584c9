"""Engines on all instances of the suite: `python -m benchmarks.suite.study [NAME ...]`.

What each run asked for is kept in the folder of unfinished tables, so that a stopped study goes on.
The front of a live instance is the best of all that its runs found; it is published from here.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.suite.engines import ENGINES, continued
from benchmarks.suite.fronts import published_front
from benchmarks.suite.tables import PARTS
from pymoo_prune.files import writing
from pymoo_prune.studies import Asked, asked, best
from pymoo_prune.suite import Instance, problem, suite
from pymoo_prune.suite.contents import index
from pymoo_prune.suite.known import nondominated

Rows = NDArray[Any]
SEEDS = 11
FEW_SEEDS = {"resnet20-digits-levels": 1, "resnet20-digits-thresholds": 1}
"""Seeds of instances whose candidates take too long for more: their fronts are known, but no ranks,
and the long run has two budgets."""
LONG = 10
"""The budgets of the long run behind a live instance's front."""
UNSEARCHED = 200
"""Networks without search, which belong to the front too, and from which the long run starts."""


def engines_for(instance: Instance) -> list[str]:
    """Engines that can solve an instance: MOEA/D takes no constraints, and never measures again."""
    no_moead = bool(instance.constraints) or instance.definition.noisy
    return [one for one in ENGINES if not (one == "moead" and no_moead)]


def run(instance: Instance, engine: str, seed: int) -> Asked:
    """A search of the study, from the last time or now; its first candidates come first."""
    budget = instance.definition.budget
    folder = PARTS / "study" / f"{instance.name()}-{instance.version}-{budget}"
    return kept(folder / f"{engine}-{seed}.npz", lambda: asked(engine, instance, budget, seed))


def kept(path: Path, search: Callable[[], Asked]) -> Asked:
    """What a search asked for, from the last time or now."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        found = search()
        with writing(path) as part, part.open("wb") as file:
            np.savez_compressed(file, X=found.X, F=found.F, G=found.G)
    with np.load(path, allow_pickle=False) as arrays:
        return Asked(arrays["X"], arrays["F"], arrays["G"])


def front_of(found: Sequence[tuple[Rows, Rows]]) -> tuple[Rows, Rows]:
    """The front of several fronts, X and F."""
    X, F = (np.concatenate(column) for column in zip(*found, strict=True))
    rows = nondominated(F)
    return X[rows], F[rows]


def best_known(instance: Instance, found: Sequence[tuple[Rows, Rows]]) -> tuple[Rows, Rows, int]:
    """The best front of a live instance, X and F, and the evaluations behind it.

    A long run of NSGA-II goes on from all that is known: the fronts of the study, and networks that
    need no search, which the problem's own sampling makes. The published front belongs to it: it
    never gets worse.

    Args:
        instance: The instance.
        found: The fronts of the study.
    """
    budget = instance.definition.budget
    fronts = [*found, unsearched_front(instance)]
    start, _ = front_of(fronts)
    folder = PARTS / "study" / f"{instance.name()}-{instance.version}-{budget}"
    long_budget = (2 if instance.name() in FEW_SEEDS else LONG) * budget
    long = kept(folder / "long.npz", lambda: continued(instance, start, long_budget, 0))
    X, F = front_of([*fronts, best(instance, long), *published(instance)])
    return X, F, len(found) * budget + long_budget + UNSEARCHED


def published(instance: Instance) -> list[tuple[Rows, Rows]]:
    """The front that the suite has so far, X and F, measured again; none for a new instance."""
    if instance.name() not in index()["instances"]:
        return []
    X = instance.pareto_set()
    return [(X, instance.costs(instance.measurements(X)))]


def unsearched_front(instance: Instance) -> tuple[Rows, Rows]:
    """The front of networks that need no search, X and F: the problem's own sampling makes them."""
    X = instance.unsearched(UNSEARCHED, np.random.default_rng(0))
    measured = instance.measurements(X)
    keep = (instance.constraint_values(measured) <= 0).all(axis=1)
    X, F = X[keep], instance.costs(measured)[keep]
    rows = nondominated(F)
    return X[rows], F[rows]


def study(name: str) -> Mapping[str, Sequence[float]]:
    """The share of the known hypervolume that each engine reaches, seed by seed."""
    instance = problem(name)
    began = time.perf_counter()
    fronts = {
        engine: [
            best(instance, run(instance, engine, seed))
            for seed in range(FEW_SEEDS.get(name, SEEDS))
        ]
        for engine in engines_for(instance)
    }
    print(f"{name}: searched in {time.perf_counter() - began:.0f} s", flush=True)
    if not instance.definition.table:
        found = [front for fronts_of in fronts.values() for front in fronts_of]
        published_front(instance, *best_known(instance, found))
        instance = problem(name)
    return {
        # They keep the constraints.
        engine: [instance.known.share(F, instance.reference) for _, F in of_engine]
        for engine, of_engine in fronts.items()
    }


def main() -> None:
    """Studies the named instances, or all."""
    torch.set_num_threads(1)
    for name in sys.argv[1:] or [one.name for one in suite()]:
        shares = study(name)
        for engine, values in shares.items():
            print(
                f"  {engine:10s} {np.mean(values):.4f} ± {np.std(values, ddof=1):.4f}", flush=True
            )


if __name__ == "__main__":
    main()
