"""Writes the known fronts of tabular instances: `python -m benchmarks.suite.fronts [NAME ...]`."""

from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np

from benchmarks.suite.publishing import publish, record
from pymoo_prune.suite import Instance, problem, suite
from pymoo_prune.suite.known import nondominated
from pymoo_prune.suite.tables import chromosomes


def true_front(instance: Instance) -> dict[str, Any]:
    """The true Pareto front of a tabular instance, of all candidates that keep the constraints."""
    table = instance.measurer.table
    if table is None:
        raise TypeError(f"{instance.name()} has no table")
    F, G = instance.all_scores
    allowed = np.flatnonzero((G <= 0).all(axis=1))
    rows = allowed[nondominated(F[allowed])]
    rows = rows[np.lexsort(F[rows].T[::-1])]
    return {"X": chromosomes(rows, table.choices), "F": F[rows]}


def front_bytes(front: dict[str, Any]) -> bytes:
    """A front as the package holds it."""
    content = io.BytesIO()
    X = front["X"]
    narrow = X.astype(np.int16) if X.dtype.kind in "iub" else X
    np.savez_compressed(content, X=narrow, F=front["F"])
    return content.getvalue()


def main() -> None:
    """Writes the named fronts, or all."""
    for name in sys.argv[1:] or [one.name for one in suite("tabular")]:
        instance = problem(name)
        front = true_front(instance)
        publish(f"fronts/{name}.npz", front_bytes(front))
        facts = {
            "front": len(front["F"]),
            "true": True,
            "evaluations": int(np.prod([high + 1 for high in instance.xu])),
            "ideal": front["F"].min(axis=0).tolist(),
            "nadir": front["F"].max(axis=0).tolist(),
            "inside": int((front["F"] < instance.reference).all(axis=1).sum()),
        }
        record("instances", name, facts)
        print(name, facts, flush=True)


if __name__ == "__main__":
    main()
