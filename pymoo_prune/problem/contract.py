"""What a problem says, in the order of what it cannot do without.

First what every problem writes; then what is asked of most; then what only some can say. Whatever
is not written has a default here, which does without or says what is missing.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from pymoo.core.algorithm import Algorithm
from torch import nn

from pymoo_prune.chromosomes import Array
from pymoo_prune.data import Data
from pymoo_prune.errors import PruneError
from pymoo_prune.measuring import LatencyScheme
from pymoo_prune.objectives import STANDARD, Goals, Measurements, Quantity, Values
from pymoo_prune.problem.presets import Preset
from pymoo_prune.problem.racing import Racing
from pymoo_prune.problem.rivals import Baseline, Published
from pymoo_prune.training import Recipe, trained

CHUNK = 16
"""Candidates handed over at once: enough to share work, few enough to stay in a core's cache."""


class Contract:
    """What a problem says of candidates, and of itself: write `measure`, `network`, `operators`.

    Attributes:
        data_set: The images; a search sees `train` and `validation`, never `test`.
        seed: Of everything random in a measurement, and of the parent's training.
    """

    data_set: Data
    seed: int

    # What every problem writes.

    quantities: Mapping[str, Quantity] = STANDARD
    """What `measure` returns; an object has the latency too, where that is asked for."""

    @abstractmethod
    def measure(self, X: Array) -> Measurements:
        """Measures every candidate: from each of the class's `quantities` to its values, (n,).

        A candidate's values depend on it, on the configuration and on the seed, and on nothing
        else: not on its neighbours in X, nor on the order. Where `can_fail`, it may be `Measured`.
        """

    @abstractmethod
    def network(self, x: Array) -> nn.Module:
        """The stand-alone pruned network of one chromosome, (n_var,)."""

    @abstractmethod
    def operators(self) -> dict[str, Any]:
        """`sampling`, `crossover`, `mutation` and what else an engine should be given."""

    # What most write: the parent, all that measurements depend on, and chance to compare with.

    def parent_measurements(self) -> Mapping[str, float]:
        """What the unpruned network measures; bounds in percent and reports refer to it."""
        msg = f"{type(self).__name__} does not say what its parent measures (parent_measurements)"
        raise PruneError(msg)

    def parent_network(self) -> nn.Module | None:
        """The network that is pruned, where there is one; a run keeps its weights."""
        return None

    def configuration(self) -> dict[str, Any]:
        """All that a measurement depends on besides the candidate, as JSON values."""
        return {"problem": type(self).__name__, "data": self.data_set.digest, "seed": self.seed}

    def random(self, n: int, generator: np.random.Generator) -> Array:  # noqa: ARG002
        """Random chromosomes, (n, n_var), for random search: nothing known about good ones."""
        msg = f"{type(self).__name__} does not say what a random candidate is (random)"
        raise PruneError(msg)

    # How it is searched: settings by name, and a paper's own algorithm.

    presets: ClassVar[Mapping[str, Preset]] = {"quick": Preset("a small search", generations=20)}
    """Settings by name; the first is the default."""
    own_goal: ClassVar[str] = ""
    """Where `algorithm()` is for one objective only: options that ask for it."""

    def algorithm(self) -> Algorithm:
        """The paper's own algorithm with the paper's own settings."""
        raise self._no_algorithm()

    @classmethod
    def check_own_algorithm(cls, goals: Goals) -> None:
        """An error where `algorithm()` cannot be after some goals, or is not written at all.

        Args:
            goals: What the problem is after, or would be once it is built.
        """
        if cls.algorithm is Contract.algorithm:
            raise cls._no_algorithm()
        if cls.own_goal and goals.n_obj > 1:
            msg = (
                f"the paper's algorithm needs one objective, but the problem has {goals.n_obj}; "
                f"take {cls.own_goal}, or --algorithm nsga2"
            )
            raise PruneError(msg)

    @classmethod
    def _no_algorithm(cls) -> PruneError:
        return PruneError(
            f"{cls.__name__} has no algorithm of its own; name one, for example nsga2"
        )

    # What becomes of a front, and what it is compared with.

    retraining: Recipe = Recipe(schedule="linear")
    """How networks are retrained after the search, those of the baselines too."""
    published: ClassVar[Published] = {}
    """What papers report; drawn beside fronts."""

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

    def baselines(self, front: Mapping[str, Values]) -> Sequence[Baseline]:  # noqa: ARG002
        """What a user would do instead, at the sizes of a front; nothing unless written.

        Args:
            front: The front's measurements, (n,) each.
        """
        return ()

    def notes(self, X: Array) -> Sequence[str]:  # noqa: ARG002
        """What a reader should know about the networks of a front, a sentence each.

        Args:
            X: The front's chromosomes, (n, n_var); a network's number is its row.
        """
        return ()

    def matrices(self, X: Array) -> tuple[Array, Array] | None:  # noqa: ARG002
        """What chromosomes look like where they are matrices, to be drawn; None unless written.

        Args:
            X: Chromosomes, (n, n_var).

        Returns:
            Which cells live, (n, matrices, rows, columns), and which may, (rows, columns).
        """
        return None

    # What is known of candidates before they are measured.

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

    # How candidates are measured: many at once, one not at all, on images that change, or in races.

    chunk: int = CHUNK
    """Candidates that `measure` is given at once; more, where a GPU measures them together."""
    together: int = 1
    """Candidates that are measured as one program: a worker is not given fewer than it must be."""
    can_fail: bool = False
    """Whether `measure` may return `Measured` with failures; known before `__init__` is called."""
    racing: Racing | None = None
    """How single-objective engines save images, where that is wanted; see `measure_on`."""

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

    # Latencies, which no problem measures by itself.

    latency_scheme: LatencyScheme = LatencyScheme()
    """How latencies are measured, where they are asked for."""
    no_latency: str = ""
    """Why it makes no sense to measure latencies, where it does not: told to whoever asks."""

    def architecture(self, x: Array) -> nn.Module:
        """A network of the same shape, for latencies: its weights mean nothing.

        `network(x)` unless written, which is worth it where that trains or solves.
        """
        return self.network(x)
