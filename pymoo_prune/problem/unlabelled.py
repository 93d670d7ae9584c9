"""Searches on images without labels: what they can measure, and what is refused."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pymoo_prune.data import Data
from pymoo_prune.errors import PruneError
from pymoo_prune.objectives import (
    DIVERGENCE,
    Constraint,
    Goals,
    Measurements,
    Objectives,
    Quantity,
    Scalarisation,
    Values,
    parse_constraints,
)

if TYPE_CHECKING:
    from pymoo_prune.problem.pruning_problem import PruningProblem

NEED_LABELS = ("accuracy", "accuracy_drop")
"""Quantities that need labels; so do those that follow from them."""


def objectives_on(
    data: Data,
    cls: type[PruningProblem],
    objectives: Objectives,
    constraints: Sequence[Constraint | str] = (),
    front: Sequence[str] = (),
) -> Objectives:
    """Objectives that a problem can measure on some images, or an error that names one it cannot.

    Without labels, the divergence takes the place of the accuracy among the problem's defaults.

    Args:
        data: The images.
        cls: The problem's class.
        objectives: Names of quantities, or a scalarisation.
        constraints: Bounds on quantities.
        front: Quantities of a front.
    """
    if data.labelled:
        return objectives
    known = _known(data, cls)
    # The very same object: a user who asks for the same quantities makes another one.
    if objectives is _default(cls) and not isinstance(objectives, Scalarisation):
        objectives = by_divergence(objectives)
    asked = objectives.mentioned if isinstance(objectives, Scalarisation) else objectives
    bounds = [bound.name for bound in parse_constraints(constraints)]
    for name in (*asked, *front, *bounds):
        if name not in known and name in cls.offered():
            msg = (
                f"{data.name} has no labels for its search images, so {name} cannot be measured; "
                f"what can be: {', '.join(known)}"
            )
            raise PruneError(msg)
    return objectives


def by_divergence(names: Sequence[str]) -> tuple[str, ...]:
    """Objectives with the divergence in place of the accuracy.

    Args:
        names: The objectives.
    """
    return tuple(dict.fromkeys(DIVERGENCE if name == "accuracy" else name for name in names))


def goals_on(
    data: Data,
    cls: type[PruningProblem],
    objectives: Objectives,
    constraints: Sequence[Constraint | str] = (),
    front: Sequence[str] = (),
) -> Goals:
    """Goals over what a problem measures on some images: without labels, always the divergence.

    See `objectives_on` for the arguments.
    """
    objectives = objectives_on(data, cls, objectives, constraints, front)
    goals = cls.goals_for(objectives, constraints, front)
    if data.labelled:
        return goals
    known = _known(data, cls)
    measured = {name: one for name, one in goals.quantities.items() if name in known}
    return replace(goals, quantities={DIVERGENCE: known[DIVERGENCE], **measured})


def drop_of(parent_accuracy: float | None, found: Measurements) -> dict[str, Values]:
    """The accuracy that candidates lose against their parent, where there are labels.

    Args:
        parent_accuracy: The parent's accuracy on the same images; None without labels.
        found: The candidates' measurements, (n,) each.
    """
    if parent_accuracy is None or "accuracy" not in found:
        return {}
    return {"accuracy_drop": parent_accuracy - found["accuracy"]}


def accuracies_of(parent_accuracy: float | None) -> dict[str, float]:
    """A parent's accuracy, of which it loses nothing; nothing without labels.

    Args:
        parent_accuracy: Its accuracy; None without labels.
    """
    return {} if parent_accuracy is None else {"accuracy": parent_accuracy, "accuracy_drop": 0.0}


def _known(data: Data, cls: type[PruningProblem]) -> Mapping[str, Quantity]:
    """What a problem measures without labels, the divergence first."""
    offered = cls.offered()
    if DIVERGENCE not in offered:
        msg = (
            f"{data.name} has no labels for its search images, but {cls.__name__} measures "
            "accuracies with a measure() of its own; it can do without labels where it says "
            "compares = True, and returns what self.judged names"
        )
        raise PruneError(msg)
    known = {DIVERGENCE: offered[DIVERGENCE]}
    for name, quantity in offered.items():
        if name not in NEED_LABELS and _follows(quantity, known):
            known[name] = quantity
    return known


def _follows(quantity: Quantity, known: Mapping[str, Quantity]) -> bool:
    """Whether a quantity is measured, or follows from what stands before it."""
    if quantity.follows is None:
        return True
    try:
        with np.errstate(all="ignore"):
            quantity.follows({name: np.ones(1) for name in known})
    except KeyError:
        return False
    return True


def _default(cls: type[PruningProblem]) -> object:
    parameter = inspect.signature(cls).parameters.get("objectives")
    return None if parameter is None else parameter.default
