"""All that a run asked for, as one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pymoo_prune.chromosomes import Array, Booleans
from pymoo_prune.exchange.frames import frame_of
from pymoo_prune.objectives import Values

if TYPE_CHECKING:
    import pandas as pd


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
        feasible: Whether all constraints are kept, (n,); False where a candidate failed.
        failures: Why a candidate failed, (n,); empty where it did not.
        maximised: The objectives of which more is better: their costs are their negative values.
        notes: What a reader must know, as sentences: that the run is not finished, for example.
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
    maximised: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.generation)

    @property
    def name(self) -> str:
        """Names the run among others."""
        return f"{self.problem}, {self.method}, seed {self.seed}"

    @property
    def failed(self) -> Booleans:
        """Which candidates failed, (n,)."""
        return np.array([bool(reason) for reason in self.failures], dtype=bool)

    def to_pandas(self) -> pd.DataFrame:
        """A row for each evaluation: the run, the chromosome and all that was measured."""
        return frame_of([self])
