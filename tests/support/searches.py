"""Shared by tests of searches: functions that run, keep and compare them."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import numpy as np

from pymoo_prune import Budget, Store, WeightedSum
from pymoo_prune.chromosomes import digests
from pymoo_prune.engines import make_algorithm
from pymoo_prune.search import Found, search

SUM = WeightedSum({"accuracy": 1.0, "pixels": 0.5})


def opened(path: Path, problem: Any) -> Store:
    return Store(path, tuple(problem.quantities), problem.fingerprint, {})


def found_by(problem: Any, budget: Budget, *, engine: str = "nsga2", **options: Any) -> Found:
    algorithm = make_algorithm(engine, problem, 8)
    return search(problem, algorithm, budget, seed=options.pop("seed", 3), **options)


def same(one: Found, other: Found) -> bool:
    return digests(one.X) == digests(other.X) and all(
        np.array_equal(one.measurements[n], other.measurements[n]) for n in one.measurements
    )


def dominates(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(a <= b for a, b in zip(one, other, strict=True)) and one != other


def evaluations(path: Path, *names: str) -> list[tuple[Any, ...]]:
    """Every evaluation: number, digest, and the named measurements."""
    with sqlite3.connect(path) as db:
        rows = db.execute(
            f"SELECT number, digest, {', '.join(names)} FROM history "  # noqa: S608
            "JOIN measurements USING (images, digest) ORDER BY number"
        ).fetchall()
    db.close()
    return rows
