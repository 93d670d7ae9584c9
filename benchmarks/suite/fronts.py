"""Writes the known fronts of tabular instances: `python -m benchmarks.suite.fronts [NAME ...]`."""

from __future__ import annotations

import io
import statistics
import sys
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.suite.publishing import publish, record
from pymoo_prune.suite import Instance, problem, suite
from pymoo_prune.suite.contents import index
from pymoo_prune.suite.known import nondominated
from pymoo_prune.suite.tables import chromosomes

Rows = NDArray[Any]


def true_front(instance: Instance) -> tuple[Rows, Rows]:
    """The true Pareto front of a tabular instance, X and F."""
    table = instance.measurer.table
    if table is None:
        raise TypeError(f"{instance.name()} has no table")
    F, G = instance.all_scores
    allowed = np.flatnonzero((G <= 0).all(axis=1))
    rows = allowed[nondominated(F[allowed])]
    return chromosomes(rows, table.choices), F[rows]


def published_front(instance: Instance, X: Rows, F: Rows, evaluations: int) -> None:
    """Writes a front into the package, and what is known of the instance into its index.

    Args:
        instance: The instance.
        X: Candidates of the front.
        F: Their objectives.
        evaluations: Candidates that were measured to find it.
    """
    order = np.lexsort(F.T[::-1])
    X, F = X[order], F[order]
    content = io.BytesIO()
    narrow = X.astype(np.int16) if X.dtype.kind in "iub" else X
    np.savez_compressed(content, X=narrow, F=F)
    publish(f"fronts/{instance.name()}.npz", content.getvalue())
    facts = {
        "front": len(F),
        "true": bool(instance.definition.table),
        "evaluations": evaluations,
        "ideal": F.min(axis=0).tolist(),
        "nadir": F.max(axis=0).tolist(),
        "inside": int((instance.reference > F).all(axis=1).sum()),
        "milliseconds": milliseconds(instance),
    }
    record("instances", instance.name(), facts)
    index.cache_clear()


def milliseconds(instance: Instance) -> float:
    """Milliseconds a candidate, the median of five batches of 100 on one core's clock."""
    X = instance.random(600, np.random.default_rng(0))
    instance.evaluate(X[:100], return_values_of=["F"])
    times = []
    for start in range(100, 600, 100):
        began = time.process_time()
        instance.evaluate(X[start : start + 100], return_values_of=["F"])
        times.append(10 * (time.process_time() - began))
    return round(statistics.median(times), 4)


def main() -> None:
    """Writes the named fronts, or those of all tabular instances."""
    for name in sys.argv[1:] or [one.name for one in suite("tabular")]:
        instance = problem(name)
        published_front(instance, *true_front(instance), instance.definition.candidates or 0)


if __name__ == "__main__":
    main()
