"""Engines that the suite is tried with, and a search that begins with good candidates."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymoo.algorithms.moo.nsga2 import NSGA2

from pymoo_prune.operators import Candidates, Remeasured
from pymoo_prune.studies import Asked, recorded
from pymoo_prune.suite import Instance

LARGE_POPULATION = 200
ENGINES = ("nsga2", "nsga3", "sms-emoa", "moead", "spea2", "age-moea", "random")
"""Engines that the suite is tried with; MOEA/D takes no constraints."""


def continued(instance: Instance, start: NDArray[Any], budget: int, seed: int) -> Asked:
    """NSGA-II from a first population that is good already.

    Args:
        instance: The instance.
        start: The candidates that it begins with, (n, n_var); random ones come after them.
        budget: Evaluations.
        seed: The engine's seed.
    """

    def first(n: int, generator: np.random.Generator) -> NDArray[Any]:
        few = generator.permutation(start)[: n - n // 5]
        return np.vstack([few, instance.random(n - len(few), generator)])

    operators = {**instance.operators(), "sampling": Candidates(first)}
    algorithm = NSGA2(pop_size=LARGE_POPULATION, **operators)
    if instance.definition.noisy:
        algorithm.survival = Remeasured(algorithm.survival)
    return recorded(algorithm, instance, budget, seed)
