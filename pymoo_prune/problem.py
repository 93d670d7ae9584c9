"""A pruning problem: chromosome -> candidate -> measurements -> objectives, as a pymoo Problem."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from pymoo.core.algorithm import Algorithm
from pymoo.core.problem import Problem
from torch import nn

from pymoo_prune.data import Data
from pymoo_prune.errors import PruneError
from pymoo_prune.genome import Array, hash_bytes
from pymoo_prune.objectives import (
    FAILED,
    STANDARD,
    Constraint,
    Goals,
    Measured,
    Measurements,
    Objectives,
    Quantity,
    Values,
    check_measurements,
    failed_rows,
    failures_of,
)
from pymoo_prune.racing import Racing
from pymoo_prune.training import Recipe, trained

CHUNK = 16
"""Candidates measured together: enough to share work, few enough to stay in a core's cache."""

RESERVED = {"f", "g", "h", "x", "cv", "feas", "rank", "crowding", "n_gen", "n_iter", "failure"}
"""Names that pymoo's individuals use themselves, and the reason that a failed one carries."""

Measure = Callable[[Array, int], Measurements]


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
        constraints: Bounds on quantities.
        seed: Of everything random in a measurement, and of the parent's training.
        xl: Lowest gene values, where pymoo's operators need them.
        xu: Highest gene values.
        vtype: Type of the genes.
    """

    quantities: ClassVar[Mapping[str, Quantity]] = STANDARD
    """What `measure` returns."""
    presets: ClassVar[Mapping[str, Preset]] = {"quick": Preset("a small search", generations=20)}
    """Settings by name; the first is the default."""
    retraining: Recipe = Recipe(schedule="linear")
    """How networks are retrained after the search, those of the baselines too."""
    racing: Racing | None = None
    """How single-objective engines save images, where that is wanted; see `measure_on`."""
    can_fail: bool = False
    """Whether `measure` may return `Measured` with failures; known before `__init__` is called."""

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
        bounds = [Constraint.parse(c) if isinstance(c, str) else c for c in constraints]
        self.goals = Goals(self.quantities, objectives, bounds)
        self.data_set = data
        self.seed = seed
        super().__init__(
            n_var=n_var,
            n_obj=self.goals.n_obj,
            n_ieq_constr=len(bounds) + self.can_fail,
            xl=xl,
            xu=xu,
            vtype=vtype,
            requires_kwargs=True,
        )

    # What a problem writes.

    @abstractmethod
    def measure(self, X: Array) -> Measurements:
        """Measures every candidate: a mapping from each of `quantities` to its values, (n,).

        A candidate's values depend on it, on the configuration and on the seed, and on nothing
        else: not on its neighbours in X, nor on the order. Where `can_fail`, it may be `Measured`.
        """

    @abstractmethod
    def network(self, x: Array) -> nn.Module:
        """The stand-alone pruned network of one chromosome, (n_var,)."""

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

    def notes(self, X: Array) -> Sequence[str]:  # noqa: ARG002
        """What a reader should know about the networks of a front, a sentence each.

        Args:
            X: The front's chromosomes, (n, n_var); a network's number is its row.
        """
        return ()

    def configuration(self) -> dict[str, Any]:
        """All that a measurement depends on besides the candidate, as JSON values."""
        return {
            "problem": type(self).__qualname__,
            "data": self.data_set.digest,
            "seed": self.seed,
        }

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
        """Checked measurements of a population, in chunks that fit a core's cache."""
        return self._in_chunks(X, lambda rows: self.measure_on(rows, batch))

    def measured_finally(self, X: Array) -> Measured:
        """Checked measurements for a front."""
        return self._in_chunks(X, self.measure_finally)

    def _in_chunks(self, X: Array, measure: Callable[[Array], Measurements]) -> Measured:
        parts: list[Measured] = []
        failures: dict[int, str] = {}
        for start in range(0, len(X), CHUNK):
            rows = X[start : start + CHUNK]
            part = check_measurements(measure(rows), self.quantities, len(rows))
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

    def score(self, measurements: Measurements) -> dict[str, Values]:
        """F, and G where there are constraints, from measurements.

        Where candidates can fail, G has one more column: 0 for who was measured. Who failed has
        `FAILED` everywhere, and so stands behind everybody who breaks a constraint.
        """
        scores = {"F": self.goals.F(measurements)}
        if self.goals.constraints:
            scores["G"] = self.goals.G(measurements, self._parent_values)
        if self.can_fail:
            failed = failed_rows(measurements)[:, None]
            bounds = [scores["G"]] if "G" in scores else []
            scores["G"] = np.hstack([*bounds, np.zeros(failed.shape)])
            scores = {name: np.where(failed, FAILED, values) for name, values in scores.items()}
        return scores

    @cached_property
    def _parent_values(self) -> Mapping[str, float]:
        needed = any(constraint.relative for constraint in self.goals.constraints)
        return self.parent_measurements() if needed else {}

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
        if self.can_fail:
            reasons = failures_of(measurements)
            out["failure"] = [reasons.get(row, "") for row in range(len(X))]

    @property
    def fingerprint(self) -> str:
        """Names the configuration: equal for problems whose measurements are interchangeable."""
        text = json.dumps(self.configuration(), sort_keys=True)
        return hash_bytes(text.encode()).hex()
