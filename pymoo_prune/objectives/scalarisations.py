"""Objectives: quantities by name, or a scalarisation, which makes one objective of several."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np

from pymoo_prune.errors import PruneError, check_kind, check_real
from pymoo_prune.objectives.quantities import Measurements, Quantity, Values, signed


@dataclass(frozen=True)
class Scalarisation(ABC):
    """One objective made of several quantities.

    Attributes:
        kind: Its name in run folders and on the command line.
    """

    kind: ClassVar[str]

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """The quantities that the objective depends on."""

    @property
    def mentioned(self) -> tuple[str, ...]:
        """All quantities that the problem must measure; the same as `names` unless overridden."""
        return self.names

    @abstractmethod
    def F(self, measurements: Measurements, quantities: Mapping[str, Quantity]) -> Values:  # noqa: N802
        """The values that pymoo minimises, (n, 1); each depends on its candidate alone."""

    def __str__(self) -> str:
        """The scalarisation as the command line takes it."""
        return self.kind


@dataclass(frozen=True)
class WeightedSum(Scalarisation):
    """One objective: a weighted sum of quantities.

    Weights are positive, whether higher or lower values of a quantity are better:
    `WeightedSum({"accuracy": 1, "width": 0.5})` maximises the fitness accuracy - 0.5 width.

    Attributes:
        weights: The weight of each quantity, by its name.
        constant: Added to the fitness, for papers whose formula has a constant.
    """

    kind: ClassVar[str] = "weighted-sum"

    weights: Mapping[str, float]
    constant: float = 0.0

    def __post_init__(self) -> None:
        check_kind("weights", self.weights, Mapping, "an object of numbers by name")
        check_real("constant", self.constant)
        for name in self.weights:
            check_kind("a weight's name", name, str, "a text")
        numbers = (int, float)  # and no booleans; numpy's float64 is a float
        wrong = {
            name: w
            for name, w in self.weights.items()
            if isinstance(w, bool) or not isinstance(w, numbers) or not 0 <= w < np.inf
        }
        if wrong or not any(self.weights.values()):
            given = dict(self.weights)
            msg = f"weights must be finite, not negative and not all 0, but they are {given}"
            raise PruneError(msg)

    @property
    def names(self) -> tuple[str, ...]:
        """The quantities with a weight above 0."""
        return tuple(name for name, weight in self.weights.items() if weight > 0)

    @property
    def mentioned(self) -> tuple[str, ...]:
        """All quantities that have a weight, those with weight 0 too."""
        return tuple(self.weights)

    def F(self, measurements: Measurements, quantities: Mapping[str, Quantity]) -> Values:  # noqa: N802
        """Minus the fitness, (n, 1)."""
        weights = np.array([self.weights[name] for name in self.names])
        # A sum over each row: the last bits of a matrix product depend on the other rows.
        weighted = signed(self.names, measurements, quantities) * weights
        return np.asarray(weighted.sum(axis=1, keepdims=True) - self.constant)

    def __str__(self) -> str:
        """The scalarisation as the command line takes it."""
        return ",".join(f"{name}={self.weights[name]:.4g}" for name in self.names)


@dataclass(frozen=True)
class PrunedWeightsPerAccuracyDrop(Scalarisation):
    """One objective: PWAD = n_pruned / (acc_ori - acc_pruned), Tang et al., eq. 8.

    If accuracy is lost, F = accuracy_drop / pruned: up to a constant, the reciprocal of PWAD, so F
    is least where PWAD is largest. "A negative PWAD value is better than a positive one": if no
    accuracy is lost, F = -pruned. The paper does not say which of two negative values is better.
    It sorts in descending order, so the value nearest to 0 comes first: the fewest weights pruned
    for the largest gain. But gains on a few thousand images are mostly noise, while pruned weights
    are real, so here the candidate with more pruned weights is better. The problem measures
    "pruned": the share of the weights that this candidate prunes (eq. 9), without those pruned
    before.
    """

    kind: ClassVar[str] = "pwad"

    NOTHING: ClassVar[float] = 1e-15  # less than one weight of any network is a rounding error
    WORST: ClassVar[float] = 1e16  # above 1 / NOTHING: beyond any loss of something pruned

    @property
    def names(self) -> tuple[str, ...]:
        """The loss of accuracy, and the pruned share."""
        return ("accuracy_drop", "pruned")

    def F(self, measurements: Measurements, quantities: Mapping[str, Quantity]) -> Values:  # noqa: N802, ARG002
        """Loss per pruned share, or minus the pruned share if nothing is lost, (n, 1)."""
        drop, pruned = measurements["accuracy_drop"], measurements["pruned"]
        return np.where(drop > 0, self._loss(measurements), -pruned)[:, None]

    def _loss(self, measurements: Measurements) -> Values:
        drop, pruned = measurements["accuracy_drop"], measurements["pruned"]
        # PWAD is 0 where accuracy is lost for nothing.
        loss = np.full(drop.shape, self.WORST)
        np.divide(drop, pruned, out=loss, where=pruned > self.NOTHING)
        return loss


@dataclass(frozen=True)
class LiteralPrunedWeightsPerAccuracyDrop(PrunedWeightsPerAccuracyDrop):
    """PWAD as Tang et al. sort it: eq. 8 in descending order, negative values first.

    F = accuracy_drop / pruned, whatever its sign. So among candidates that gain accuracy, the one
    with the largest gain for the fewest weights is best; see `PrunedWeightsPerAccuracyDrop`.
    """

    kind: ClassVar[str] = "literal_pwad"

    def F(self, measurements: Measurements, quantities: Mapping[str, Quantity]) -> Values:  # noqa: N802, ARG002
        """Loss per pruned share, (n, 1); candidates without a pruned weight are worst."""
        return self._loss(measurements)[:, None]


SCALARISATIONS: Mapping[str, type[Scalarisation]] = {
    cls.kind: cls
    for cls in (WeightedSum, PrunedWeightsPerAccuracyDrop, LiteralPrunedWeightsPerAccuracyDrop)
}
"""The scalarisations that run folders can hold, by kind."""

Objectives = Sequence[str] | Scalarisation
"""The names of quantities, an objective each; or one scalarisation."""


def parse_objectives(names: Sequence[str]) -> Objectives:
    """Objectives from names: of quantities, or of one scalarisation that has no parameters.

    Args:
        names: ["accuracy", "macs"] for two objectives, ["pwad"] for that scalarisation.
    """
    if len(names) == 1 and (cls := SCALARISATIONS.get(names[0])) and not fields(cls):
        return cls()
    return tuple(names)


def objectives_text(objectives: Objectives) -> str:
    """Objectives as the command line takes them."""
    return str(objectives) if isinstance(objectives, Scalarisation) else ",".join(objectives)
