"""The goals of a search: its objectives, and the constraints that candidates must keep."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from pymoo_prune.errors import PruneError, check_kind, check_real, shown, unknown_name
from pymoo_prune.objectives.quantities import Measurements, Quantity, Values, signed
from pymoo_prune.objectives.scalarisations import Objectives, Scalarisation


@dataclass(frozen=True)
class Constraint:
    """A bound that a candidate must keep.

    Attributes:
        name: The quantity.
        relation: "<=" or ">=".
        bound: The bound.
        relative: Whether the bound is a share of the parent's value.
    """

    name: str
    relation: Literal["<=", ">="]
    bound: float
    relative: bool = False

    def __post_init__(self) -> None:
        check_kind("a constraint's name", self.name, str, "a text")
        check_real(f"the bound on {self.name}", self.bound)
        check_kind("relative", self.relative, bool, "True or False")
        if not isinstance(self.relation, str) or self.relation not in ("<=", ">="):
            msg = f"a constraint's relation must be '<=' or '>=', but it is {shown(self.relation)}"
            raise PruneError(msg)
        if self.relative and self.bound < 0:
            msg = f"a bound relative to the parent must not be negative, as in {str(self)!r}"
            raise PruneError(msg)

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
            msg = f"{self} is a share of the parent's {self.name}, which is 0"
            raise PruneError(msg)
        return self.bound * parent[self.name] if self.relative else self.bound

    def violation(self, measurements: Measurements, parent: Mapping[str, float]) -> Values:
        """How far each candidate is past the bound, (n,); 0 or negative if it keeps the bound."""
        excess = measurements[self.name] - self.limit(parent)
        return excess if self.relation == "<=" else -excess

    def __str__(self) -> str:
        if not self.relative:
            return f"{self.name}{self.relation}{self.bound!r}"
        short = f"{100 * self.bound:.12g}"  # without noise in the last bit, if nothing else is lost
        number = short if float(short) / 100 == self.bound else repr(100 * self.bound)
        return f"{self.name}{self.relation}{number}%"


def mentioned_in(objectives: Any) -> tuple[str, ...]:
    """The quantities that objectives mention; what are no objectives is refused.

    Args:
        objectives: Names of quantities, or a scalarisation.
    """
    if isinstance(objectives, Scalarisation):
        return objectives.mentioned
    names = isinstance(objectives, Sequence) and not isinstance(objectives, str | bytes)
    if not names or not objectives or not all(isinstance(name, str) for name in objectives):
        msg = (
            "objectives must be a list of names or a scalarisation, but they are "
            f"{shown(objectives)}"
        )
        raise PruneError(msg)
    return tuple(objectives)


def parse_constraints(constraints: Sequence[Constraint | str]) -> list[Constraint]:
    """Constraints; those that are text are parsed."""
    if not isinstance(constraints, Sequence) or isinstance(constraints, bytes):
        msg = f"constraints must be a list of bounds, but they are {shown(constraints)}"
        raise PruneError(msg)
    for one in constraints:
        check_kind("a constraint", one, (Constraint, str), "a Constraint, or a text")
    return [Constraint.parse(one) if isinstance(one, str) else one for one in constraints]


@dataclass(frozen=True)
class Goals:
    """The goals of a search: objectives and constraints over a problem's quantities.

    Attributes:
        quantities: All that the problem measures.
        objectives: Names (one objective each), or one scalarisation.
        constraints: Bounds.
        front: Quantities that a front is over, if they differ from those of the objectives:
            searches with different objectives are compared over the same quantities.
    """

    quantities: Mapping[str, Quantity]
    objectives: Objectives
    constraints: Sequence[Constraint] = field(default=())
    front: Sequence[str] = field(default=())

    def __post_init__(self) -> None:
        for name in (*mentioned_in(self.objectives), *self.front):
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
        """The scalarisation, if the objectives are one; else None."""
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
        """The number of values that pymoo minimises."""
        return 1 if self.scalarisation else len(self.searched)

    def costs(self, measurements: Measurements) -> Values:
        """Each quantity of the front as a cost, of which less is better, (n, number of names)."""
        return signed(self.names, measurements, self.quantities)

    def unit_costs(self, measurements: Measurements, parent: Mapping[str, float]) -> Values:
        """Costs: 0 is the best possible value, 1 is the worst share or the parent's count.

        A share is its own cost (an accuracy counts as its error). A metric that judges costs 1/2
        where it is the parent's, and 1 where it is its worst. A count is divided by the
        parent's; if more is better, its cost is 2 minus that. A quantity that is 0 for the parent,
        such as a loss against it, stays as it is.

        Args:
            measurements: The measurements of n candidates.
            parent: The measurements of the parent.

        Returns:
            (n, number of names); hypervolumes take (1, ..., 1) as their reference point.
        """
        columns = []
        for name in self.names:
            quantity, values = self.quantities[name], measurements[name]
            if quantity.share:
                columns.append(1 - values if quantity.better == "higher" else values)
            elif quantity.judges:
                columns.append(_unit_of_metric(name, quantity, values, parent))
            else:
                # What is known of every parent, such as a divergence of 0, need not be measured.
                known = None if name in parent else quantity.whole
                whole = parent[name] if known is None else known
                unit = values / whole if whole > 0 else values
                columns.append(2 - unit if quantity.better == "higher" else unit)
        return np.column_stack(columns)

    def F(self, measurements: Measurements) -> Values:  # noqa: N802 - pymoo's name
        """The values that pymoo minimises, (n, n_obj)."""
        if self.scalarisation:
            return self.scalarisation.F(measurements, self.quantities)
        return signed(self.searched, measurements, self.quantities)

    def G(self, measurements: Measurements, parent: Mapping[str, float]) -> Values:  # noqa: N802
        """Constraint violations, (n, number of constraints)."""
        return np.column_stack([c.violation(measurements, parent) for c in self.constraints])


def _unit_of_metric(
    name: str, quantity: Quantity, values: Values, parent: Mapping[str, float]
) -> Values:
    """A metric as a cost, (n,): 1/2 is the parent's value, 1 the worst.

    Args:
        name: The metric, on the search images or on others.
        quantity: Its direction, and its worst value.
        values: Its values, (n,).
        parent: The parent's measurements on the search images.
    """
    searched = name.removeprefix("finished_").removeprefix("test_")
    known = parent.get(name, parent[searched])
    worst = quantity.worst
    if worst is None:
        # Values may be negative, as logarithms of likelihoods are.
        twice = (known > 0) == (quantity.better == "lower")
        worst = 2 * known if twice else 0.0
    way = abs(worst - known) or 1.0
    return 0.5 + quantity.sign * (values - known) / (2 * way)
