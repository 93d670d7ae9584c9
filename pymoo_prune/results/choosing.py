"""Choosing a network of a front by its numbers.

The suggestion is the smallest network within one point of the parent's accuracy, or, where images
have no labels, near the parent by its divergence. A knee is further
down: where a search also finds tiny networks of little accuracy, they draw the knee towards them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from pymoo_prune.chromosomes import Array
from pymoo_prune.errors import PruneError, unknown_name
from pymoo_prune.objectives import (
    DIVERGENCE,
    Constraint,
    Goals,
    Quantity,
    Values,
    judge_of,
    without_judgements,
)
from pymoo_prune.results.quantities import EVALUATION

ONE_POINT = 0.01
"""The accuracy that a suggestion may lose."""
WITHIN = "one point of the parent's accuracy on the validation images"
NEAR = 0.05
"""The divergence that a suggestion may have, in nats, where accuracies are not known."""
WITHIN_NATS = f"{NEAR} nats of the parent on the validation images"


@dataclass(frozen=True)
class Suggestion:
    """The network of a front that is taken where the user names none.

    Attributes:
        place: Its row in the front.
        reason: Why it is this one.
    """

    place: int
    reason: str


def suggest(goals: Goals, columns: Mapping[str, Values], parent: Mapping[str, float]) -> Suggestion:
    """The smallest network within one point of the parent's accuracy; the first size decides.

    Where none is within one point, the most accurate one; where the objectives have neither
    accuracy nor divergence, or no size, the knee. Without labels, a divergence of `NEAR` takes the
    place of the point.

    Args:
        goals: The search's goals.
        columns: The front's numbers, (n,) each.
        parent: The parent's measurements.
    """
    names = without_judgements(goals.names, goals.quantities)
    known, quantities = [n for n in names if n in parent], goals.quantities
    sizes = [n for n in known if _is_size(quantities[n], columns[n], parent[n])]
    if len(names) == len(goals.names) or not sizes:
        return Suggestion(knee(goals, columns), "the knee of the front")
    size = quantities[sizes[0]].sign * columns[sizes[0]]
    drop, most, best, bound = columns.get("accuracy_drop"), ONE_POINT, "most accurate", WITHIN
    if drop is None:
        drop, most, best, bound = _without_accuracy(goals, columns, parent)
    within = np.flatnonzero(drop <= most + 1e-6)  # .95 - .94 is a bit more than .01
    if len(within) == 0:
        place = int(np.lexsort((size, drop))[0])
        return Suggestion(place, f"the {best}, as none is within {bound}")
    place = int(within[np.lexsort((drop[within], size[within]))[0]])
    return Suggestion(place, f"the smallest within {bound}")


def _without_accuracy(
    goals: Goals, columns: Mapping[str, Values], parent: Mapping[str, float]
) -> tuple[Values, float, str, str]:
    """What networks lose, (n,), how much they may lose, and both in words.

    A metric may lose a hundredth of the parent's value, or one point where it is a share.
    """
    where = "on the validation images"
    judge = judge_of(goals.quantities)
    if judge == DIVERGENCE or judge not in columns or judge not in parent:
        nats = "(nats)" in goals.quantities[DIVERGENCE].label
        text = WITHIN_NATS if nats else f"{NEAR} of the parent's variance {where}"
        return columns[DIVERGENCE], NEAR, "nearest", text
    one, whole = goals.quantities[judge], parent[judge]
    drop = one.sign * (columns[judge] - whole)
    if one.share:
        return drop, ONE_POINT, f"best in {judge}", f"one point of the parent's {judge} {where}"
    text = f"1 % of the parent's {judge} {where}"
    return drop, ONE_POINT * abs(whole), f"best in {judge}", text


def _is_size(quantity: Quantity, values: Values, whole: float) -> bool:
    """Whether the parent has the most of a quantity, or the least of what is removed."""
    if quantity.better == "lower":
        return whole > 0
    return bool((values >= whole).all() and (values > whole).any())


def knee(goals: Goals, columns: Mapping[str, Values]) -> int:
    """The place of a front's knee: the least sum of objectives, each scaled to [0, 1]."""
    costs = goals.costs(columns)
    spread = np.ptp(costs, axis=0)
    scaled = (costs - costs.min(axis=0)) / np.where(spread > 0, spread, 1)
    return int(scaled.sum(axis=1).argmin())


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

    def suggestion(self) -> Suggestion:
        """The network to take: the fittest with one goal, else what `suggest` says."""
        goals = self.goals()
        if goals.n_obj == 1:
            return Suggestion(self.fittest(), "the fittest")
        return suggest(goals, self.columns, self.parent())

    def knee(self) -> int:
        """The network farthest from the plane through the extremes of the front."""
        return knee(self.goals(), self.columns)

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
        if choice == "suggestion":
            return self.suggestion().place
        if choice in ("knee", "fittest"):
            return self.knee() if choice == "knee" else self.fittest()
        if re.search("[<>=]", choice):
            bounded, judged = Constraint.parse(choice).name, self._judged
            by_it = "accuracy" in bounded or bounded in (judged, f"finished_{judged}")
            return self.best("parameters" if by_it else judged, within=choice)
        if choice not in self.columns and not self._lacks_labels(choice):
            raise unknown_name("pick", choice, ["suggestion", "knee", "fittest", *self._choosable])
        return self.best(choice)

    @property
    def _judged(self) -> str:
        """What says how good networks are."""
        return judge_of({n: self.quantities[n] for n in self.columns if n in self._measured})

    @property
    def _measured(self) -> list[str]:
        """What the search measured of networks, as far as columns tell."""
        return [name for name in self.columns if not name.startswith(("test_", "finished_"))]

    def _lacks_labels(self, name: str) -> bool:
        """Whether a name is that of an accuracy that is unknown, as images have no labels."""
        unknown = "accuracy" not in self.columns and name not in self.columns
        return unknown and "accuracy" in name

    @property
    def _choosable(self) -> list[str]:
        tested = ("test_", "finished_test_")
        return [n for n in self.columns if not n.startswith(tested) and n not in EVALUATION]

    def _check_quantity(self, name: str) -> None:
        if self._lacks_labels(name):
            judged = self._judged
            why = "the images have no labels"
            if judged != DIVERGENCE:
                why = f"networks are judged by {judged}"
            msg = f"{name} is not known, as {why}; choose by {', '.join(self._choosable)}"
            raise PruneError(msg)
        if name not in self.columns or name in EVALUATION:
            raise unknown_name("quantity", name, self._choosable)
        if name not in self._choosable:
            judged = name.removeprefix("finished_").removeprefix("test_")
            msg = (
                f"{name} is for reporting: a network chosen by its {judged} on the test images "
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
