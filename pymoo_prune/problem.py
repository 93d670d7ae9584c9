"""A pruning problem: chromosome -> candidate -> measurements -> objectives, as a pymoo Problem."""

from __future__ import annotations

import copy
import json
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
import torch
from pymoo.core.algorithm import Algorithm
from pymoo.core.problem import Problem
from torch import nn

from pymoo_prune.data import Data
from pymoo_prune.errors import PruneError
from pymoo_prune.genome import Array, hash_bytes
from pymoo_prune.machine import exact
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
from pymoo_prune.racing import Racing
from pymoo_prune.stopwatch import (
    LATENCY,
    MILLISECONDS,
    KnownLatencies,
    LatencyScheme,
    Stopwatch,
    conditions,
)
from pymoo_prune.training import Recipe, trained

CHUNK = 16
"""Candidates handed over at once: enough to share work, few enough to stay in a core's cache."""

RESERVED = {"f", "g", "h", "x", "cv", "feas", "rank", "crowding", "n_gen", "n_iter", "failure"}
"""Names that pymoo's individuals use themselves, and the reason that a failed one carries."""

Measure = Callable[[Array, int], Measurements]

Published = Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]]
"""By data set and source: the columns of a front, as far as a paper has them."""


@dataclass(frozen=True)
class Preset:
    """Settings under one name, for the command line and for reproduction.

    Attributes:
        description: One line for the help text.
        options: The problem's keyword arguments.
        algorithm: Name of the engine; "own" is the problem's own `algorithm()`.
        pop_size: Population.
        generations: Generations, the first population included; None where time is the limit.
        seconds: Working time, where time is the limit.
        objectives: What is optimised, where it is not the problem's default.
        finish_images: Images that each network of the front is retrained with in the end.
    """

    description: str
    options: Mapping[str, Any] = field(default_factory=dict)
    algorithm: str = "nsga2"
    pop_size: int = 100
    generations: int | None = 50
    seconds: float | None = None
    objectives: Objectives | None = None
    finish_images: int = 0


@dataclass(frozen=True)
class Baseline:
    """Networks that a simple method gives, to compare a front with.

    Attributes:
        name: The method.
        networks: Pruned networks, before any retraining.
        sizes: Their sizes, by quantity, (n,) each.
    """

    name: str
    networks: Sequence[nn.Module]
    sizes: Mapping[str, Values]


class PruningProblem(Problem):
    """The base of every pruning problem: write `measure`, `network` and `operators`.

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

    quantities: Mapping[str, Quantity] = STANDARD
    """What `measure` returns; an object has the latency too, where that is asked for."""
    presets: ClassVar[Mapping[str, Preset]] = {"quick": Preset("a small search", generations=20)}
    """Settings by name; the first is the default."""
    published: ClassVar[Published] = {}
    """What papers report; drawn beside fronts."""
    retraining: Recipe = Recipe(schedule="linear")
    """How networks are retrained after the search, those of the baselines too."""
    racing: Racing | None = None
    """How single-objective engines save images, where that is wanted; see `measure_on`."""
    chunk: int = CHUNK
    """Candidates that `measure` is given at once; more, where a GPU measures them together."""
    can_fail: bool = False
    """Whether `measure` may return `Measured` with failures; known before `__init__` is called."""
    loses: bool = False
    """Whether candidates may be lost with who measures them; see `for_workers`."""
    latency_scheme: LatencyScheme = LatencyScheme()
    """How latencies are measured, where they are asked for."""
    own_goal: ClassVar[str] = ""
    """Where `algorithm()` is for one objective only: options that ask for it."""
    no_latency: str = ""
    """Why it makes no sense to measure latencies, where it does not: told to whoever asks."""

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
                f"{type(self).__name__}.quantities must have {sorted(STANDARD)} and none of "
                f"pymoo's own names, but it lacks {sorted(missing)} and has {sorted(clash)}"
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

    # What a problem writes.

    @abstractmethod
    def measure(self, X: Array) -> Measurements:
        """Measures every candidate: from each of the class's `quantities` to its values, (n,).

        A candidate's values depend on it, on the configuration and on the seed, and on nothing
        else: not on its neighbours in X, nor on the order. Where `can_fail`, it may be `Measured`.
        """

    @abstractmethod
    def network(self, x: Array) -> nn.Module:
        """The stand-alone pruned network of one chromosome, (n_var,)."""

    def architecture(self, x: Array) -> nn.Module:
        """A network of the same shape, for latencies: its weights mean nothing.

        `network(x)` unless written, which is worth it where that trains or solves.
        """
        return self.network(x)

    @abstractmethod
    def operators(self) -> dict[str, Any]:
        """`sampling`, `crossover`, `mutation` and what else an engine should be given."""

    def parent_measurements(self) -> Mapping[str, float]:
        """What the unpruned network measures; bounds in percent and reports refer to it."""
        msg = f"{type(self).__name__} does not say what its parent measures (parent_measurements)"
        raise PruneError(msg)

    def random(self, n: int, generator: np.random.Generator) -> Array:  # noqa: ARG002
        """Random chromosomes, (n, n_var), for random search: nothing known about good ones."""
        msg = f"{type(self).__name__} does not say what a random candidate is (random)"
        raise PruneError(msg)

    def sizes(self, X: Array) -> Mapping[str, Values]:  # noqa: ARG002
        """What is known of candidates without measuring them; nothing unless written.

        Exactly what `measure` would return, at no cost: parameters in closed form, say. A surrogate
        takes these as they are and predicts the others.

        Args:
            X: Chromosomes, (n, n_var).

        Returns:
            From a quantity's name to its value for each candidate, (n,).
        """
        return {}

    def features(self, X: Array) -> Array:
        """What a surrogate looks at; the genes as numbers unless written.

        Args:
            X: Chromosomes, (n, n_var).

        Returns:
            (n, features) finite floats, in any unit: surrogates standardise them.
        """
        if X.dtype == object:
            msg = (
                f"{type(self).__name__} has no features that a surrogate could look at: its "
                "chromosomes are objects; write features(X), numbers for each, or go without"
            )
            raise PruneError(msg)
        return X.astype(np.float64)

    def baselines(self, front: Mapping[str, Values]) -> Sequence[Baseline]:  # noqa: ARG002
        """What a user would do instead, at the sizes of a front; nothing unless written.

        Args:
            front: The front's measurements, (n,) each.
        """
        return ()

    def finished(self, network: nn.Module, *, images: int, seed: int) -> nn.Module:
        """A network as it is carried away: retrained, what was pruned still pruned.

        Args:
            network: Of this search, or of a baseline; it is not changed.
            images: Training images, counted with repetition.
            seed: Of their order.
        """
        return trained(
            network,
            self.data_set.train,
            images=images,
            recipe=self.retraining,
            seed=seed,
            keep_zeros=True,
        )

    def finisher(self, images: int) -> Callable[[nn.Module, int], nn.Module] | None:
        """What retrains a network, given its seed; None where there are no images to do it with."""
        if images == 0:
            return None
        return lambda network, seed: self.finished(network, images=images, seed=seed)

    def parent_network(self) -> nn.Module | None:
        """The network that is pruned, where there is one; a run keeps its weights."""
        return None

    def algorithm(self) -> Algorithm:
        """The paper's own algorithm with the paper's own settings."""
        msg = f"{type(self).__name__} has no algorithm of its own; name one, for example nsga2"
        raise PruneError(msg)

    @classmethod
    def check_own_algorithm(cls, goals: Goals) -> None:
        """An error where `algorithm()` cannot be after some goals, or is not written at all.

        Args:
            goals: What the problem is after, or would be once it is built.
        """
        if cls.algorithm is PruningProblem.algorithm:
            msg = f"{cls.__name__} has no algorithm of its own; name one, for example nsga2"
            raise PruneError(msg)
        if cls.own_goal and goals.n_obj > 1:
            msg = (
                f"the paper's algorithm needs one objective, but the problem has {goals.n_obj}; "
                f"take {cls.own_goal}, or --algorithm nsga2"
            )
            raise PruneError(msg)

    def matrices(self, X: Array) -> tuple[Array, Array] | None:  # noqa: ARG002
        """What chromosomes look like where they are matrices, to be drawn; None unless written.

        Args:
            X: Chromosomes, (n, n_var).

        Returns:
            Which cells live, (n, matrices, rows, columns), and which may, (rows, columns).
        """
        return None

    def notes(self, X: Array) -> Sequence[str]:  # noqa: ARG002
        """What a reader should know about the networks of a front, a sentence each.

        Args:
            X: The front's chromosomes, (n, n_var); a network's number is its row.
        """
        return ()

    def configuration(self) -> dict[str, Any]:
        """All that a measurement depends on besides the candidate, as JSON values."""
        found = {
            "problem": type(self).__name__,
            "data": self.data_set.digest,
            "seed": self.seed,
        }
        if self.measures_latency:
            found[LATENCY] = conditions(self.latency_scheme, self._device)
        return found

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
        if not cls.no_latency and cls.parent_network is PruningProblem.parent_network:
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

    # Where measurements depend on the generation too.

    def batch(self, generation: int) -> int:  # noqa: ARG002
        """The number of the search batch that a generation is measured on; always 0 unless written.

        Args:
            generation: 1 for the first population.
        """
        return 0

    def measure_on(self, X: Array, batch: int) -> Measurements:  # noqa: ARG002
        """Measures on one search batch, or one slice of a race; `measure(X)` unless written."""
        return self.measure(X)

    def measure_finally(self, X: Array) -> Measurements:
        """The measurements that a front is made from; `measure(X)` unless written."""
        return self.measure(X)

    @property
    def changes_batches(self) -> bool:
        """Whether generations are measured on different images."""
        return self.batch(1) != self.batch(1_000_003)

    @property
    def is_approximate(self) -> bool:
        """Whether a search measures with less care than `measure_finally`."""
        return self.changes_batches or self.racing is not None

    # What a search does with it.

    def measured(self, X: Array, batch: int = 0) -> Measured:
        """Checked measurements of a population, in chunks."""
        return self._in_chunks(X, lambda rows: self.measure_on(rows, batch))

    def measured_finally(self, X: Array) -> Measured:
        """Checked measurements for a front."""
        return self._in_chunks(X, self.measure_finally)

    def _in_chunks(self, X: Array, measure: Callable[[Array], Measurements]) -> Measured:
        with exact(self.data_set.train.images.device):
            return self._checked_in_chunks(X, measure)

    def _checked_in_chunks(self, X: Array, measure: Callable[[Array], Measurements]) -> Measured:
        parts: list[Measured] = []
        failures: dict[int, str] = {}
        for start in range(0, len(X), self.chunk):
            rows = X[start : start + self.chunk]
            part = check_measurements(self._timed(rows, measure(rows)), self.quantities, len(rows))
            failures |= {start + row: reason for row, reason in part.failures.items()}
            if failures and not self.can_fail:
                row, reason = next(iter(failures.items()))
                msg = (
                    f"candidate {row} failed ({reason}), but {type(self).__name__} does not say "
                    "that candidates can fail; set its can_fail = True"
                )
                raise PruneError(msg)
            parts.append(part)
        values = {name: np.concatenate([part[name] for part in parts]) for name in self.quantities}
        return Measured(values, failures)

    @property
    def measures_latency(self) -> bool:
        """Whether latencies are measured here, besides what `measure` returns."""
        return LATENCY in self.quantities and LATENCY not in type(self).quantities

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

    @cached_property
    def parent_values(self) -> Mapping[str, float]:
        """What the unpruned network measures, its latency too where that is measured."""
        found = dict(self.parent_measurements())
        if self.measures_latency:
            found[LATENCY] = self.stopwatch.parent_milliseconds
        return found

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

    @property
    def fingerprint(self) -> str:
        """Names the configuration: equal for problems whose measurements are interchangeable."""
        text = json.dumps(self.configuration(), sort_keys=True)
        return hash_bytes(text.encode()).hex()
