"""Stand-ins for measuring executors: a problem without cost, and workers without a process."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
from torch import nn

from pymoo_prune import Data, Measurements, PruningProblem
from pymoo_prune.chromosomes import Array
from pymoo_prune.executors import Answer, Dispatcher, Done, Executor, Ready, Worker
from pymoo_prune.operators import (
    BalancedMaskMutation,
    Candidates,
    DigestDuplicates,
    UniformMaskCrossover,
)

GENES = 1_000


class Free(PruningProblem):
    """Masks whose measurements cost nothing; there is no network behind them."""

    def __init__(self, data: Data) -> None:
        super().__init__(
            data, n_var=GENES, objectives=["accuracy", "parameters"], vtype=bool, xl=0, xu=1
        )

    def measure(self, X: Array) -> Measurements:
        """Sums of genes."""
        kept, first = X.mean(axis=1), X[:, : GENES // 2].mean(axis=1)
        return {
            "accuracy": first,
            "accuracy_drop": 1 - first,
            "parameters": GENES * kept,
            "sparsity": 1 - kept,
            "macs": GENES * kept,
        }

    def network(self, x: Array) -> nn.Module:
        """Not used."""
        raise NotImplementedError

    def operators(self) -> dict[str, Any]:
        """The usual ones of masks."""
        return {
            "sampling": Candidates(self.random),
            "crossover": UniformMaskCrossover([GENES]),
            "mutation": BalancedMaskMutation([GENES]),
            "eliminate_duplicates": DigestDuplicates(),
        }

    def random(self, n: int, generator: np.random.Generator) -> Array:
        """Masks of any density."""
        return generator.random((n, GENES)) < generator.uniform(0.1, 0.9, (n, 1))

    def parent_measurements(self) -> Mapping[str, float]:
        """All genes."""
        whole = self.measure(np.ones((1, GENES), dtype=bool))
        return {name: float(values[0]) for name, values in whole.items()}


class Watch(Executor):
    """Another executor, and how long it took.

    Args:
        executor: The other one.

    Attributes:
        seconds: Its time, waiting included.
        worked: What its workers measured, added up.
    """

    loses = True

    def __init__(self, executor: Executor) -> None:
        self.executor, self.seconds, self.worked = executor, 0.0, 0.0

    def measure(self, problem: PruningProblem, X: Array, batch: int | None) -> Any:
        """Measures, with a look at the clock before and after each part."""
        parts = self.executor.measure(problem, X, batch)
        while True:
            began = time.perf_counter()
            part = next(parts, None)
            self.seconds += time.perf_counter() - began
            if part is None:
                return
            self.worked += part.seconds
            yield part


class Pretended(Worker):
    """A worker without a process."""

    X: Array | None = None

    def start(self) -> None:
        """There is nothing to start."""

    def give(self, X: Array, batch: int | None) -> None:  # noqa: ARG002
        """Keeps it."""
        self.X = X

    def stop(self) -> None:
        """There is nothing to stop."""


class Crowd(Dispatcher):
    """Many workers without processes: ten have an answer at every look.

    Args:
        problem: Measures, at no cost.
        workers: How many.
    """

    AT_ONCE, SECONDS = 10, 10.0  # with 10,000 workers ten are done every hundredth of a second

    def __init__(self, problem: PruningProblem, workers: int) -> None:
        super().__init__(workers)
        self.problem = problem
        self.working: deque[Pretended] = deque()

    def _publish(self, problem: PruningProblem) -> None:
        """Not used."""

    def _withdraw(self) -> None:
        """Nothing to close."""

    def _needs(self) -> str:
        return "nothing"

    def _hire(self) -> Worker:
        self.working.append(Pretended())
        return self.working[-1]

    def _answers(self, timeout: float) -> Iterator[tuple[Worker, Answer]]:  # noqa: ARG002
        for _ in range(min(self.AT_ONCE, len(self.working))):
            worker = self.working.popleft()
            if worker.X is None:
                yield worker, Ready(version("pymoo-prune"), self.problem.fingerprint)
            else:
                yield worker, Done(self.problem.measured(worker.X), self.SECONDS)
            self.working.append(worker)
