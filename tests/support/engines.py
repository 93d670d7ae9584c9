"""Shared by tests of engines: names, problems, and functions that run and compare searches."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import torch
from pymoo.core.algorithm import Algorithm

from pymoo_prune import Budget, Data, Measurements, PruningProblem
from pymoo_prune.chromosomes import Array, digests
from pymoo_prune.engines import ENGINES, make_algorithm
from pymoo_prune.networks import FeedForward
from pymoo_prune.objectives import Quantity
from pymoo_prune.operators import (
    Candidates,
    CountMutation,
    DigestDuplicates,
    UniformVectorCrossover,
    uniform_counts,
)
from pymoo_prune.search import Found, search
from tests.support.tiny_problem import Pixels

TWO, THREE = ("accuracy", "parameters"), ("accuracy", "parameters", "pixels")
BOUNDS = ("pixels<=0.5", "accuracy>=0.3")
FOR_SEVERAL = [name for name in ENGINES if name not in ("own", "ga", "levels", "sparse-ea")]
COMPILED = ["age-moea", "age-moea2"]
needs_numba = pytest.mark.skipif(find_spec("numba") is None, reason="numba is not installed")


def cases(*rows: Any) -> list[Any]:
    """A test's parameters; rows with an engine that numba compiles are skipped without numba."""
    tuples = [row if isinstance(row, tuple) else (row,) for row in rows]
    return [
        pytest.param(*row, marks=[needs_numba] if set(COMPILED) & set(row) else [])
        for row in tuples
    ]


class Rows(PruningProblem):
    """How many pixels each of the eight rows of an image loses: genes are whole numbers."""

    quantities: Mapping[str, Quantity] = Pixels.quantities

    def __init__(self, data: Data, **options: Any) -> None:
        self.pixels = Pixels(data, **options)
        goals = {"objectives": self.pixels.goals.objectives, **options}
        super().__init__(data, n_var=8, vtype=int, xl=0, xu=8, **goals)

    def masks(self, X: Array) -> Array:
        return (np.arange(8) >= X[..., None]).reshape(len(X), -1)

    def measure(self, X: Array) -> Measurements:
        assert X.dtype == np.int64
        return self.pixels.measure(self.masks(X))

    def network(self, x: Array) -> Any:
        return self.pixels.network(self.masks(x[None])[0])

    def operators(self) -> dict[str, Any]:
        return {
            "sampling": Candidates(self.random),
            "crossover": UniformVectorCrossover(n_offsprings=2),
            "mutation": CountMutation([8] * 8, rate=0.1),
            "eliminate_duplicates": DigestDuplicates(),
        }

    def random(self, n: int, generator: np.random.Generator) -> Array:
        return uniform_counts(n, generator, [8] * 8, 0.0, 1.0)


def small_parent() -> FeedForward:
    generator = np.random.default_rng(0)
    shapes = [(12, 64), (12, 12), (10, 12)]
    weights = [generator.normal(size=shape).astype(np.float32) / 8 for shape in shapes]
    biases = [torch.zeros(rows) for rows, _ in shapes]
    return FeedForward.from_layers([torch.from_numpy(weight) for weight in weights], biases)


def run(
    problem: Any, engine: str | Algorithm, budget: Budget, **options: Any
) -> tuple[Found, list[Any]]:
    """What is found, and X and F of every generation."""
    algorithm = make_algorithm(engine, problem, 8) if isinstance(engine, str) else engine
    populations: list[Any] = []
    found = search(
        problem,
        algorithm,
        budget,
        seed=3,
        on_generation=lambda step: populations.append(step.algorithm.pop.get("X", "F")),
        **options,
    )
    return found, populations


def same(one: list[Any], other: list[Any]) -> bool:
    return len(one) == len(other) and all(
        digests(X) == digests(Y) and np.array_equal(F, G)
        for (X, F), (Y, G) in zip(one, other, strict=True)
    )
