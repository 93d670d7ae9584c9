"""Shared by tests of surrogates: a problem whose accuracy is known, and models that watch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from pymoo.core.infill import InfillCriterion
from pymoo.core.mating import Mating
from pymoo.core.population import Population
from pymoo.operators.selection.rnd import RandomSelection
from torch import nn

from pymoo_prune import Budget, Data, Measurements, PruningProblem, Store, WeightedSum
from pymoo_prune.chromosomes import Array, digests
from pymoo_prune.engines import make_algorithm
from pymoo_prune.objectives import Objectives, Values
from pymoo_prune.operators import (
    BalancedMaskMutation,
    Candidates,
    DigestDuplicates,
    UniformMaskCrossover,
)
from pymoo_prune.problem import Preview
from pymoo_prune.search import Found, search
from pymoo_prune.surrogates import MODELS, Model, prescreen

SUM = WeightedSum({"accuracy": 1.0, "parameters": 0.01})


class Bits(PruningProblem):
    """Each bit adds to the accuracy, some more than others, and each is a parameter."""

    def __init__(
        self,
        data: Data,
        *,
        n_var: int = 40,
        objectives: Objectives = ("accuracy", "parameters"),
        constraints: Sequence[str] = (),
    ) -> None:
        self.gains = np.random.default_rng(7).exponential(size=n_var)
        self.gains /= self.gains.sum()
        self.asked: list[bytes] = []
        super().__init__(
            data,
            n_var=n_var,
            objectives=objectives,
            constraints=constraints,
            vtype=bool,
            xl=0,
            xu=1,
        )
        self.preview = Preview(sizes=self.known_sizes)

    def accuracy(self, X: Array) -> Values:
        return np.asarray(1 - np.exp(-3 * (X * self.gains).sum(axis=1)))

    def measure(self, X: Array) -> Measurements:
        self.asked += digests(X)
        accuracy, parameters = self.accuracy(X), X.sum(axis=1).astype(float)
        return {
            "accuracy": accuracy,
            "accuracy_drop": 0.95 - accuracy,
            "parameters": parameters,
            "sparsity": 1 - parameters / self.n_var,
            "macs": parameters,
        }

    def known_sizes(self, X: Array) -> Mapping[str, Values]:
        return {"parameters": X.sum(axis=1).astype(float)}

    def network(self, x: Array) -> nn.Module:
        raise NotImplementedError

    def operators(self) -> dict[str, Any]:
        return {
            "sampling": Candidates(self.random),
            "crossover": UniformMaskCrossover([self.n_var]),
            "mutation": BalancedMaskMutation([self.n_var]),
            "eliminate_duplicates": DigestDuplicates(),
        }

    def random(self, n: int, generator: np.random.Generator) -> Array:
        return generator.random((n, self.n_var)) < generator.uniform(0.1, 0.9, (n, 1))

    def parent_measurements(self) -> Mapping[str, float]:
        return {"accuracy": 0.95, "parameters": float(self.n_var)}

    def model(self, seed: int) -> Model:
        return MODELS["ridge"](seed)

    def __deepcopy__(self, memo: dict[int, Any]) -> Bits:
        pytest.fail("the problem was copied")


class BitsOfUnknownSize(Bits):
    def known_sizes(self, X: Array) -> Mapping[str, Values]:
        return {}


class Perfect:
    """A model that knows, and writes down what it was shown."""

    def __init__(self, problem: Bits, *, shown: list[tuple[Values, Values]] | None = None) -> None:
        self.problem, self.shown = problem, shown

    def fit(self, Z: Values, y: Values, /) -> None:
        if self.shown is not None:
            self.shown.append((Z, y))

    def predict(self, Z: Values, /) -> Values:
        return self.problem.accuracy(Z)


class Recorded(InfillCriterion):
    """A mating that writes down the children it made."""

    def __init__(self, mating: InfillCriterion) -> None:
        super().__init__()
        self.mating, self.made = mating, list[Any]()

    def do(self, problem: Any, pop: Population, n_offsprings: int, **kwargs: Any) -> Population:
        children = self.mating.do(problem, pop, n_offsprings, **kwargs)
        self.made.append(children)
        return children


def measured(problem: PruningProblem, n: int, seed: int = 0) -> Population:
    """An evaluated random population."""
    X = problem.random(n, np.random.default_rng(seed))
    values = problem.measure(X)
    return Population.new("X", X, **values, **problem.score(values))


def mating_of(problem: PruningProblem) -> InfillCriterion:
    operators = {name: o for name, o in problem.operators().items() if name != "sampling"}
    return Mating(RandomSelection(), **operators)


def found_by(
    problem: PruningProblem,
    generations: int,
    *,
    engine: str = "nsga2",
    pop_size: int = 16,
    seed: int = 3,
    store: Store | None = None,
    **options: Any,
) -> Found:
    algorithm = prescreen(make_algorithm(engine, problem, pop_size), **options)
    return search(problem, algorithm, Budget(generations=generations), seed=seed, store=store)


def same(one: Found, other: Found) -> bool:
    return digests(one.last.algorithm.pop.get("X")) == digests(other.last.algorithm.pop.get("X"))
