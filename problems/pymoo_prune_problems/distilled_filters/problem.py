"""Distilled filters: which filters and branches of a network live, taught by the whole network?

Sara Ghorab, Lila Meziani and Rubin Harvey Stuart. "Knowledge Distillation with Genetic Architecture
Search for Tiny IoT Devices". Sections and tables below are the paper's.

A candidate says for each filter whether it stays, and for each residual branch or inception branch
whether it is there at all. The rest is a small network with the teacher's weights. It learns from
the teacher for a few steps. Then its accuracy and its size are its fitness. The winning ticket is
distilled at length.

Beyond the paper: the weights that stay are refitted first, so that fewer steps say more; several
objectives; any network whose channels can be followed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.core.algorithm import Algorithm
from torch import nn

from pymoo_prune.chromosomes import Array
from pymoo_prune.data import Data, Split, balanced
from pymoo_prune.engines import check_own_algorithm
from pymoo_prune.networks import SlimNetwork, unpack_attention
from pymoo_prune.objectives import (
    STANDARD,
    Constraint,
    Measurements,
    Objectives,
    Quantity,
    WeightedSum,
    one_by_one,
)
from pymoo_prune.operators import (
    BlockCrossover,
    Candidates,
    DigestDuplicates,
    FilterMutation,
    FilterRepair,
)
from pymoo_prune.problem import (
    Preset,
    Preview,
    PruningProblem,
    Published,
    Timing,
    objectives_on,
)
from pymoo_prune.pruning import MultipleOf, PrunableFilters, RemovalOrders
from pymoo_prune.recovery import ChannelRefit, Recovery, calibrate
from pymoo_prune.training import (
    Distillation,
    Recipe,
    Stopping,
    check_parent,
    takes_channels_last,
    to_channels_last,
    train_parent,
)
from pymoo_prune_problems.distilled_filters.checks import check_multiples, check_numbers
from pymoo_prune_problems.distilled_filters.populations import Populations
from pymoo_prune_problems.distilled_filters.rivals import FilterRivals
from pymoo_prune_problems.distilled_filters.sizes import FilterSizes
from pymoo_prune_problems.distilled_filters.width_ladders import WidthLadders

FITNESS = WeightedSum({"accuracy": 1.0, "sparsity": 0.1, "macs_removed": 0.1})
"""Section III.E weighs accuracy, parameters and FLOPs and does not say how. Here a point of
accuracy is worth a tenth of the network."""


class DistilledFilters(PruningProblem):
    """Prunes filters and branches of a network: the rest is distilled from the whole network.

    Args:
        data: The images.
        parent: A trained network, the teacher; None trains one.
        network: The network that is trained then: simple-cnn, resnet-18, googlenet or another of
            the zoo.
        parent_epochs: Epochs that it is trained for.
        recovery: What a candidate gets before it is measured: "none", or "refit", "batch-norm" and
            "steps:K" (of distillation) joined by a plus.
        alpha: The labels' share of the loss; the teacher has the rest (section III.C), and all of
            it where there are no labels.
        temperature: T of the same formula.
        patience: Distillation ends after this many looks at held-out images without a gain; 0
            never ends it early.
        smallest: Share of the parameters that the smallest of the first population keep.
        multiple_of: Each group keeps a multiple of this number of filters, or all of them; also
            numbers by kind of layer, such as {"convolution": 8, "linear": 16}.
        search_images: Validation images that candidates are measured on.
        train_images: Training images that candidates learn from in the search; None is all.
        recovery_images: Training images for refits; some of them are for batch norms.
        objectives: See `PruningProblem`.
        constraints: See `PruningProblem`.
        seed: The seed of weights, of the choice of images and of their order.
        progress: Called with the share of the teacher's training that is done.
    """

    POPULATION, GENERATIONS = 20, 10  # the paper says "several generations"
    TEACHER = Recipe(
        "adam", 2e-3, "one-cycle", 128, weight_decay=1e-4, bfloat16=True, channels_last=True
    )
    LEARNING = Recipe("adam", 1e-3, "linear", 64, bfloat16=True, channels_last=True)
    """For candidates, a few steps, and for the winning ticket, at length."""
    CALIBRATION = 256  # images for batch norms: refits need more
    WATCHED = 256  # training images held out for early stopping, or a quarter of fewer

    can_fail = True
    compares = True
    rivals: FilterRivals
    RECOVERY = "refit+batch-norm+steps:20"  # unless the user asks for another
    parent: nn.Module
    timing = Timing()
    quantities: Mapping[str, Quantity] = {
        **STANDARD,
        "macs_removed": Quantity("higher", "MACs removed", share=True),
    }
    retraining = LEARNING
    published: ClassVar[Published] = {
        "mnist": {
            "Ghorab et al. (Table I)": {
                "sparsity": (0.8743, 0.8962, 0.8436),
                "test_accuracy": (0.981, 0.992, 0.993),
            }
        },
        "cifar10": {
            "Ghorab et al. (Table II)": {
                "sparsity": (0.7897, 0.9113, 0.8413),
                "test_accuracy": (0.7512, 0.9245, 0.8524),
            }
        },
    }
    own_goal = "--weights accuracy=1,sparsity=0.1,macs_removed=0.1"
    presets: ClassVar[Mapping[str, Preset]] = {
        "quick": Preset(
            "NSGA-II over accuracy, parameters and MACs; refit, batch norm, 10 steps",
            {"recovery": "refit+batch-norm+steps:10", "parent_epochs": 15.0},
            pop_size=24,
            generations=10,
            finish_images=6_000,
        ),
        "paper": Preset(
            "the paper's GA: one fitness, an epoch of distillation with early stopping, no refit",
            {"recovery": "steps:780", "patience": 3, "parent_epochs": 20.0},
            algorithm="own",
            pop_size=POPULATION,
            generations=GENERATIONS,
            objectives=FITNESS,
            finish_images=20 * 50_000,
        ),
    }

    def __init__(
        self,
        data: Data,
        *,
        parent: nn.Module | None = None,
        network: str = "simple-cnn",
        parent_epochs: float = 12.0,
        recovery: str = RECOVERY,
        alpha: float = 0.5,
        temperature: float = 4.0,
        patience: int = 0,
        smallest: float = 0.02,
        multiple_of: MultipleOf = 1,
        search_images: int = 1_000,
        train_images: int | None = None,
        recovery_images: int = 1_024,
        objectives: Objectives = ("accuracy", "parameters", "macs"),
        constraints: Sequence[Constraint | str] = (),
        seed: int = 0,
        progress: Callable[[float], None] | None = None,
    ) -> None:
        check_numbers(search_images, recovery_images, train_images, patience, smallest)
        check_multiples(multiple_of, data, network if parent is None else None)
        objectives = objectives_on(data, type(self), objectives, constraints)
        self.recovery = Recovery.parse(recovery)
        train = data.train
        if train_images is not None:
            train = train.subset(balanced(train.groups, train_images, seed))
        watched = max(1, min(self.WATCHED, len(train) // 4))
        self.stopping = Stopping(patience=patience, images=watched) if patience else None
        alpha = alpha if data.labelled else 0.0
        # Refuses impossible options before anything is trained; the teacher is set below.
        self.distillation = Distillation(nn.Identity(), train, alpha=alpha, temperature=temperature)
        if parent is None:
            parent = train_parent(
                data, network, parent_epochs, recipe=self.TEACHER, seed=seed, progress=progress
            )
        some = data.train.images[:2]
        self.parent = unpack_attention(check_parent(parent, data), some)
        self.parent.requires_grad_()  # a teacher may be frozen, but its children learn
        # With a pixel's channels side by side in memory, networks are twice as fast on a processor.
        if takes_channels_last(self.parent, some):
            to_channels_last(self.parent)
        self.filters = PrunableFilters(self.parent, data.shape, multiple_of, images=some)
        self.distillation.teacher = self.parent
        self.can_fail = self.recovery.steps > 0  # training may diverge
        super().__init__(
            data, n_var=self.filters.genes.n_var, objectives=objectives, constraints=constraints,
            seed=seed, xl=0, xu=1, vtype=bool,
        )  # fmt: skip
        found = balanced(data.validation.groups, search_images, seed)
        self.search_images = data.validation.subset(found)
        self.recovery_split = data.train.subset(balanced(data.train.groups, recovery_images, seed))
        # Balanced again: images may come class by class.
        few = balanced(self.recovery_split.groups, self.CALIBRATION, seed)
        self.calibration = self.recovery_split.subset(few).images
        statistics = ChannelRefit(
            self.parent,
            self.filters.refittable(),
            self.recovery_split,
            centred=self.recovery.batch_norm,
            seed=seed,
        )
        self.refit = statistics if self.recovery.refit else None
        self.orders = RemovalOrders(self.filters, statistics)
        self.populations = Populations(self.filters, self.orders, smallest)
        self.ladders = WidthLadders(self.filters, self.orders)
        # Where groups keep multiples, those that are missed most come back, and the others go.
        steps = self.filters.genes.steps
        self._repaired = (self.orders if steps else self.filters).repaired
        self._sizes = FilterSizes(self.filters, self._repaired)
        self.preview = Preview(sizes=self._sizes, features=self._sizes.features)
        self.timing = Timing(architecture=self._architecture)
        self.rivals = FilterRivals(
            self.populations, self._candidate, self._sizes, self.search_images, self.recovery_split
        )
        self.depends_on = {
            "recovery": str(self.recovery),
            "recovery_images": len(self.recovery_split),
            "search_images": len(self.search_images),
            "train_images": len(self.distillation.split),
            "distillation": [self.distillation.alpha, self.distillation.temperature],
            "stopping": repr(self.stopping),
            "recipe": repr(self.LEARNING),
            **({"multiple_of": list(steps)} if steps else {}),
        }

    # Section III.D and E: the population, its operators, the algorithm.

    @classmethod
    def can_fail_with(cls, options: Mapping[str, Any]) -> bool:
        """Only gradient steps can diverge."""
        return Recovery.parse(options.get("recovery", cls.RECOVERY)).steps > 0

    def operators(self) -> dict[str, Any]:
        """Sampling, crossover of blocks, mutation of filters and depth."""
        genes = self.filters.genes
        rule = {"repair": FilterRepair(genes, self.orders.strengths)} if genes.steps else {}
        return rule | {
            "sampling": Candidates(self.populations.first),
            "crossover": BlockCrossover(genes),
            "mutation": FilterMutation(genes, strengths=self.orders.ranks.astype(float)),
            "eliminate_duplicates": DigestDuplicates(),
        }

    def algorithm(self) -> Algorithm:
        """An elitist GA: the best of parents and children survive (section III.E)."""
        check_own_algorithm(type(self), self.goals)
        return GA(pop_size=self.POPULATION, **self.operators())

    def narrowed(self, widths: Array) -> Array:
        """Chromosomes of networks in which each group keeps the filters that are missed most.

        Args:
            widths: Filters of each group, (n, groups).
        """
        return self.populations.narrowed(widths)

    def random(self, n: int, generator: np.random.Generator) -> Array:
        """Random filters, at sizes spread evenly in the logarithm; random branches."""
        return self.populations.random(n, generator)

    # Measuring: section III.C and E.

    def measure(self, X: Array) -> Measurements:
        """Accuracy on the search images after recovery, and sizes in closed form."""
        X = self._repaired(X)
        found = one_by_one(self.judged, lambda x: self.tested(self._candidate(x)), X)
        return found | {**self.drop_of(found), **self._sizes(X)}

    @property
    def tested_on(self) -> Split:
        """The search images."""
        return self.search_images

    def network(self, x: Array) -> nn.Module:
        """The small network, as the search measured it."""
        return self._candidate(self._repaired(x))

    def _architecture(self, x: Array) -> SlimNetwork:
        """The small network, neither refitted nor distilled."""
        return self.filters.network(self._repaired(x))

    def _candidate(self, x: Array) -> SlimNetwork:
        """A child: the teacher's weights, refitted, and a few steps of distillation.

        All candidates see the same images in the same order, so that only their filters differ.
        """
        network = to_channels_last(self.filters.network(x, self.refit))
        if self.recovery.batch_norm:
            calibrate(network, self.calibration)
        if not self.recovery.steps:
            return network
        return self.distillation.distilled(
            network,
            images=self.recovery.steps * self.LEARNING.batch_size,
            recipe=self.LEARNING,
            seed=self.seed,
            stopping=self.stopping,
        )

    def finished(self, network: nn.Module, *, images: int, seed: int) -> nn.Module:
        """A network after distillation at length, as for the winning ticket (section III.F)."""
        return self.teaching.distilled(network, images=images, recipe=self.retraining, seed=seed)

    @cached_property
    def teaching(self) -> Distillation:
        """Distillation with all training images, for finished networks."""
        search, train = self.distillation, self.data_set.train
        if len(search.split) == len(train):
            return search
        return Distillation(self.parent, train, alpha=search.alpha, temperature=search.temperature)

    def parent_measurements(self) -> Mapping[str, float]:
        """The teacher on the search images."""
        whole = self._sizes(np.ones((1, self.n_var), dtype=bool))
        return {
            **self.parent_accuracies,
            **{name: float(value[0]) for name, value in whole.items()},
        }
