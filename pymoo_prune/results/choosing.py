"""Choosing a network of a front by its numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from pymoo_prune.chromosomes import Array
from pymoo_prune.errors import PruneError, unknown_name
from pymoo_prune.objectives import Constraint, Goals, Quantity, Values
from pymoo_prune.results.quantities import EVALUATION


def no_fittest() -> PruneError:
    """An error for a fittest network that is asked for where there are several objectives."""
    return PruneError(
        "with several objectives there is no fittest network; pick the knee, or a bound"
    )


@dataclass(frozen=True)
class Choice:
    """Finds the place of a network in a front.

    Attributes:
        columns: The front's numbers, (n,) each.
        quantities: Labels and units of the columns.
        goals: The search's goals, when they are asked for.
        parent: The parent's measurements, when they are asked for.
    """

    columns: Mapping[str, Values]
    quantities: Mapping[str, Quantity]
    goals: Callable[[], Goals]
    parent: Callable[[], Mapping[str, float]]

    def knee(self) -> int:
        """The network farthest from the plane through the extremes of the front.

        With every objective scaled to [0, 1] over the front, that is the least sum.
        """
        costs = self.goals().costs(self.columns)
        spread = np.ptp(costs, axis=0)
        scaled = (costs - costs.min(axis=0)) / np.where(spread > 0, spread, 1)
        return int(scaled.sum(axis=1).argmin())

    def fittest(self) -> int:
        """The network with the best fitness, where the objectives are one weighted sum."""
        F = self.goals().F(self.columns)
        if F.shape[1] > 1:
            raise no_fittest()
        return int(F[:, 0].argmin())

    def best(self, name: str, within: str | None = None) -> int:
        """The best network in one quantity, within a bound on another."""
        self._check_quantity(name)
        costs = self.quantities[name].sign * self.columns[name]
        rows = np.arange(len(costs)) if within is None else self._rows_within(within)
        # A network whose retraining diverged has no number, and is the best in nothing.
        return int(rows[np.nan_to_num(costs[rows], nan=np.inf).argmin()])

    def by_phrase(self, choice: str) -> int:
        """The network that a phrase describes; see `Front.pick`."""
        if re.fullmatch(r"-?[0-9]+", choice):
            return int(choice)
        if choice in ("knee", "fittest"):
            return self.knee() if choice == "knee" else self.fittest()
        if re.search("[<>=]", choice):
            about_accuracy = "accuracy" in Constraint.parse(choice).name
            return self.best("parameters" if about_accuracy else "accuracy", within=choice)
        if choice not in self.columns:
            raise unknown_name("pick", choice, ["knee", "fittest", *self._choosable])
        return self.best(choice)

    @property
    def _choosable(self) -> list[str]:
        return [n for n in self.columns if "test" not in n and n not in EVALUATION]

    def _check_quantity(self, name: str) -> None:
        if name not in self.columns or name in EVALUATION:
            raise unknown_name("quantity", name, self._choosable)
        if name not in self._choosable:
            msg = (
                f"{name} is for reporting: a network chosen by its accuracy on the test images "
                f"looks better than it is; choose by {', '.join(self._choosable)}"
            )
            raise PruneError(msg)

    def _rows_within(self, bound: str) -> Array:
        constraint = Constraint.parse(bound)
        self._check_quantity(constraint.name)
        parent = self.parent() if constraint.relative else {}
        if constraint.relative and constraint.name not in parent:
            msg = f"{bound} is a share of the parent's, which is known for {', '.join(parent)} only"
            raise PruneError(msg)
        violation = np.nan_to_num(constraint.violation(self.columns, parent), nan=np.inf)
        rows = np.flatnonzero(violation <= 0)
        if len(rows) == 0:
            nearest = int(violation.argmin())
            value = self.columns[constraint.name][nearest]
            text = self.quantities[constraint.name].format(value)
            msg = f"no network keeps {bound}; the nearest is network {nearest} with {text}"
            raise PruneError(msg)
        return rows
