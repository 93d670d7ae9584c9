"""All that a run asked for, as one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pymoo_prune.chromosomes import Array
from pymoo_prune.objectives import Values


@dataclass(frozen=True)
class Evaluations:
    """The evaluations of one run, in the order in which the search asked.

    Attributes:
        problem: The problem's name.
        method: The method's name.
        seed: The engine's seed.
        generation: The generation that asked, (n,).
        X: Chromosomes, (n, n_var); None where they are weights, or were not kept.
        measurements: Everything that was measured, in natural units, (n,) each; NaN where a
            candidate failed.
        objectives: The names of the objectives that methods are compared over, in the order of F.
        F: Costs in the order of `objectives`, (n, objectives): less is better; NaN where a
            candidate failed.
        feasible: Whether all constraints are kept, (n,).
        failures: Why a candidate failed, (n,); empty where it did not.
    """

    problem: str
    method: str
    seed: int
    generation: NDArray[np.int64]
    X: Array | None
    measurements: Mapping[str, Values]
    objectives: tuple[str, ...]
    F: Values
    feasible: NDArray[np.bool_]
    failures: Sequence[str]

    def __len__(self) -> int:
        return len(self.generation)
