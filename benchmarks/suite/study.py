"""Engines on all instances of the suite: `python -m benchmarks.suite.study [NAME ...]`.

What each run asked for is kept in the folder of unfinished tables, so that a stopped study goes on.
The front of a live instance is the best of all that its runs found; it is published from here.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.suite.engines import ENGINES, Asked, asked
from benchmarks.suite.fronts import published_front
from benchmarks.suite.tables import PARTS
from pymoo_prune.files import writing
from pymoo_prune.suite import Instance, problem, suite
from pymoo_prune.suite.known import nondominated

SEEDS = 11


def engines_for(instance: Instance) -> list[str]:
    """Engines that can solve an instance: MOEA/D takes no constraints."""
    return [one for one in ENGINES if not (one == "moead" and instance.constraints)]


def run(instance: Instance, engine: str, seed: int) -> Asked:
    """A search of the study, from the last time or now; its first candidates come first."""
    budget = instance.definition.budget
    folder = PARTS / "study" / f"{instance.name()}-{instance.version}-{budget}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{engine}-{seed}.npz"
    if not path.exists():
        found = asked(engine, instance, budget, seed)
        with writing(path) as part, part.open("wb") as file:
            np.savez_compressed(file, X=found.X, F=found.F, G=found.G)
    with np.load(path, allow_pickle=False) as arrays:
        return Asked(arrays["X"], arrays["F"], arrays["G"])


def best(instance: Instance, found: Asked) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The front of a search, X and F, as the instance measures it without noise."""
    kept = found.kept
    X, F = found.X[kept], found.F[kept]
    if len(F) == 0:
        return X, F
    rows = nondominated(F)
    X, F = X[rows], F[rows]
    if instance.definition.noisy:
        F = instance.costs(instance.measurements(X))
    return X, F


def study(name: str) -> Mapping[str, Sequence[float]]:
    """The share of the known hypervolume that each engine reaches, seed by seed."""
    instance = problem(name)
    began = time.perf_counter()
    fronts = {
        engine: [best(instance, run(instance, engine, seed)) for seed in range(SEEDS)]
        for engine in engines_for(instance)
    }
    print(f"{name}: searched in {time.perf_counter() - began:.0f} s", flush=True)
    if not instance.definition.table:
        found = [front for fronts_of in fronts.values() for front in fronts_of]
        X, F = (np.concatenate(column) for column in zip(*found, strict=True))
        rows = nondominated(F)
        evaluations = len(found) * instance.definition.budget
        published_front(instance, X[rows], F[rows], evaluations)
        instance = problem(name)
    return {
        engine: [instance.hypervolume(F) for _, F in of_engine]
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
