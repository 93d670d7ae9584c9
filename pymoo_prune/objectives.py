"""From measurements, in their natural sign, to what pymoo minimises.

Only this module knows that pymoo minimises. A problem measures accuracy 0.93; the objective
"accuracy" turns it into F = -0.93.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from pymoo_prune.errors import CandidateFailed, PruneError, unknown_name

Values = NDArray[np.float64]
Measurements = Mapping[str, Values]
"""From a quantity's name to its value for each of n candidates, (n,)."""

FAILED = 1e30
"""F and G of who could not be measured: worse than whatever is measured, and still a number."""


class Measured(dict[str, Values]):
    """Measurements of a population in which somebody failed; a plain mapping says that nobody did.

    Who failed has NaN wherever nothing could be measured. What is known all the same, such as a
    size, stays.

    Args:
        values: From a quantity's name to its value for each of n candidates, (n,).
        failures: Why candidates failed, by row.
    """

    def __init__(self, values: Measurements, failures: Mapping[int, str]) -> None:
        super().__init__(values)
        self.failures = dict(failures)


def failures_of(measurements: Measurements) -> Mapping[int, str]:
    """Why candidates failed, by row."""
    return measurements.failures if isinstance(measurements, Measured) else {}


def failed_rows(measurements: Measurements) -> NDArray[np.bool_]:
    """Who failed, (n,): in checked measurements, who has a NaN."""
    table = np.column_stack(list(measurements.values()))
    return np.asarray(np.isnan(table).any(axis=1))


def one_by_one(
    measure: Callable[..., float], *arguments: Iterable[Any]
) -> tuple[Values, dict[int, str]]:
    """Measures candidates one by one, and goes on where one fails.

    Args:
        measure: The value of one candidate; it raises `CandidateFailed` where there is none.
        arguments: What it takes, for one candidate after the other, for example the rows of X.

    Returns:
        The values, (n,), NaN for who failed; and the reasons by row, as `Measured` takes them.
    """
    values, failures = [], {}
    for row, given in enumerate(zip(*arguments, strict=True)):
        try:
            values.append(measure(*given))
        except CandidateFailed as error:
            values.append(np.nan)
            failures[row] = str(error)
    return np.array(values, dtype=np.float64), failures


@dataclass(frozen=True)
class Quantity:
    """Something that a problem measures: which way is better, and how it is written.

    Attributes:
        better: Whether a higher or a lower value is better.
        label: What an axis or a column is called.
        share: A value between 0 and 1, written in percent.
    """

    better: Literal["higher", "lower"]
    label: str
    share: bool = False

    @property
    def sign(self) -> float:
        """What the value is multiplied with to be minimised."""
        return -1.0 if self.better == "higher" else 1.0

    def format(self, value: float) -> str:
        """The value as a person reads it; a dash for NaN."""
        if np.isnan(value):
            return "–"
        if self.share:
            return f"{100 * value:.2f}\u00a0%"
        return f"{value:,.0f}" if float(value).is_integer() else f"{value:.4g}"


STANDARD: Mapping[str, Quantity] = {
    "accuracy": Quantity("higher", "accuracy", share=True),
    "accuracy_drop": Quantity("lower", "accuracy lost against the parent", share=True),
    "parameters": Quantity("lower", "parameters"),
    "sparsity": Quantity("higher", "parameters removed", share=True),
    "macs": Quantity("lower", "MACs"),
}
"""What every problem measures."""


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


def signed(
    names: Sequence[str], measurements: Measurements, quantities: Mapping[str, Quantity]
) -> Values:
    """Quantities side by side, with the sign that makes lower better, (n, number of names)."""
    return np.column_stack([quantities[name].sign * measurements[name] for name in names])


@dataclass(frozen=True)
class Constraint:
    """A bound that a candidate must keep.

    Attributes:
        name: The quantity.
        relation: "<=" or ">=".
        bound: The bound.
        relative: The bound is a share of what the parent has.
    """

    name: str
    relation: Literal["<=", ">="]
    bound: float
    relative: bool = False

    @classmethod
    def parse(cls, text: str) -> Constraint:
        """Reads "accuracy_drop<=0.02", or "macs<=20%" for a share of the parent's."""
        number = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
        match = re.fullmatch(rf"\s*(\w+)\s*(<=|>=)\s*({number})\s*(%?)\s*", text)
        if match is None or not np.isfinite(float(match[3])):
            msg = f"constraint {text!r} must read like 'accuracy_drop<=0.02' or 'macs<=20%'"
            raise PruneError(msg)
        name, relation, value, percent = match.groups()
        bound = float(value)
        return cls(
            name,
            "<=" if relation == "<=" else ">=",
            bound / 100 if percent else bound,
            bool(percent),
        )

    def limit(self, parent: Mapping[str, float]) -> float:
        """The bound in the quantity's own unit."""
        if self.relative and parent[self.name] == 0:
            msg = f"{self} is a share of what the parent has, and its {self.name} is 0"
            raise PruneError(msg)
        return self.bound * parent[self.name] if self.relative else self.bound

    def violation(self, measurements: Measurements, parent: Mapping[str, float]) -> Values:
        """How far each candidate is past the bound, (n,); negative or 0 where it is kept."""
        excess = measurements[self.name] - self.limit(parent)
        return excess if self.relation == "<=" else -excess

    def __str__(self) -> str:
        if not self.relative:
            return f"{self.name}{self.relation}{self.bound!r}"
        short = f"{100 * self.bound:.12g}"  # without the last bit's noise, where that is all
        number = short if float(short) / 100 == self.bound else repr(100 * self.bound)
        return f"{self.name}{self.relation}{number}%"


def parse_constraints(constraints: Sequence[Constraint | str]) -> list[Constraint]:
    """Bounds, read where they are text."""
    return [Constraint.parse(one) if isinstance(one, str) else one for one in constraints]


@dataclass(frozen=True)
class Goals:
    """What a search is after: objectives and constraints over a problem's quantities.

    Attributes:
        quantities: All that the problem measures.
        objectives: Names (one objective each), or one scalarisation.
        constraints: Bounds.
        front: Quantities that a front is over, where these are not those of the objectives:
            searches with different objectives are compared over the same.
    """

    quantities: Mapping[str, Quantity]
    objectives: Objectives
    constraints: Sequence[Constraint] = field(default=())
    front: Sequence[str] = field(default=())

    def __post_init__(self) -> None:
        if isinstance(self.objectives, str) or len(self.searched) == 0:
            given = repr(self.objectives)
            msg = f"objectives must be a list of names or a scalarisation, but they are {given}"
            raise PruneError(msg)
        mentioned = self.scalarisation.mentioned if self.scalarisation else self.searched
        for name in (*mentioned, *self.front):
            if name not in self.quantities:
                raise unknown_name("objective", name, self.quantities)
        for names in (self.searched, self.front):
            if len(set(names)) < len(names):
                msg = f"objectives must differ, but they are {list(names)}"
                raise PruneError(msg)
        for constraint in self.constraints:
            if constraint.name not in self.quantities:
                raise unknown_name("constrained quantity", constraint.name, self.quantities)

    @property
    def scalarisation(self) -> Scalarisation | None:
        """What makes one objective of several quantities, where the objectives are that."""
        return self.objectives if isinstance(self.objectives, Scalarisation) else None

    @property
    def searched(self) -> tuple[str, ...]:
        """The quantities that the objectives are made of."""
        if isinstance(self.objectives, Scalarisation):
            return self.objectives.names
        return tuple(self.objectives)

    @property
    def names(self) -> tuple[str, ...]:
        """The quantities that a front is over."""
        return tuple(self.front) or self.searched

    @property
    def n_obj(self) -> int:
        """How many values pymoo minimises."""
        return 1 if self.scalarisation else len(self.searched)

    def costs(self, measurements: Measurements) -> Values:
        """Every quantity of the front on its own, lower is better, (n, number of names)."""
        return signed(self.names, measurements, self.quantities)

    def unit_costs(self, measurements: Measurements, parent: Mapping[str, float]) -> Values:
        """Costs between 0, the best there can be, and 1, as bad as the parent is large.

        Shares are taken as they are (an accuracy as its error), counts relative to the parent, and
        what the parent has none of, such as a loss against it, as it is.

        Args:
            measurements: Of n candidates.
            parent: What the unpruned network measures.

        Returns:
            (n, number of names); hypervolumes take (1, ..., 1) as their reference point.
        """
        columns = []
        for name in self.names:
            quantity, values = self.quantities[name], measurements[name]
            if quantity.share:
                columns.append(1 - values if quantity.better == "higher" else values)
            else:
                unit = values / parent[name] if parent[name] > 0 else values
                columns.append(2 - unit if quantity.better == "higher" else unit)
        return np.column_stack(columns)

    def F(self, measurements: Measurements) -> Values:  # noqa: N802 - pymoo's name
        """What pymoo minimises, (n, n_obj)."""
        if self.scalarisation:
            return self.scalarisation.F(measurements, self.quantities)
        return signed(self.searched, measurements, self.quantities)

    def G(self, measurements: Measurements, parent: Mapping[str, float]) -> Values:  # noqa: N802
        """Constraint violations, (n, number of constraints)."""
        return np.column_stack([c.violation(measurements, parent) for c in self.constraints])


def check_measurements(
    measurements: Mapping[str, Any], quantities: Mapping[str, Quantity], n: int
) -> Measured:
    """Measurements as float arrays, or an error that names what is wrong.

    pymoo would reshape a transposed array into scrambled rows, and pass NaN on as a good value.
    Who failed, and nobody else, has NaN.

    Args:
        measurements: What a problem returned.
        quantities: What it promised to measure.
        n: How many candidates there were.

    Returns:
        The same values, each (n,) and float64, and the same failures.
    """
    missing, extra = (
        quantities.keys() - measurements.keys(),
        measurements.keys() - quantities.keys(),
    )
    if missing or extra:
        msg = (
            f"measurements must be {sorted(quantities)}, but "
            f"{sorted(missing) or 'none'} are missing and {sorted(extra) or 'none'} are unknown"
        )
        raise PruneError(msg)
    failures = failures_of(measurements)
    if not all(0 <= row < n and reason for row, reason in failures.items()):
        msg = f"failures must be reasons by row, of {n} rows, but they are {failures}"
        raise PruneError(msg)
    failed = np.isin(np.arange(n), list(failures))
    checked = Measured({}, failures)
    for name in quantities:
        values = np.asarray(measurements[name], dtype=np.float64)
        if values.shape != (n,):
            msg = f"measurement {name!r} must have shape ({n},), but it has {values.shape}"
            raise PruneError(msg)
        wrong = np.flatnonzero(~np.isfinite(values) & ~(np.isnan(values) & failed))
        if len(wrong):
            msg = (
                f"measurement {name!r} of candidate {wrong[0]} is {values[wrong[0]]}, not a finite "
                "number; who cannot be measured is returned with the reason, as Measured"
            )
            raise PruneError(msg)
        checked[name] = values
    unmarked = np.flatnonzero(failed & ~failed_rows(checked))
    if len(unmarked):
        msg = (
            f"candidate {unmarked[0]} failed ({failures[unmarked[0]]}), but all its measurements "
            "are numbers; what could not be measured must be NaN"
        )
        raise PruneError(msg)
    return checked
