"""A problem with known accuracies and sizes, for which the share of a search is an exact number.

There are twenty images, and image i shows pixel i alone. A network reads some of the pixels, and
knows the images of these. Its size is that of the pixels up to the last one that it reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from pymoo.core.crossover import Crossover
from pymoo.core.mutation import Mutation
from torch import nn

from pymoo_prune import Baseline, Budget, Data, Measurements, PruningProblem, Settings, Split
from pymoo_prune.chromosomes import Array
from pymoo_prune.objectives import Objectives, Values
from pymoo_prune.operators import Candidates, DigestDuplicates
from pymoo_prune.problem import Approximation, Rivals

PIXELS = 20
FIRST = (4, 10)
"""The sizes of the non-dominated networks of the first population."""
RIVAL = 16
"""The size of the rival's network."""


def data() -> Data:
    """Twenty images, the same in every part."""
    images = torch.eye(PIXELS).reshape(PIXELS, 1, 4, 5)
    split = Split(images, torch.zeros(PIXELS, dtype=torch.int64))
    return Data("single pixels", split, split, split, classes=2)


def reads(*numbers: int) -> Array:
    """Chromosomes that read the first pixels, so many of them each, (n, PIXELS)."""
    return np.arange(PIXELS) < np.array(numbers)[:, None]


def area(*numbers: int) -> float:
    """The hypervolume of networks that read so many first pixels each, step by step."""
    steps, below = 0.0, 0
    for number in sorted(numbers):
        steps += (number - below) / PIXELS * (1 - number / PIXELS)
        below = number
    return steps


class Alike(Crossover):
    """Makes children that are like their parents."""

    def __init__(self) -> None:
        super().__init__(2, 2)

    def _do(self, problem: Any, X: Array, **_: Any) -> Array:
        return X.copy()


class OneMore(Mutation):
    """Makes a candidate read the first pixels: one more than it reads."""

    def __init__(self) -> None:
        super().__init__(prob=1.0)

    def _do(self, problem: Any, X: Array, **_: Any) -> Array:
        return reads(*np.minimum(X.sum(axis=1) + 1, PIXELS))


class Known(PruningProblem):
    """Candidates read pixels."""

    retrained: ClassVar[list[float]] = []
    """The sizes of the networks that were retrained."""

    def __init__(
        self,
        data: Data,
        *,
        objectives: Objectives = ("accuracy", "parameters"),
        constraints: Sequence[str] = (),
        seed: int = 0,
    ) -> None:
        super().__init__(
            data,
            n_var=PIXELS,
            objectives=objectives,
            constraints=constraints,
            seed=seed,
            vtype=bool,
            xl=0,
            xu=1,
        )

    def measure(self, X: Array) -> Measurements:
        parameters = np.where(X, 1 + np.arange(PIXELS), 0).max(axis=1).astype(float)
        accuracy = X.mean(axis=1)
        return {
            "accuracy": accuracy,
            "accuracy_drop": 1 - accuracy,
            "parameters": parameters,
            "sparsity": 1 - parameters / PIXELS,
            "macs": parameters,
        }

    def parent_measurements(self) -> Mapping[str, float]:
        values = self.measure(reads(PIXELS))
        return {name: float(column[0]) for name, column in values.items()}

    def network(self, x: Array) -> nn.Module:
        linear = nn.Linear(PIXELS, 2)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(np.array([x, np.zeros(PIXELS)])))
            linear.bias.copy_(torch.tensor([0.0, 0.5]))
        return nn.Sequential(nn.Flatten(), linear).eval()

    def finished(self, network: nn.Module, *, images: int, seed: int) -> nn.Module:
        Known.retrained.append(network.state_dict()["1.weight"].sum().item())
        return network

    def first(self, n: int, generator: np.random.Generator) -> Array:
        """The first population: two good networks, and the same with a pixel less each."""
        better = reads(*FIRST)
        worse = np.repeat(better, 3, axis=0)
        worse[np.arange(6), [0, 1, 2, 0, 1, 2]] = False
        return np.concatenate([worse, better])[-n:]

    def operators(self) -> dict[str, Any]:
        return {
            "sampling": Candidates(self.first),
            "crossover": Alike(),
            "mutation": OneMore(),
            "eliminate_duplicates": DigestDuplicates(),
        }


class One(Rivals):
    """A single network."""

    def __init__(self, problem: Known) -> None:
        self.problem = problem

    def at(self, front: Mapping[str, Values]) -> list[Baseline]:
        X = reads(RIVAL)
        sizes = {n: c for n, c in self.problem.measure(X).items() if "accuracy" not in n}
        return [Baseline("one network", [self.problem.network(X[0])], sizes)]


class KnownWithRival(Known):
    """The same with a rival."""

    def __init__(
        self,
        data: Data,
        *,
        objectives: Objectives = ("accuracy", "parameters"),
        constraints: Sequence[str] = (),
        seed: int = 0,
    ) -> None:
        super().__init__(data, objectives=objectives, constraints=constraints, seed=seed)
        self.rivals = One(self)


class KnownInBatches(Known):
    """The same; each generation is measured on a few of the images."""

    def __init__(self, data: Data, *, seed: int = 0) -> None:
        super().__init__(data, seed=seed)
        self.approximation = Approximation(self._measured_on, lambda generation: generation - 1)

    def _measured_on(self, X: Array, batch: int) -> Measurements:
        return {**self.measure(X), "accuracy": X[:, batch % 5 :: 5].mean(axis=1)}


class Many(Known):
    """A first population of eighteen networks that do not dominate each other.

    Each lacks the first pixel, so that the search makes a better one of it.
    """

    def first(self, n: int, generator: np.random.Generator) -> Array:
        X = reads(*generator.permutation(np.arange(3, PIXELS + 1))[:n])
        X[:, 0] = False
        return X


def settings(problem: type[Known] = KnownWithRival, **changes: Any) -> Settings:
    """A run that finds a network of every size from the smallest of the first population on."""
    name = f"{__name__}:{problem.__name__}"
    given = {"pop_size": 8, "budget": Budget(generations=20), "threads": 1}
    return Settings(name, "nsga2", data=f"{__name__}:data", **{**given, **changes})
