"""A problem as a search has it: measured in chunks, checked, timed, and turned into F and G."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import torch
from pymoo.core.algorithm import Algorithm
from pymoo.core.problem import Problem
from torch import nn

from pymoo_prune.chromosomes import Array, hash_bytes
from pymoo_prune.data import Data
from pymoo_prune.errors import PruneError
from pymoo_prune.machine import exact
from pymoo_prune.measuring import LATENCY, MILLISECONDS, KnownLatencies, Stopwatch, conditions
from pymoo_prune.objectives import (
    FAILED,
    STANDARD,
    Constraint,
    Goals,
    Measured,
    Measurements,
    Objectives,
    Quantity,
    Scalarisation,
    Values,
    check_measurements,
    failed_rows,
    failures_of,
    parse_constraints,
)
from pymoo_prune.problem.contract import Contract

RESERVED = {
    *("f", "g", "h", "x", "cv", "feas", "rank", "crowding", "n_gen", "n_iter"),  # pymoo's
    *("failure", "digest", "images", "number", "generation", "evaluation"),  # a store's
    *("test_accuracy", "finished_accuracy", "finished_test_accuracy"),  # of a front
}
"""Names that say something else of a candidate, wherever it is kept."""

Measure = Callable[[Array, int], Measurements]
"""From chromosomes, and the number of a search batch, to measurements."""


class PruningProblem(Contract, Problem):
    """The base of every pruning problem: what it must say stands in `Contract`.

    Args:
        data: The images; a search sees `data.train` and `data.validation`, never `data.test`.
        n_var: Genes of a chromosome.
        objectives: Names of quantities (one objective each), or a scalarisation.
        constraints: Bounds on quantities. Where they or the objectives mention "latency", that is
            measured too.
        seed: Of everything random in a measurement, and of the parent's training.
        xl: Lowest gene values, where pymoo's operators need them.
        xu: Highest gene values.
        vtype: Type of the genes.
    """

    loses: bool = False
    """Whether candidates may be lost with who measures them; see `for_workers`."""

    def __init__(
        self,
        data: Data,
        *,
        n_var: int,
        objectives: Objectives,
        constraints: Sequence[Constraint | str] = (),
        seed: int = 0,
        xl: Any = None,
        xu: Any = None,
        vtype: type | None = None,
    ) -> None:
        clash = RESERVED & {name.lower() for name in self.quantities}
        missing = STANDARD.keys() - self.quantities.keys()
        if clash or missing:
            msg = (
                f"{type(self).__name__}.quantities must have {sorted(STANDARD)} and no name "
                f"that is taken, but it lacks {sorted(missing)} and has {sorted(clash)}"
            )
            raise PruneError(msg)
        self.goals = self.goals_for(objectives, constraints)
        self.quantities = self.goals.quantities
        self.known_latencies = KnownLatencies()
        self.data_set = data
        self.seed = seed
        super().__init__(
            n_var=n_var,
            n_obj=self.goals.n_obj,
            n_ieq_constr=len(self.goals.constraints) + self.marks_failures,
            xl=xl,
            xu=xu,
            vtype=vtype,
            requires_kwargs=True,
        )

    # What a search is after.

    @classmethod
    def offered(cls) -> Mapping[str, Quantity]:
        """All that objectives and constraints can name: `quantities`, and perhaps the latency."""
        offered = dict(cls.quantities)
        if not cls._latency_refusal():
            offered.setdefault(LATENCY, MILLISECONDS)
        return offered

    @classmethod
    def _latency_refusal(cls) -> str:
        if not cls.no_latency and cls.parent_network is Contract.parent_network:
            return "candidates take turns with their parent, and it has no parent_network()"
        return cls.no_latency

    @classmethod
    def goals_for(
        cls,
        objectives: Objectives,
        constraints: Sequence[Constraint | str] = (),
        front: Sequence[str] = (),
    ) -> Goals:
        """Goals over what this problem measures: the latency only where they mention it.

        Args:
            objectives: Names of quantities (one objective each), or a scalarisation.
            constraints: Bounds on quantities.
            front: Quantities that a front is over; those of the objectives unless given.
        """
        bounds = parse_constraints(constraints)
        named = objectives.mentioned if isinstance(objectives, Scalarisation) else objectives
        asked = LATENCY in [*named, *front, *(bound.name for bound in bounds)]
        if asked and LATENCY not in cls.offered():
            msg = f"{cls.__name__} does not measure latencies: {cls._latency_refusal()}"
            raise PruneError(msg)
        goals = Goals(cls.offered(), objectives, bounds, front)
        return goals if asked else replace(goals, quantities=cls.quantities)

    def with_goals(
        self,
        objectives: Objectives,
        *,
        constraints: Sequence[Constraint | str] | None = None,
        front: Sequence[str] = (),
    ) -> Self:
        """The same problem after something else: what one search minimises, another may weigh.

        Nothing is trained or measured again; both problems share parent, data and known latencies.
        They share the fingerprint too, unless latency is asked for here for the first time.

        Args:
            objectives: Names of quantities (one objective each), or a scalarisation.
            constraints: Bounds; None keeps this problem's.
            front: Quantities that a front is over; those of the objectives unless given.
        """
        bounds = self.goals.constraints if constraints is None else constraints
        goals = self.goals_for(objectives, bounds, front)
        twin = copy.copy(self)
        twin.__dict__.pop("parent_values", None)  # the latency may be missing
        # What this problem measures its twin measures as well: they may share a store.
        twin.quantities = {**self.quantities, **goals.quantities}
        twin.goals = replace(goals, quantities=twin.quantities)
        twin.n_obj = goals.n_obj
        twin.n_ieq_constr = len(goals.constraints) + self.marks_failures
        return twin

    @property
    def marks_failures(self) -> bool:
        """Whether scores have a column that says who failed, or was lost."""
        return self.can_fail or self.loses

    def for_workers(self) -> Self:
        """The same problem for workers, which can be lost together with what they measure.

        It measures the same and has the same fingerprint.
        """
        twin = copy.copy(self)
        twin.loses = True
        twin.n_ieq_constr = len(self.goals.constraints) + twin.marks_failures
        return twin

    # What engines are told.

    def _evaluate(
        self,
        X: Array,
        out: dict[str, Any],
        *args: Any,  # noqa: ARG002
        algorithm: Algorithm | None = None,
        measure: Measure | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        generation = algorithm.n_iter if algorithm is not None else 1
        measurements = (measure or self.measured)(X, self.batch(generation))
        out.update(self.score(measurements))
        # Each measurement travels with its individual: pop.get("accuracy").
        out.update(measurements)
        if self.marks_failures:
            reasons = failures_of(measurements)
            out["failure"] = [reasons.get(row, "") for row in range(len(X))]

    def score(self, measurements: Measurements) -> dict[str, Values]:
        """F, and G where there are constraints, from measurements.

        Where candidates can fail or be lost, G has one more column: 0 for who was measured. Who
        failed has `FAILED` everywhere, and so stands behind everybody who breaks a constraint.
        """
        scores = {"F": self.goals.F(measurements)}
        if self.goals.constraints:
            relative = any(bound.relative for bound in self.goals.constraints)
            scores["G"] = self.goals.G(measurements, self.parent_values if relative else {})
        if self.marks_failures:
            failed = failed_rows(measurements)[:, None]
            bounds = [scores["G"]] if "G" in scores else []
            scores["G"] = np.hstack([*bounds, np.zeros(failed.shape)])
            scores = {name: np.where(failed, FAILED, values) for name, values in scores.items()}
        return scores

    @cached_property
    def parent_values(self) -> Mapping[str, float]:
        """What the unpruned network measures, its latency too where that is measured."""
        found = dict(self.parent_measurements())
        if self.measures_latency:
            found[LATENCY] = self.stopwatch.parent_milliseconds
        return found

    # What is measured, and what that depends on.

    def measured(self, X: Array, batch: int = 0) -> Measured:
        """Checked measurements of a population, in chunks."""
        return self._in_chunks(X, lambda rows: self.measure_on(rows, batch))

    def measured_finally(self, X: Array) -> Measured:
        """Checked measurements for a front."""
        return self._in_chunks(X, self.measure_finally)

    def _in_chunks(self, X: Array, measure: Callable[[Array], Measurements]) -> Measured:
        parts: list[Measured] = []
        failures: dict[int, str] = {}
        with exact(self._device):
            for start in range(0, len(X), self.chunk):
                rows = X[start : start + self.chunk]
                found = self._timed(rows, measure(rows))
                part = check_measurements(found, self.quantities, len(rows))
                failures |= {start + row: reason for row, reason in part.failures.items()}
                self._check_can_fail(failures)
                parts.append(part)
        values = {name: np.concatenate([part[name] for part in parts]) for name in self.quantities}
        return Measured(values, failures)

    def _check_can_fail(self, failures: Mapping[int, str]) -> None:
        if failures and not self.can_fail:
            row, reason = next(iter(failures.items()))
            msg = (
                f"candidate {row} failed ({reason}), but {type(self).__name__} does not say "
                "that candidates can fail; set its can_fail = True"
            )
            raise PruneError(msg)

    def configuration(self) -> dict[str, Any]:
        """What the problem says, and how latencies are measured where they are."""
        found = super().configuration()
        if self.measures_latency:
            found[LATENCY] = conditions(self.latency_scheme, self._device)
        return found

    @property
    def fingerprint(self) -> str:
        """Names the configuration: equal for problems whose measurements are interchangeable."""
        text = json.dumps(self.configuration(), sort_keys=True)
        return hash_bytes(text.encode()).hex()

    # What becomes of a front.

    def finisher(self, images: int) -> Callable[[nn.Module, int], nn.Module] | None:
        """What retrains a network, given its seed; None where there are no images to do it with."""
        if images == 0:
            return None
        return lambda network, seed: self.finished(network, images=images, seed=seed)

    # Latencies.

    @property
    def measures_latency(self) -> bool:
        """Whether latencies are measured here, besides what `measure` returns."""
        return LATENCY in self.quantities and LATENCY not in type(self).quantities

    @cached_property
    def stopwatch(self) -> Stopwatch:
        """What measures latencies; `known_latencies` must be in place before."""
        parent = self.parent_network()
        if parent is None:
            msg = f"{type(self).__name__} has no parent_network() for candidates to take turns with"
            raise PruneError(msg)
        return Stopwatch(
            parent,
            self.data_set.shape,
            scheme=self.latency_scheme,
            known=self.known_latencies,
            device=self._device,
        )

    @property
    def _device(self) -> torch.device:
        return self.data_set.train.images.device

    def _timed(self, X: Array, measurements: Measurements) -> Measurements:
        """Measurements, with the latencies of who did not fail."""
        if not self.measures_latency:
            return measurements
        failures = failures_of(measurements)
        there = [row for row in range(len(X)) if row not in failures]
        values = np.full(len(X), np.nan)
        values[there] = [self.stopwatch.milliseconds(self.architecture(X[row])) for row in there]
        return Measured({**measurements, LATENCY: values}, failures)

    def latencies(self, networks: Sequence[nn.Module]) -> dict[str, Values]:
        """Latencies of networks that are no candidates, by name, (n,); nothing where none are.

        Args:
            networks: For example a baseline's; nothing happens to them.
        """
        if not self.measures_latency:
            return {}
        return {LATENCY: np.array([self.stopwatch.milliseconds(one) for one in networks])}

    def latency_notes(self, X: Array) -> list[str]:
        """What a reader should know of the latencies of a front: how they were taken, how noisy.

        Args:
            X: The front's chromosomes, (n, n_var), each of which is measured again.
        """
        if not self.measures_latency:
            return []
        return [self.stopwatch.note([self.architecture(x) for x in X])]
