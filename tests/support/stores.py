"""Helpers of the tests of stores: what is measured and kept, and files as processes leave them."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from pymoo_prune import Measurements, Store
from pymoo_prune.chromosomes import Array, digests
from pymoo_prune.objectives import Measured, Part, failures_of
from pymoo_prune.problem import CHUNK

NAMES = ("accuracy", "macs")
VERSIONS = {"pymoo": "0.6.2", "numpy": "2.0"}


class Counting:
    """Measures, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def __call__(self, X: Array) -> Measurements:
        self.asked.append(X[:, 0].tolist())
        return {"accuracy": 1 / (X[:, 0] + 3), "macs": X[:, 0] * 10.0}


class Failing(Counting):
    """Every third candidate fails: its accuracy, or all of its measurements."""

    def __call__(self, X: Array) -> Measurements:
        values = dict(super().__call__(X))
        fails = X[:, 0] % 3 == 0
        values["accuracy"] = np.where(fails, np.nan, values["accuracy"])
        values["macs"] = np.where(X[:, 0] % 6 == 0, np.nan, values["macs"])
        rows = np.flatnonzero(fails).tolist()
        return Measured(values, {row: f"{X[row, 0]} diverged" for row in rows})


def measured(
    store: Store,
    X: Array,
    keys: Sequence[bytes],
    images: str,
    measure: Callable[[Array], Measurements],
) -> Measured:
    """Looks candidates up, measures the others in chunks and keeps them, as a search does."""
    missing = store.missing(images, keys)
    with store.writing(images) as keep:
        for start in range(0, len(missing), CHUNK):
            chunk = missing[start : start + CHUNK]
            began = time.perf_counter()
            values = measure(X[chunk])
            found = Measured(values, failures_of(values))
            part = Part(range(len(chunk)), found, time.perf_counter() - began)
            keep([keys[row] for row in chunk], part)
    return store.measured(images, keys)


def rows(*values: int) -> Array:
    return np.array(values)[:, None]


def count(path: Path) -> int:
    with sqlite3.connect(path) as db:
        number: int = db.execute("SELECT COUNT(*) FROM measurements").fetchone()[0]
    db.close()
    return number


def filled(path: Path, n: int = 400) -> None:
    """A closed store with many rows, all in the main file."""
    store = Store(path, NAMES, "f1", VERSIONS)
    X = rows(*range(n))
    store.follow(0, 1, "batch 0", digests(X))
    measured(store, X, digests(X), "batch 0", Counting())
    store.finish_generation(1, 1.0)
    store.close()
    assert path.stat().st_size > 20_000
