"""A problem as a user writes one: which pixels does a linear classifier need?

Numbers only: nothing is trained, so that tests of the machinery around a problem are fast.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from pymoo_prune import Data, Measurements, Preset, PruningProblem, Quantity
from pymoo_prune.chromosomes import Array
from pymoo_prune.errors import TrainingDiverged
from pymoo_prune.objectives import STANDARD, Objectives, Values, one_by_one
from pymoo_prune.operators import (
    BalancedMaskMutation,
    Candidates,
    DigestDuplicates,
    UniformMaskCrossover,
)
from pymoo_prune.problem import Approximation, Preview


class Pixels(PruningProblem):
    """Choose pixels for a linear classifier."""

    quantities: ClassVar[Mapping[str, Quantity]] = {
        **STANDARD,
        "pixels": Quantity("lower", "pixels kept", share=True),
    }
    presets: ClassVar[Mapping[str, Preset]] = {
        "quick": Preset("few pixels", pop_size=8, generations=3)
    }

    def __init__(
        self,
        data: Data,
        *,
        objectives: Objectives = ("accuracy", "parameters"),
        constraints: Sequence[str] = (),
        seed: int = 0,
        pause: float = 0.0,
    ) -> None:
        images = data.train.images.flatten(1).double().numpy()
        targets = np.eye(data.classes)[data.train.labels.numpy()]
        inputs = np.column_stack([images, np.ones(len(images))])
        ridge = np.eye(inputs.shape[1])
        solved = np.linalg.solve(inputs.T @ inputs + ridge, inputs.T @ targets)
        self.weight, self.bias = solved[:-1].T.astype(np.float32), solved[-1].astype(np.float32)
        self.images, self.labels = data.validation.images.flatten(1).numpy(), data.validation.labels
        self.pause = pause
        n_var = len(images[0])
        super().__init__(
            data,
            n_var=n_var,
            objectives=objectives,
            constraints=constraints,
            seed=seed,
            vtype=bool,
            xl=0,
            xu=1,
        )
        self.preview = Preview(sizes=self._sizes)

    def measure(self, X: Array) -> Measurements:
        return self._measure(X, slice(None))

    def _measure(self, X: Array, images: slice) -> Measurements:
        return self._with_sizes(X, np.array([self._accuracy(x, images) for x in X]), images)

    def _accuracy(self, x: Array, images: slice) -> float:
        outputs = (self.images[images] * x) @ self.weight.T + self.bias
        return float((outputs.argmax(axis=1) == self.labels[images].numpy()).mean())

    def _with_sizes(self, X: Array, accuracy: Values, images: slice) -> Measurements:
        time.sleep(self.pause)
        whole = Pixels._accuracy(self, np.ones(self.n_var, dtype=bool), images)
        return {
            "accuracy": accuracy,
            "accuracy_drop": whole - accuracy,
            **self._sizes(X),
        }

    def _sizes(self, X: Array) -> dict[str, Values]:
        used = np.count_nonzero(self.weight, axis=0)
        parameters = (X * used).sum(axis=1) + len(self.bias)
        return {
            "parameters": parameters,
            "sparsity": 1 - parameters / (used.sum() + len(self.bias)),
            "macs": parameters - len(self.bias),
            "pixels": X.mean(axis=1),
        }

    def network(self, x: Array) -> nn.Module:
        linear = nn.utils.skip_init(nn.Linear, self.n_var, len(self.bias))
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(self.weight * x))
            linear.bias.copy_(torch.from_numpy(self.bias))
        return nn.Sequential(nn.Flatten(), linear)

    def operators(self) -> dict[str, Any]:
        return {
            "sampling": Candidates(self.random),
            "crossover": UniformMaskCrossover([self.n_var]),
            "mutation": BalancedMaskMutation([self.n_var]),
            "eliminate_duplicates": DigestDuplicates(),
        }

    def random(self, n: int, generator: np.random.Generator) -> Array:
        mask = generator.random((n, self.n_var)) < generator.uniform(0.1, 0.9, (n, 1))
        mask[:, 0] |= ~mask.any(axis=1)
        return mask

    def parent_measurements(self) -> Mapping[str, float]:
        values = self.measure(np.ones((1, self.n_var), dtype=bool))
        return {name: float(column[0]) for name, column in values.items()}


class PixelsInBatches(Pixels):
    """The same with new images for each generation."""

    BATCHES = 4

    def __init__(self, data: Data, **options: Any) -> None:
        super().__init__(data, **options)
        self.approximation = Approximation(self._measured_on, self._batch)

    def _batch(self, generation: int) -> int:
        return generation - 1

    def _measured_on(self, X: Array, batch: int) -> Measurements:
        return self._measure(X, slice(batch % self.BATCHES, None, self.BATCHES))

    def measure(self, X: Array) -> Measurements:
        each = [self._measured_on(X, batch) for batch in range(self.BATCHES)]
        return {name: np.mean([m[name] for m in each], axis=0) for name in self.quantities}


class FailingPixels(Pixels):
    """The same with candidates that cannot be measured: the smallest, which a search would like."""

    can_fail = True
    LEAST = 20

    def _measure(self, X: Array, images: slice) -> Measurements:
        found = one_by_one(["accuracy"], lambda x: {"accuracy": self._accuracy(x, images)}, X)
        return found | self._with_sizes(X, found["accuracy"], images)

    def _accuracy(self, x: Array, images: slice) -> float:
        if self.fails(x):
            msg = "the training diverged: its last loss is nan"
            raise TrainingDiverged(msg)
        return super()._accuracy(x, images)

    def fails(self, x: Array) -> bool:
        return int(x.sum()) < self.LEAST


class AllFailing(FailingPixels):
    """The same; no candidate can be measured."""

    LEAST = 65


def candidates(problem: Pixels, n: int = 10) -> Array:
    """Random candidates, always the same."""
    return problem.random(n, np.random.default_rng(5))


def small_and_large(problem: Pixels) -> tuple[Array, Array]:
    """40 candidates, and which of them fail."""
    X = candidates(problem, 40)
    fails = X.sum(axis=1) < FailingPixels.LEAST
    assert 5 < fails.sum() < 35
    return X, fails


def not_a_problem() -> None:
    """Something else that a name can point at."""


@contextmanager
def full_disk(allowed: int) -> Iterator[None]:
    """No file can grow beyond so many bytes: what programs see is a failed write."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (allowed, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def threads(count: int) -> Iterator[None]:
    """torch's threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def ecomp_run(folder: object, *more: str) -> list[str]:
    """The command line of a small, complete run."""
    return [
        *("run", "ecomp", "--set", "parent_widths=[16, 16]", "--set", "parent_images=6000"),
        *("--threads", "1", "--pop-size", "8", "--generations", "3", "--finish", "300"),
        *("--output", str(folder), *more),
    ]


def pixels_run(folder: object, *more: str, problem: type[Pixels] = Pixels) -> list[str]:
    """The same for a user's own problem."""
    name = f"tests.support.tiny_problem:{problem.__name__}"
    return ["run", name, "--threads", "1", "--output", str(folder), *more]
