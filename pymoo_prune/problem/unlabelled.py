"""What searches measure in place of the accuracy: without labels the divergence, or a metric."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pymoo_prune.data import Data, Metric, Task
from pymoo_prune.errors import PruneError
from pymoo_prune.objectives import (
    DIVERGENCE,
    NATS,
    Constraint,
    Goals,
    Measurements,
    Objectives,
    Quantity,
    Scalarisation,
    Values,
    mentioned_in,
    parse_constraints,
)
from pymoo_prune.problem.names import RESERVED

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

    Without labels, the divergence takes the place of the accuracy among the problem's defaults; a
    metric does so where it judges networks.

    Args:
        data: The images.
        cls: The problem's class.
        objectives: Names of quantities, or a scalarisation.
        constraints: Bounds on quantities.
        front: Quantities of a front.
    """
    if judge_on(data) == "accuracy":
        cls.goals_for(objectives, constraints, front)  # refuses what is unknown
        return objectives
    known = measured_on(data, cls)
    # The very same object: a user who asks for the same quantities makes another one.
    if objectives is _default(cls) and not isinstance(objectives, Scalarisation):
        objectives = judged_by(judge_on(data), objectives)
    asked = mentioned_in(objectives)
    bounds = [bound.name for bound in parse_constraints(constraints)]
    for name in (*asked, *front, *bounds):
        if name not in known and name in cls.offered():
            msg = f"{_why(data)}, so {name} cannot be measured; what can be: {', '.join(known)}"
            raise PruneError(msg)
    return objectives


def judge_on(data: Data) -> str:
    """The name of what says how good networks are: accuracy, a metric, or the divergence.

    Args:
        data: The images.
    """
    return data.task.judge if data.labelled else DIVERGENCE


def _why(data: Data) -> str:
    if data.labelled:
        return f"networks on {data.name} are judged by {data.task.judge}"
    return f"{data.name} has no labels for its search images"


def judged_by(judge: str, names: Sequence[str]) -> tuple[str, ...]:
    """Objectives with something else in place of the accuracy.

    Args:
        judge: Its name.
        names: The objectives.
    """
    return tuple(dict.fromkeys(judge if name == "accuracy" else name for name in names))


def goals_on(
    data: Data,
    cls: type[PruningProblem],
    objectives: Objectives,
    constraints: Sequence[Constraint | str] = (),
    front: Sequence[str] = (),
) -> Goals:
    """Goals over what a problem measures on some images: always what judges networks there.

    See `objectives_on` for the arguments.
    """
    objectives = objectives_on(data, cls, objectives, constraints, front)
    judge = judge_on(data)
    if judge == "accuracy":
        return cls.goals_for(objectives, constraints, front)
    known = measured_on(data, cls)
    goals = cls.goals_for(objectives, constraints, front, more=known)
    measured = {name: known[name] for name in goals.quantities if name in known}
    return replace(goals, quantities={judge: known[judge], **measured})


def drop_of(parent_accuracy: float | None, found: Measurements) -> dict[str, Values]:
    """The accuracy that candidates lose against their parent, where it is measured.

    Args:
        parent_accuracy: The parent's accuracy on the same images; None without labels.
        found: The candidates' measurements, (n,) each.
    """
    if parent_accuracy is None or "accuracy" not in found:
        return {}
    return {"accuracy_drop": parent_accuracy - found["accuracy"]}


def accuracies_of(parent_accuracy: float | None, judge: str = "accuracy") -> dict[str, float]:
    """A parent's accuracy, of which it loses nothing, or its metric; nothing without labels.

    Args:
        parent_accuracy: Its accuracy; None without labels.
        judge: What it is: "accuracy", or the metric's name.
    """
    if parent_accuracy is None:
        return {}
    more = {"accuracy_drop": 0.0} if judge == "accuracy" else {}
    return {judge: parent_accuracy, **more}


def quantity_of(metric: Metric) -> Quantity:
    """A metric as a quantity, which judges networks.

    Args:
        metric: The metric.
    """
    label = metric.name.replace("_", " ") if metric.label is None else metric.label
    return Quantity(metric.better, label, share=metric.share, judges=True, worst=metric.worst)


def measured_on(data: Data, cls: type[PruningProblem]) -> Mapping[str, Quantity]:
    """What a problem measures on some images without accuracies; what judges networks is first.

    Args:
        data: The images: without labels, or with a metric.
        cls: The problem's class.
    """
    offered = cls.offered()
    if DIVERGENCE not in offered:
        msg = (
            f"{_why(data)}, but {cls.__name__} measures "
            f"accuracies with a measure() of its own; it can do {_without(data)} where it says "
            "compares = True, and returns what self.judged names"
        )
        raise PruneError(msg)
    known = {DIVERGENCE: divergence_of(data.task)}
    if (metric := data.task.metric) is not None and data.labelled:
        if metric.name in offered or metric.name in RESERVED:
            msg = f"metric {metric.name!r} has a name that is taken; give it another one"
            raise PruneError(msg)
        known = {metric.name: quantity_of(metric), **known}
    for name, quantity in offered.items():
        if name not in (*NEED_LABELS, *known) and _follows(quantity, known):
            known[name] = quantity
    return known


def divergence_of(task: Task) -> Quantity:
    """The divergence as a quantity, in the unit of a task.

    Args:
        task: What labels mean.
    """
    return replace(NATS, label=f"divergence from the parent ({task.divergences})")


def _without(data: Data) -> str:
    return "without labels" if not data.labelled else "with metrics"


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
