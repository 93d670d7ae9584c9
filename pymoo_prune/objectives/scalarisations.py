"""Objectives: the names of quantities, or one objective that is made of several."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np

from pymoo_prune.errors import PruneError
from pymoo_prune.objectives.quantities import Measurements, Quantity, Values, signed


@dataclass(frozen=True)
class Scalarisation(ABC):
    """One objective that is made of several measurements.

    Attributes:
        kind: What run folders and the command line call it.
    """

    kind: ClassVar[str]

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """The quantities that count."""

    @property
    def mentioned(self) -> tuple[str, ...]:
        """All quantities that must exist; `names` unless written."""
        return self.names

    @abstractmethod
    def F(self, measurements: Measurements, quantities: Mapping[str, Quantity]) -> Values:  # noqa: N802
        """What pymoo minimises, (n, 1); a candidate's value does not depend on the others."""

    def __str__(self) -> str:
        """As the command line takes it."""
        return self.kind


@dataclass(frozen=True)
class WeightedSum(Scalarisation):
    """One objective: the sum of measurements, each with the weight of its importance.

    Weights are positive numbers whichever way a quantity is better: with
    `WeightedSum({"accuracy": 1, "width": 0.5})` the fitness accuracy - 0.5 width is maximised.

    Attributes:
        weights: Importance by name.
        constant: Added to the fitness, where a paper's formula has one.
    """

    kind: ClassVar[str] = "weighted-sum"

    weights: Mapping[str, float]
    constant: float = 0.0

    def __post_init__(self) -> None:
        wrong = {name: w for name, w in self.weights.items() if not (np.isfinite(w) and w >= 0)}
        if wrong or not any(self.weights.values()):
            given = dict(self.weights)
            msg = f"weights must be finite, not negative and not all 0, but they are {given}"
            raise PruneError(msg)

    @property
    def names(self) -> tuple[str, ...]:
        """The quantities that count."""
        return tuple(name for name, weight in self.weights.items() if weight > 0)

    @property
    def mentioned(self) -> tuple[str, ...]:
        """Those with weight 0 too."""
        return tuple(self.weights)

    def F(self, measurements: Measurements, quantities: Mapping[str, Quantity]) -> Values:  # noqa: N802
        """Minus the fitness, (n, 1)."""
        weights = np.array([self.weights[name] for name in self.names])
        # A sum over each row, not a matrix product, whose last bits depend on the other rows.
        weighted = signed(self.names, measurements, quantities) * weights
        return np.asarray(weighted.sum(axis=1, keepdims=True) - self.constant)

    def __str__(self) -> str:
        """As the command line takes it."""
        return ",".join(f"{name}={self.weights[name]:.4g}" for name in self.names)


@dataclass(frozen=True)
class PrunedWeightsPerAccuracyDrop(Scalarisation):
    """One objective: PWAD = n_pruned / (acc_ori - acc_pruned), Tang et al., eq. 8.

    Where accuracy is lost, F = accuracy_drop / pruned, the reciprocal of PWAD but for a constant:
    least where PWAD is largest. "A negative PWAD value is better than a positive one": where none
    is lost, F = -pruned. The paper does not say which of two negative values is better. Sorted in
    descending order, as it sorts, the one nearest to 0 comes first, which has the fewest weights
    pruned for the largest gain; but gains on a few thousand images are mostly noise, and pruned
    weights are real, so here the more pruned one is better. The problem measures "pruned": the
    share of the weights that this candidate prunes (eq. 9), without those pruned before.
    """

    kind: ClassVar[str] = "pwad"

    NOTHING: ClassVar[float] = 1e-15  # less than one weight of any network is a rounding error
    WORST: ClassVar[float] = 1e16  # above 1 / NOTHING: beyond any loss of something pruned

    @property
    def names(self) -> tuple[str, ...]:
        """The loss, and what it is paid for."""
        return ("accuracy_drop", "pruned")

    def F(self, measurements: Measurements, quantities: Mapping[str, Quantity]) -> Values:  # noqa: N802, ARG002
        """Loss per pruned share, or minus the pruned share where nothing is lost, (n, 1)."""
        drop, pruned = measurements["accuracy_drop"], measurements["pruned"]
        # PWAD is 0 where accuracy is lost for nothing.
        loss = np.full(drop.shape, self.WORST)
        np.divide(drop, pruned, out=loss, where=pruned > self.NOTHING)
        return np.where(drop > 0, loss, -pruned)[:, None]


SCALARISATIONS: Mapping[str, type[Scalarisation]] = {
    cls.kind: cls for cls in (WeightedSum, PrunedWeightsPerAccuracyDrop)
}
"""Those that run folders can hold, by kind."""

Objectives = Sequence[str] | Scalarisation
"""Names of quantities, one objective each; or one scalarisation."""


def parse_objectives(names: Sequence[str]) -> Objectives:
    """Objectives by name: quantities, or a single scalarisation that has no parameters.

    Args:
        names: ["accuracy", "macs"] for two objectives, ["pwad"] for that scalarisation.
    """
    if len(names) == 1 and (cls := SCALARISATIONS.get(names[0])) and not fields(cls):
        return cls()
    return tuple(names)


def objectives_text(objectives: Objectives) -> str:
    """As the command line takes them."""
    return str(objectives) if isinstance(objectives, Scalarisation) else ",".join(objectives)
