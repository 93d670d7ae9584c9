"""All that a run asked for, as one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from pymoo_prune.chromosomes import Array, Booleans
from pymoo_prune.exchange.frames import frame_of
from pymoo_prune.objectives import Goals, Values, failed_rows, feasible

if TYPE_CHECKING:
    import pandas as pd

UNKNOWN = "the reason was not kept"
"""Why a candidate failed, where nothing says why."""


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
        shares: The objectives that are shares of a count of the whole network, and that count.
    """

    problem: str
    method: str
    seed: int
    generation: NDArray[np.int64]
    X: Array | None
    measurements: Mapping[str, Values]
    objectives: tuple[str, ...]
    F: Values
    feasible: Booleans
    failures: Sequence[str]
    maximised: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    shares: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        measurements: Mapping[str, Values],
        goals: Goals,
        parent: Mapping[str, float],
        *,
        problem: str,
        method: str,
        seed: int,
        generation: NDArray[np.int64],
        X: Array | None = None,
        failures: Sequence[str] | None = None,
        notes: Sequence[str] = (),
    ) -> Self:
        """The evaluations of a run, from what was measured.

        Args:
            measurements: In natural units, (n,) each; NaN where a candidate failed.
            goals: What methods are compared over, and the constraints.
            parent: The unpruned network's measurements, for constraints that are relative to it.
            problem: The problem's name.
            method: The method's name.
            seed: The engine's seed.
            generation: The generation that asked, (n,).
            X: Chromosomes, (n, n_var).
            failures: Why candidates failed, (n,); None where the reasons are not known.
            notes: What a reader must know, as sentences.
        """
        failed = failed_rows(measurements)
        reasons = [UNKNOWN] * len(failed) if failures is None else failures
        return cls(
            problem=problem,
            method=method,
            seed=seed,
            generation=generation,
            X=X,
            measurements=measurements,
            objectives=goals.names,
            F=goals.costs(measurements),
            feasible=feasible(measurements, goals.constraints, parent),
            failures=[
                (reason or UNKNOWN) if one else ""
                for reason, one in zip(reasons, failed.tolist(), strict=True)
            ],
            maximised=tuple(n for n in goals.names if goals.quantities[n].better == "higher"),
            notes=tuple(notes),
        )

    def __len__(self) -> int:
        return len(self.generation)

    @property
    def name(self) -> str:
        """Names the run among others."""
        return f"{self.problem}, {self.method}, seed {self.seed}"

    @property
    def failed(self) -> Booleans:
        """Which candidates failed, (n,)."""
        told = np.array([bool(reason) for reason in self.failures], dtype=bool)
        failed: Booleans = told | np.isnan(self.F).any(axis=1)
        return failed

    def to_pandas(self) -> pd.DataFrame:
        """A row for each evaluation: the run, the chromosome and all that was measured."""
        return frame_of([self])
