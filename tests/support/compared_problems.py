"""Problems that a comparison must cope with: some candidates, processes or methods are missing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.algorithm import Algorithm

from pymoo_prune import Baseline, Data, Measurements, PruningProblem
from pymoo_prune.chromosomes import Array
from pymoo_prune.objectives import Values
from pymoo_prune.operators import Candidates
from pymoo_prune.problem import Rivals
from tests.support.tiny_problem import FailingPixels, Pixels


def small_nsga2(problem: PruningProblem, pop_size: int) -> Algorithm:
    """An engine as a user's module has it."""
    return NSGA2(pop_size=pop_size - 2, **problem.operators())


def halves(n: int, generator: np.random.Generator) -> Array:
    """More than enough pixels for `FailingPixels`."""
    return np.asarray(generator.random((n, 64)) < 0.6)


class Tiny(FailingPixels):
    """A problem whose random candidates are too small to be measured; an engine's are not."""

    def operators(self) -> dict[str, Any]:
        return {**super().operators(), "sampling": Candidates(halves)}

    def random(self, n: int, generator: np.random.Generator) -> Array:
        return generator.random((n, self.n_var)) < 0.05


class FirstPixels(Rivals):
    """The first pixels: a simple method that knows no better."""

    def __init__(self, problem: Pixels) -> None:
        self.problem = problem

    def at(self, front: Mapping[str, Values]) -> list[Baseline]:
        X = np.array([np.arange(64) < 64 * share for share in front["pixels"]])
        measured = self.problem.measure(X)
        sizes = {name: measured[name] for name in ("parameters", "macs", "pixels")}
        return [Baseline("first pixels", [self.problem.network(x) for x in X], sizes)]


class WithBaselines(Pixels):
    """Pixels with a rival."""

    def __init__(self, data: Data, **options: Any) -> None:
        super().__init__(data, **options)
        self.rivals = FirstPixels(self)


class NoRandom(Pixels):
    """A problem that does not say what a random candidate is."""

    random = PruningProblem.random

    def operators(self) -> dict[str, Any]:
        return {**super().operators(), "sampling": Candidates(halves)}


class Dying(Pixels):
    """A problem whose process ends at the 20th candidate, as if memory had run out; only once."""

    MARK = "died"
    measured_by_process = 0

    def measure(self, X: Array) -> Measurements:
        Dying.measured_by_process += len(X)
        if Dying.measured_by_process > 20 and not Path(self.MARK).exists():
            Path(self.MARK).touch()
            os._exit(1)
        return super().measure(X)
