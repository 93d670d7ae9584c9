"""The contract of a problem: read this before writing one.

Every problem has `quantities`, `network`, `operators`, `random` and `measure`. All but
`network` and `operators` have defaults. Then come the parent and the configuration, which most
problems set as attributes, and presets. See `facets` for what only some problems define.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from pymoo.core.algorithm import Algorithm
from torch import nn

from pymoo_prune.chromosomes import Array
from pymoo_prune.data import Data, Split
from pymoo_prune.errors import PruneError
from pymoo_prune.measuring import (
    LATENCY,
    MILLISECONDS,
    Expected,
    count_macs,
    count_parameters,
    goodness_of,
)
from pymoo_prune.objectives import (
    DIVERGENCE,
    FLOPS,
    NATS,
    STANDARD,
    TWICE_MACS,
    Measurements,
    Quantity,
    Values,
    one_by_one,
)
from pymoo_prune.operators import Ladders
from pymoo_prune.problem.arguments import checked
from pymoo_prune.problem.facets import (
    Approximation,
    Illustration,
    Portions,
    Preview,
    Published,
    Rivals,
    Timing,
)
from pymoo_prune.problem.presets import Preset
from pymoo_prune.problem.unlabelled import accuracies_of, drop_of
from pymoo_prune.training import Lessons, Recipe, digest_of


class Contract:
    """What a problem defines: its candidates, and itself.

    Attributes:
        data_set: The images; a search sees `train` and `validation`, never `test`.
        seed: The seed of everything random in a measurement, and of the parent's training.
    """

    data_set: Data
    seed: int

    def __init_subclass__(cls, **more: Any) -> None:
        """Constructors check their arguments against their annotations before anything long."""
        super().__init_subclass__(**more)
        if "__init__" in vars(cls):
            setattr(cls, "__init__", checked(vars(cls)["__init__"]))  # noqa: B010 - for mypy

    # What every problem defines.

    quantities: Mapping[str, Quantity] = STANDARD
    """What is measured; an instance adds latency and divergence where they are asked for."""

    @abstractmethod
    def network(self, x: Array) -> nn.Module:
        """The stand-alone pruned network of one chromosome, (n_var,)."""

    @abstractmethod
    def operators(self) -> dict[str, Any]:
        """`sampling`, `crossover`, `mutation` and anything else that an engine should get."""

    def random(self, n: int, generator: np.random.Generator) -> Array:  # noqa: ARG002
        """Random chromosomes, (n, n_var), for random search: drawn without knowing good ones."""
        msg = f"{type(self).__name__} does not say what a random candidate is (random)"
        raise PruneError(msg)

    def measure(self, X: Array) -> Measurements:
        """Measures every candidate: from each quantity's name to its values, (n,).

        A candidate's values depend on it, on the configuration and on the seed, and on nothing
        else: not on its neighbours in X, nor on the order. By default, each network is built,
        tested on the validation images and counted. `accuracy_drop` and `sparsity` follow from the
        parent, and may be left out. Where `can_fail`, the result may be `Measured`.
        """
        names = (*self.judged, "parameters", "macs")
        return one_by_one(names, lambda x: self._tested_and_counted(self.network(x)), X)

    def _tested_and_counted(self, network: nn.Module) -> dict[str, float]:
        """What is measured on images, parameters and MACs."""
        macs = count_macs(network, self.data_set.shape)
        return {**self.tested(network), "parameters": count_parameters(network), "macs": macs}

    @property
    def tested_on(self) -> Split:
        """The images that candidates are measured on."""
        return self.data_set.validation

    def tested(self, network: nn.Module) -> Mapping[str, float]:
        """What is measured of a network on these images, by name; see `judged`."""
        if DIVERGENCE not in self.judged:  # the only one that needs a parent
            return {self.data_set.task.judge: goodness_of(network, self.tested_on)}
        return self.expected.measured_on(network, self.tested_on.images, self.judged)

    @cached_property
    def expected(self) -> Expected:
        """What outputs for these images are compared with."""
        return Expected.of(self._the_parent, self.tested_on)

    @cached_property
    def parent_accuracy(self) -> float | None:
        """The parent's accuracy, or metric, on these images; None where they have no labels."""
        unknown = self.tested_on.labels is None
        return None if unknown else goodness_of(self._the_parent, self.tested_on)

    @property
    def parent_accuracies(self) -> Mapping[str, float]:
        """The parent's accuracy on these images, and its drop; nothing without labels."""
        return accuracies_of(self.parent_accuracy, self.data_set.task.judge)

    def drop_of(self, found: Measurements) -> Mapping[str, Values]:
        """The accuracy that candidates lose on these images, (n,); nothing without labels."""
        return drop_of(self.parent_accuracy, found)

    @property
    def _the_parent(self) -> nn.Module:
        if self.parent is None:
            msg = f"{type(self).__name__} has no `parent` to compare networks with"
            raise PruneError(msg)
        return self.parent

    compares: ClassVar[bool] = False
    """Whether a `measure` of the problem's own measures the quantities that `judged` names."""

    @classmethod
    def offered(cls) -> Mapping[str, Quantity]:
        """All that objectives and constraints can name: `quantities`, and what they can ask for."""
        offered = {**cls.quantities, FLOPS: cls.quantities.get(FLOPS, TWICE_MACS)}
        if not cls._latency_refusal():
            offered.setdefault(LATENCY, MILLISECONDS)
        if cls.compares or cls.measure is Contract.measure:
            offered.setdefault(DIVERGENCE, NATS)
        return offered

    @classmethod
    def _latency_refusal(cls) -> str:
        if cls.timing is None:
            return "a problem that has a parent allows it with `timing = Timing()`"
        return cls.timing.refused

    @property
    def judged(self) -> tuple[str, ...]:
        """What is measured on outputs: the accuracy, and the divergence where it is asked for.

        A metric takes the accuracy's place. Without labels it is the divergence alone.
        """
        names = (self.data_set.task.judge, DIVERGENCE)
        return tuple(name for name in names if name in self.quantities)

    keeps_chromosomes: bool = True
    """Whether a run keeps the chromosome of every candidate: False where they are weights, or too
    large. Chromosomes that are objects are never kept."""

    can_fail: bool = False
    """Whether `measure` may return `Measured` with failures; set before `super().__init__()`."""

    @classmethod
    def can_fail_with(cls, options: Mapping[str, Any]) -> bool:  # noqa: ARG003
        """Whether candidates can fail with the options that are known so far.

        Args:
            options: The constructor's arguments by name, except those that keep their defaults.
        """
        return cls.can_fail

    # The network that is pruned, and what measurements depend on.

    parent: nn.Module | None = None
    """The unpruned network, where there is one; a run keeps its weights."""

    depends_on: Mapping[str, Any] = {}
    """What a measurement depends on besides candidate, data, seed and parent, as JSON values."""

    def parent_measurements(self) -> Mapping[str, float]:
        """The parent's measurements; bounds in percent and reports refer to them.

        By default: its accuracy on the validation images, its exact counts, and each further
        quantity's `whole`.
        """
        unknown = [
            name
            for name, quantity in self.quantities.items()
            if name not in STANDARD and quantity.whole is None and quantity.follows is None
        ]
        if self.parent is None or unknown:
            lacks = f"the parent's {', '.join(unknown)}" if self.parent is not None else "a parent"
            msg = (
                f"{type(self).__name__} lacks {lacks}: set its `parent`, give further quantities a "
                "value for it (Quantity(..., whole=1)), or write parent_measurements()"
            )
            raise PruneError(msg)
        measured = {n: float(v) for n, v in self._tested_and_counted(self.parent).items()}
        known = {n: q.whole for n, q in self.quantities.items() if q.whole is not None}
        return {**known, "accuracy_drop": 0.0, "sparsity": 0.0, **measured}

    def configuration(self) -> dict[str, Any]:
        """Everything that a measurement depends on besides the candidate, as JSON values."""
        parent = {}
        if self.parent is not None and "parent" not in self.depends_on:
            parent["parent"] = digest_of(self.parent)
        about = {"problem": type(self).__name__, "data": self.data_set.digest, "seed": self.seed}
        return {**about, **parent, **self.depends_on}

    # The search, and the finishing of its networks.

    presets: ClassVar[Mapping[str, Preset]] = {"quick": Preset("a small search", generations=20)}
    """Settings by name; the first is the default."""
    published: ClassVar[Published] = {}
    """Results that papers report; drawn beside fronts."""
    bibtex: ClassVar[str] = ""
    """What to cite, as BibTeX; empty takes a file `references.bib` beside the problem's module."""
    own_goal: ClassVar[str] = ""
    """Options that ask for the one objective that `algorithm()` takes, where it takes only one."""

    def algorithm(self) -> Algorithm:
        """The paper's own algorithm with the paper's own settings."""
        msg = f"{type(self).__name__} has no algorithm of its own; name one, for example nsga2"
        raise PruneError(msg)

    retraining: Recipe = Recipe(schedule="linear")
    """The recipe for retraining networks after the search, also those of baselines."""

    def finished(self, network: nn.Module, *, images: int, seed: int) -> nn.Module:
        """A finished network: retrained, with what was pruned still pruned.

        Args:
            network: A network of this search, or of a baseline; it is not changed.
            images: Training images, counted with repetition.
            seed: The seed of their order.
        """
        return self.lessons.learnt(
            network, images=images, recipe=self.retraining, seed=seed, keep_zeros=True
        )

    @cached_property
    def lessons(self) -> Lessons:
        """Trainings on the training images: on their labels, or on the parent's outputs."""
        return Lessons(self.data_set.train, self.parent)

    # What only some problems define: see `facets`.

    ladders: Ladders | None = None
    """The levels of each layer, from all of it to the least of it, where chromosomes have such an
    order; Booleans have it without saying so."""
    approximation: Approximation | None = None
    preview: Preview = Preview()
    timing: Timing | None = None
    illustration: Illustration = Illustration()
    rivals: Rivals | None = None
    portions: Portions = Portions()
