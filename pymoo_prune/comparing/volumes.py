"""Hypervolumes of fronts: their reference point, and their logarithmic axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from pymoo_prune.errors import PruneError, unknown_name
from pymoo_prune.objectives import (
    DIVERGENCE,
    Constraint,
    Goals,
    Quantity,
    Values,
    hypervolume,
)
from pymoo_prune.problem import PruningProblem
from pymoo_prune.results import FINAL

TINY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True)
class HypervolumeOptions:
    """How hypervolumes are taken.

    Attributes:
        reference: The reference point of some axes, in the quantities' own units or relative to
            the parent; that of the others is the worst share, or the parent's count.
        log: Quantities whose axes are logarithmic.
    """

    reference: tuple[Constraint, ...] = ()
    log: tuple[str, ...] = ()

    @classmethod
    def parse(cls, reference: Sequence[str] = (), log: Sequence[str] = ()) -> Self:
        """Options from texts.

        Args:
            reference: Such as "accuracy=.8", or "parameters=50%" for a share of the parent's.
            log: Names of quantities.
        """
        points = [_point(text) for text in reference]
        names = [point.name for point in points]
        if len(set(names)) < len(names):
            msg = f"a reference must name each quantity once, but it is {list(reference)}"
            raise PruneError(msg)
        return cls(tuple(points), tuple(dict.fromkeys(log)))

    def __bool__(self) -> bool:
        return bool(self.reference or self.log)

    @property
    def texts(self) -> tuple[str, ...]:
        """The reference as `parse` reads it."""
        return tuple(str(point).replace("<=", "=") for point in self.reference)

    def check(
        self,
        axes: Sequence[str],
        quantities: Mapping[str, Quantity],
        parent: Mapping[str, float] | None = None,
    ) -> None:
        """Refuses names that are no axes, axes that cannot be logarithmic, and useless references.

        Args:
            axes: The axes of hypervolumes, by quantity.
            quantities: All quantities of a problem.
            parent: The unpruned network's measurements; None where they are not known yet.
        """
        for name in (*(point.name for point in self.reference), *self.log):
            if name not in axes:
                raise unknown_name("axis of the hypervolume", name, set(axes))
        for name in self.log:
            if quantities[name].better == "higher":
                msg = (
                    f"{name} cannot be logarithmic, because higher is better: the best values "
                    "would lie beside each other"
                )
                raise PruneError(msg)
        for point in self.reference:
            # What a reference is worth may depend on the parent, but not that of a share.
            if parent is not None or (quantities[point.name].share and not point.relative):
                self._check_point(point, quantities, parent or {})

    def _check_point(
        self, point: Constraint, quantities: Mapping[str, Quantity], parent: Mapping[str, float]
    ) -> None:
        if point.relative and point.name not in parent:
            msg = f"{point.name} of the parent is not known; give the reference in its own unit"
            raise PruneError(msg)
        values = {point.name: np.array([point.limit(parent)])}
        if Goals(quantities, [point.name]).unit_costs(values, parent).item() <= 0:
            text = str(point).replace("<=", "=")
            msg = f"reference {text} must be worse than the best possible value, but it is not"
            raise PruneError(msg)

    def or_else(self, others: HypervolumeOptions) -> HypervolumeOptions:
        """These options; of what is not given, the others."""
        return HypervolumeOptions(self.reference or others.reference, self.log or others.log)

    def named(self, text: str = "hypervolume") -> str:
        """The name of a hypervolume, with the options that it is taken with."""
        return f"{text} ({self})" if self else text

    def __str__(self) -> str:
        parts = [f"log {', '.join(self.log)}"] if self.log else []
        if self.reference:
            parts.append(f"reference {', '.join(map(_short, self.reference))}")
        return "; ".join(parts)


def _point(text: str) -> Constraint:
    name, _, value = text.partition("=")
    try:
        return Constraint.parse(f"{name}<={value}")
    except PruneError:
        msg = f"reference {text!r} must read like 'accuracy=.8' or 'parameters=50%'"
        raise PruneError(msg) from None


def _short(point: Constraint) -> str:
    if point.relative:
        return f"{point.name} {100 * point.bound:.12g} %"
    return f"{point.name} {f'{point.bound:.12g}'.removeprefix('0') or '0'}"


@dataclass(frozen=True)
class Scale:
    """Costs from 0, the best, to 1, the reference.

    Attributes:
        goals: The axes.
        parent: The unpruned network's measurements.
        log: Which axes are logarithmic, (axes,).
        best: Unit costs of the best end of each axis, logarithms on logarithmic axes, (axes,).
        worst: The same of the reference.
    """

    goals: Goals
    parent: Mapping[str, float]
    log: tuple[bool, ...]
    best: tuple[float, ...]
    worst: tuple[float, ...]

    @classmethod
    def of(
        cls,
        fronts: Sequence[Mapping[str, Values]],
        goals: Goals,
        parent: Mapping[str, float],
        options: HypervolumeOptions,
    ) -> Self:
        """The scale of hypervolumes that are compared with each other.

        A logarithmic axis begins at the smallest value of any front. Another axis begins at 0 in
        `Goals.unit_costs`, or below it where a front does: a network may be more accurate than its
        parent.

        Args:
            fronts: All fronts, (n,) a column.
            goals: The axes.
            parent: The unpruned network's measurements.
            options: Reference and logarithmic axes.
        """
        points = {point.name: point for point in options.reference}
        log, best, worst = [], [], []
        for name in goals.names:
            asked = _judged_by(name, goals.quantities)
            end = 1.0
            one = Goals(goals.quantities, [name])
            if asked in points:
                limit = np.array([points[asked].limit(parent)])
                end = float(one.unit_costs({name: limit}, parent).item())
            logarithmic = asked in options.log
            values = np.concatenate([np.empty(0), *(front[name] for front in fronts)])
            values = values[np.isfinite(values)]
            if logarithmic:
                begin, end = _logarithms(name, values, one, parent, end)
            else:
                costs = one.unit_costs({name: values}, parent)
                begin = float(costs.min(initial=0.0))
            log.append(logarithmic)
            best.append(begin)
            worst.append(end)
        return cls(goals, parent, tuple(log), tuple(best), tuple(worst))

    def unit_costs(self, columns: Mapping[str, Values]) -> Values:
        """Costs of networks, (n, axes): 0 for the best, 1 for the reference."""
        costs = self.goals.unit_costs(columns, self.parent)
        for place, (log, best, worst) in enumerate(
            zip(self.log, self.best, self.worst, strict=True)
        ):
            if worst <= best:  # no front is better than the reference
                costs[:, place] = np.where(np.isnan(costs[:, place]), np.nan, 1.0)
                continue
            if log:  # before its start there is nothing
                costs[:, place] = np.maximum(np.log(np.maximum(costs[:, place], TINY)), best)
            if (best, worst) != (0.0, 1.0):
                costs[:, place] = (costs[:, place] - best) / (worst - best)
        return costs


def judged_axes(problem: PruningProblem) -> list[str]:
    """The axes of hypervolumes that a problem's fronts will have, as users know them."""
    test = problem.data_set.test
    return [test.task.judge if test.labels is not None else DIVERGENCE, *problem.goals.names]


def _judged_by(name: str, quantities: Mapping[str, Quantity]) -> str:
    """The name by which users know an axis: that of the search images, also on test images."""
    if name in FINAL or quantities[name].judges:
        return name.removeprefix("finished_").removeprefix("test_")
    return name


def _logarithms(
    name: str, values: Values, one: Goals, parent: Mapping[str, float], end: float
) -> tuple[float, float]:
    """Both ends of a logarithmic axis."""
    costs = one.unit_costs({name: values}, parent)[:, 0]
    if len(costs) and costs.min() <= 0:
        msg = f"{name} cannot be logarithmic: a network has {values[values <= 0][0]:g} of it"
        raise PruneError(msg)
    least = float(costs.min()) if len(costs) else end
    return float(np.log(least)), float(np.log(end))


def front_volumes(
    fronts: Sequence[Mapping[str, Values]],
    goals: Goals,
    parent: Mapping[str, float],
    options: HypervolumeOptions | None = None,
) -> Values:
    """The hypervolumes of fronts that are compared with each other.

    Args:
        fronts: The networks of each front, (n,) a column; a front without columns is empty.
        goals: The axes.
        parent: The unpruned network's measurements.
        options: Reference and logarithmic axes.

    Returns:
        (fronts,); 0 for an empty front, and NaN for one that lacks an axis.
    """
    known = [set(goals.names) <= front.keys() for front in fronts]
    complete = [front for front, there in zip(fronts, known, strict=True) if there]
    scale = Scale.of(complete, goals, parent, options or HypervolumeOptions())
    return np.array(
        [
            hypervolume(scale.unit_costs(front)) if there else np.nan if front else 0.0
            for front, there in zip(fronts, known, strict=True)
        ]
    )
