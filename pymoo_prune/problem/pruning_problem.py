"""A problem as a search uses it: measured in chunks, checked, and scored."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator, Mapping, Sequence
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
from pymoo_prune.measuring import LATENCY, KnownLatencies, Stopwatch, conditions
from pymoo_prune.objectives import (
    DIVERGENCE,
    FAILED,
    FLOPS,
    Constraint,
    Goals,
    Measured,
    Measurements,
    Objectives,
    Part,
    Quantity,
    Values,
    check_measurements,
    completed,
    failed_rows,
    failures_of,
    gathered,
    mentioned_in,
    parse_constraints,
)
from pymoo_prune.problem.contract import Contract
from pymoo_prune.problem.facets import Timing
from pymoo_prune.problem.latencies import Latencies
from pymoo_prune.problem.names import check_names
from pymoo_prune.problem.unlabelled import NEED_LABELS, goals_on, judge_on


class PruningProblem(Contract, Problem):
    """The base of every pruning problem; `Contract` has what a problem defines.

    Args:
        data: The images; a search sees `data.train` and `data.validation`, never `data.test`. Where
            these have no labels, the divergence is measured in place of accuracies.
        n_var: Genes of a chromosome.
        objectives: Names of quantities (one objective each), or a scalarisation.
        constraints: Bounds on quantities. Where they or the objectives mention "latency",
            "divergence" or "flops", these are measured too.
        parent: The unpruned network; None leaves the attribute as it is.
        seed: The seed of everything random in a measurement, and of the parent's training.
        xl: Lowest gene values, where pymoo's operators need them.
        xu: Highest gene values.
        vtype: The genes' type.
    """

    loses: bool = False
    """Whether candidates may be lost with the worker that measures them; see `for_workers`."""

    def __init__(
        self,
        data: Data,
        *,
        n_var: int,
        objectives: Objectives,
        constraints: Sequence[Constraint | str] = (),
        parent: nn.Module | None = None,
        seed: int = 0,
        xl: Any = None,
        xu: Any = None,
        vtype: type | None = None,
    ) -> None:
        check_names(type(self).__name__, self.quantities)
        self.data_set = data
        self.goals = goals_on(data, type(self), objectives, constraints)
        self.quantities = self.goals.quantities
        self.known_latencies = KnownLatencies()
        self.seed = seed
        if parent is not None:
            self.parent = parent
        super().__init__(
            n_var=n_var,
            n_obj=self.goals.n_obj,
            n_ieq_constr=len(self.goals.constraints) + self.marks_failures,
            xl=xl,
            xu=xu,
            vtype=vtype,
            requires_kwargs=True,
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A copy that shares all that is prepared; pymoo copies it in each generation."""
        twin = copy.copy(self)
        memo[id(self)] = twin
        return twin

    # The goals of a search.

    @classmethod
    def goals_for(
        cls,
        objectives: Objectives,
        constraints: Sequence[Constraint | str] = (),
        front: Sequence[str] = (),
        *,
        more: Mapping[str, Quantity] | None = None,
    ) -> Goals:
        """Goals over what this problem measures, and what they ask for: latency, divergence.

        Args:
            objectives: Names of quantities (one objective each), or a scalarisation.
            constraints: Bounds on quantities.
            front: Quantities of a front; those of the objectives unless given.
            more: Further quantities that some data bring along.
        """
        bounds = parse_constraints(constraints)
        mentioned = {*mentioned_in(objectives), *front, *(bound.name for bound in bounds)}
        offered = {**cls.offered(), **(more or {})}
        if LATENCY in mentioned and LATENCY not in offered:
            msg = f"{cls.__name__} does not measure latencies: {cls._latency_refusal()}"
            raise PruneError(msg)
        goals = Goals(offered, objectives, bounds, front)
        asked = {n: q for n, q in offered.items() if n in cls.quantities or n in mentioned}
        return replace(goals, quantities=asked)

    def with_goals(
        self,
        objectives: Objectives,
        *,
        constraints: Sequence[Constraint | str] | None = None,
        front: Sequence[str] = (),
    ) -> Self:
        """The same problem with other goals.

        Nothing is trained or measured again; both problems share parent, data and known latencies.
        They share the fingerprint too, unless the new goals are the first to ask for the latency,
        the divergence or FLOPs.

        Args:
            objectives: Names of quantities (one objective each), or a scalarisation.
            constraints: Bounds; None keeps this problem's.
            front: Quantities of a front; those of the objectives unless given.
        """
        bounds = self.goals.constraints if constraints is None else constraints
        goals = goals_on(self.data_set, type(self), objectives, bounds, front)
        twin = copy.copy(self)
        for cached in ("parent_values", "latencies"):  # they may lack what is asked for now
            twin.__dict__.pop(cached, None)
        # The twin measures all that this problem measures, so that they can share a store.
        twin.quantities = {**self.quantities, **goals.quantities}
        twin.goals = replace(goals, quantities=twin.quantities)
        twin.n_obj = goals.n_obj
        twin.n_ieq_constr = len(goals.constraints) + self.marks_failures
        return twin

    def for_workers(self) -> Self:
        """The same problem for workers, where candidates can be lost with a worker.

        Its measurements and fingerprint are the same.
        """
        twin = copy.copy(self)
        twin.loses = True
        twin.n_ieq_constr = len(self.goals.constraints) + twin.marks_failures
        return twin

    @property
    def marks_failures(self) -> bool:
        """Whether scores have a column that says which candidates failed, or were lost."""
        return self.can_fail or self.loses

    # Down: from chromosomes to measurements.

    def batch(self, generation: int) -> int:
        """The number of the search batch that a generation is measured on.

        Args:
            generation: 1 for the first population.
        """
        return 0 if self.approximation is None else self.approximation.batch(generation)

    @property
    def changes_batches(self) -> bool:
        """Whether generations are measured on different images."""
        return self.approximation is not None and self.approximation.changes_batches

    def measured(self, X: Array, batch: int | None = None) -> Measured:
        """Checked measurements of a population.

        Args:
            X: Chromosomes, (n, n_var).
            batch: The search batch, for the search's approximation; None measures in full, as for
                a front.
        """
        return gathered(self.parts(X, batch), self.quantities, len(X))

    def parts(self, X: Array, batch: int | None = None) -> Iterator[Part]:
        """Checked measurements, chunk by chunk.

        Args:
            X: Chromosomes, (n, n_var).
            batch: As in `measured`.
        """
        size = self.portions.chunk
        for start in range(0, len(X), size):
            rows = range(start, min(start + size, len(X)))
            began = time.perf_counter()
            measured = self._chunk(X[rows.start : rows.stop], batch)
            self._check_can_fail(rows, measured.failures)
            yield Part(rows, measured, time.perf_counter() - began)

    def _chunk(self, X: Array, batch: int | None) -> Measured:
        with exact(self._device):
            if batch is None or self.approximation is None:
                found = self.measure(X)
            else:
                found = self.approximation.measure(X, batch)
            found = self.completed(found)
            if self.latencies is not None:
                found = self.latencies.added(X, found)
        return check_measurements(found, self.quantities, len(X))

    def completed(self, found: Measurements) -> Measurements:
        """Adds measurements that follow from the parent, where the problem left them out.

        Args:
            found: The result of `measure`; `accuracy_drop` and `sparsity` may be missing.
        """
        known = completed(found, self.quantities, lambda: self.parent_values)
        return Measured(known, failures_of(found)) if len(known) > len(found) else found

    def _check_can_fail(self, rows: range, failures: Mapping[int, str]) -> None:
        if failures and not self.can_fail:
            row, reason = next(iter(failures.items()))
            msg = (
                f"candidate {rows[row]} failed ({reason}), but {type(self).__name__} does not say "
                "that candidates can fail; set its can_fail = True"
            )
            raise PruneError(msg)

    # Up: from measurements to scores.

    def _evaluate(
        self,
        X: Array,
        out: dict[str, Any],
        *args: Any,  # noqa: ARG002
        algorithm: Algorithm | None = None,
        measurements: Measurements | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Scores the measurements of a search; without them, under pymoo alone, measures first."""
        if measurements is None:
            generation = algorithm.n_iter if algorithm is not None else 1
            measurements = self.measured(X, self.batch(generation))
        out.update(self.score(measurements))
        # Each measurement travels with its individual: pop.get("accuracy").
        out.update(measurements)
        if self.marks_failures:
            reasons = failures_of(measurements)
            out["failure"] = [reasons.get(row, "") for row in range(len(X))]

    def score(self, measurements: Measurements) -> dict[str, Values]:
        """F, and G where there are constraints, from measurements.

        Where candidates can fail or be lost, G has one more column: 0 for those that were
        measured. Failed candidates have `FAILED` everywhere, and so rank behind all that break a
        constraint.
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

    # What measurements depend on, and what they are compared with.

    @cached_property
    def parent_values(self) -> Mapping[str, float]:
        """The parent's measurements, with its latency where that is measured."""
        whole = {n: q.whole for n, q in self.quantities.items() if q.whole is not None}
        found = {**whole, **self.parent_measurements()}
        if judge_on(self.data_set) != "accuracy":
            found = {n: value for n, value in found.items() if n not in NEED_LABELS}
        if self.latencies is not None:
            found[LATENCY] = self.latencies.parent
        table = {name: np.array([value]) for name, value in found.items()}
        return {name: float(v[0]) for name, v in completed(table, self.quantities).items()}

    def configuration(self) -> dict[str, Any]:
        """The problem's configuration, and what was asked for besides its own quantities."""
        found = super().configuration()
        if self.measures_latency:
            found[LATENCY] = conditions(self._timing.scheme, self._device)
        for name in (DIVERGENCE, FLOPS):
            if name in self.quantities and name not in type(self).quantities:
                found[name] = True
        return found

    @property
    def fingerprint(self) -> str:
        """A digest of the configuration; equal if measurements are interchangeable."""
        text = json.dumps(self.configuration(), sort_keys=True)
        return hash_bytes(text.encode()).hex()

    @property
    def measures_latency(self) -> bool:
        """Whether latencies are measured here, besides what `measure` returns."""
        return LATENCY in self.quantities and LATENCY not in type(self).quantities

    @cached_property
    def latencies(self) -> Latencies | None:
        """Measures latencies; None without. Set `known_latencies` before the first use."""
        if not self.measures_latency:
            return None
        if self.parent is None:
            msg = f"{type(self).__name__} has no `parent` for candidates to take turns with"
            raise PruneError(msg)
        stopwatch = Stopwatch(
            self.parent,
            self.data_set.shape,
            scheme=self._timing.scheme,
            known=self.known_latencies,
            device=self._device,
            packing=self.data_set.packing,
        )
        return Latencies(stopwatch, self._timing.architecture or self.network)

    @property
    def _timing(self) -> Timing:
        return Timing() if self.timing is None else self.timing

    @property
    def _device(self) -> torch.device:
        return self.data_set.train.images.device
