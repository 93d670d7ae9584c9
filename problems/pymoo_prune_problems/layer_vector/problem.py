"""Layer vector: how many of its smallest weights does each layer lose?

Wuqian Tang, Chuan-Shun Huang, Yung-Chih Chen, Yi-Ting Li, Shih-Chieh Chang and Chun-Yao Wang.
"Model Reduction Using a Hybrid Approach of Genetic Algorithm and Rule-based Method". Sections,
equations and tables below are the paper's.

A candidate is a vector of counts, one for each convolution and linear layer: how many of its
smallest weights the layer loses. A genetic algorithm looks for vectors that prune much for little
loss of accuracy. It runs twice: what the best of the first run have in common (rules) guides the
second. The rules of the second run say how the network is pruned. Then it is retrained for a few
epochs. All of this is done two or three times (`layer_vector.iterations.reduced`).

Beyond the paper: candidates are repaired before they are measured (refitted weights, batch-norm
statistics), several objectives, and an encoding by thresholds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pymoo.core.algorithm import Algorithm
from torch import nn

from pymoo_prune.chromosomes import Array, Counts, candidate_seed, digests
from pymoo_prune.data import Data
from pymoo_prune.engines import check_own_algorithm
from pymoo_prune.errors import PruneError
from pymoo_prune.inference import Precision
from pymoo_prune.measuring import Stacks, stack_size
from pymoo_prune.networks import unpack_attention
from pymoo_prune.objectives import (
    STANDARD,
    Constraint,
    Measured,
    Measurements,
    Objectives,
    Quantity,
    Values,
    one_by_one,
)
from pymoo_prune.operators import DigestDuplicates, Ladders
from pymoo_prune.problem import (
    CHUNK,
    Approximation,
    Illustration,
    Portions,
    Preset,
    Preview,
    PruningProblem,
    Published,
    Racing,
    Timing,
    accuracies_of,
    drop_of,
    objectives_on,
)
from pymoo_prune.pruning import (
    Assembly,
    CountAllocations,
    Levels,
    MagnitudeOrder,
    SearchImages,
    ThresholdAllocations,
    balanced_images,
)
from pymoo_prune.recovery import Recovery
from pymoo_prune.training import Recipe, check_parent, train_parent
from pymoo_prune_problems.layer_vector.checks import check_options
from pymoo_prune_problems.layer_vector.presets import PRESETS
from pymoo_prune_problems.layer_vector.published import PUBLISHED
from pymoo_prune_problems.layer_vector.rivals import ClosedFormAllocations
from pymoo_prune_problems.layer_vector.rules import RuleGuidedGA, paper_operators

LEVELS = 32
"""The levels of a layer, where a refit is solved for each, and of least-loss allocations."""


class LayerVector(PruningProblem):
    """Prunes single weights of a network: each layer loses a number of its smallest weights.

    Args:
        data: The images.
        parent: The trained network, any `nn.Module`; None trains `network`.
        network: Name of a network, as `pymoo-prune networks` lists them.
        parent_epochs: Epochs that this network is trained for.
        encoding: "counts" (the paper's), or "thresholds" around global magnitude pruning.
        recovery: What a candidate gets before it is measured: "none" (the paper), or "refit",
            "batch-norm" and "steps:K" joined by a plus.
        levels: Counts for each layer to choose from; None for all. Default: 32 with "refit", where
            every level is solved for once, and all without.
        variation: The operators: "kept-shares", or the "paper"'s sampling, crossover and mutation.
        search_images: Validation images that candidates are measured on.
        recovery_images: Training images for batch-norm statistics.
        precision: The search's precision: "float32", or "bfloat16" and "int8", which are faster;
            the front is measured again in float32.
        together: Candidates measured as one program, unless they take gradient steps; None is 1 on
            a processor, and 32 on a GPU.
        racing: Whether single-objective searches measure clearly good and bad candidates on fewer
            images.
        objectives: See `PruningProblem`; the paper's is `PrunedWeightsPerAccuracyDrop()`.
        constraints: See `PruningProblem`.
        seed: The seed of the parent's training, the choice of images and gradient steps.
        progress: Called with the share of the parent's training that is done.
    """

    STEP_IMAGES = 100  # a gradient step of "steps:K"

    PARENT = Recipe(
        "sgd", 0.1, "one-cycle", 128, weight_decay=5e-4, crop=2, flip=True, bfloat16=True
    )
    """For parents that are trained here: fewer epochs than the paper's, the same optimizer."""
    retraining = Recipe("sgd", 0.01, "linear", 128, bfloat16=True)

    RECOVERY = "refit+batch-norm"  # unless the user asks for another
    compares = True
    parent: nn.Module
    rivals: ClosedFormAllocations
    quantities: Mapping[str, Quantity] = {
        **STANDARD,
        "pruned": Quantity("higher", "weights pruned", share=True),
        "empty_layers": Quantity("lower", "layers without a weight"),
    }
    timing = Timing(
        refused="pruned weights stay in their matrices as zeros, and multiplying by zero takes as "
        "long; take macs"
    )
    published: ClassVar[Published] = PUBLISHED
    own_goal = "--objectives pwad"
    presets: ClassVar[Mapping[str, Preset]] = PRESETS

    def __init__(
        self,
        data: Data,
        *,
        parent: nn.Module | None = None,
        network: str = "resnet-20",
        parent_epochs: float = 12.0,
        encoding: Literal["counts", "thresholds"] = "counts",
        recovery: str = RECOVERY,
        levels: int | None = None,
        variation: Literal["kept-shares", "paper"] = "kept-shares",
        search_images: int = 1_000,
        recovery_images: int = 256,
        precision: Precision = "float32",
        together: int | None = None,
        racing: bool = False,
        objectives: Objectives = ("accuracy", "sparsity"),
        constraints: Sequence[Constraint | str] = (),
        seed: int = 0,
        progress: Callable[[float], None] | None = None,
    ) -> None:
        self.recovery = Recovery.parse(recovery)
        check_options(
            encoding, precision, search_images, recovery_images, levels, racing, data, variation
        )
        size = stack_size(together, data.train.images.device, 32)
        objectives = objectives_on(data, type(self), objectives, constraints)
        if parent is None:
            parent = train_parent(
                data, network, parent_epochs, recipe=self.PARENT, seed=seed, progress=progress
            )
        self.parent = unpack_attention(check_parent(parent, data), data.train.images[:2])
        self.order = MagnitudeOrder(self.parent, data.shape)
        self.assembly = Assembly(
            self.parent, self.order, data.train, self.recovery,
            images=recovery_images, precision=precision, seed=seed,
        )  # fmt: skip
        number = LEVELS if levels is None and self.recovery.refit else levels
        self.variation = variation
        self.levels = None if number is None else Levels(self.order.counts, number)
        levels_of_all = self.levels or Levels(self.order.counts, LEVELS)
        self.encoding: CountAllocations | ThresholdAllocations
        if encoding == "counts":
            losses = self.assembly.losses if self.recovery.refit else None
            self.encoding = CountAllocations(self.order, self.levels, losses)
            self.ladders = Ladders(list(levels_of_all.pruned.T))
        else:
            self.encoding = ThresholdAllocations(self.order, self.levels)
            self.ladders = Ladders(list(self.encoding.steps(LEVELS)))
        self.portions = Portions(max(CHUNK, size), 1 if self.recovery.steps else size)
        self.stacks = Stacks.on(data.train.images.device, self.portions.together)
        self.can_fail = self.recovery.steps > 0  # training may diverge
        super().__init__(
            data, n_var=self.encoding.n_var, objectives=objectives, constraints=constraints,
            seed=seed, xl=self.encoding.xl, xu=self.encoding.xu, vtype=self.encoding.vtype,
        )  # fmt: skip
        # Candidates are measured on all search images at once, or in the slices of a race.
        split = balanced_images(data, search_images, seed)
        race = Racing.doubling(len(split), share=RuleGuidedGA.SURVIVORS) if racing else None
        self.search_slices = SearchImages.slices(split, race.slices if race else (), self.assembly)
        self.search_images = SearchImages.prepared(split, self.assembly)
        if race is not None or precision != "float32":
            self.approximation = Approximation(self._measured_on, self._batch, race)
        self.preview = Preview(sizes=self._sizes_of, features=self._features)
        self.illustration = Illustration(notes=self._notes)
        self.rivals = ClosedFormAllocations(
            self.order, levels_of_all, self.assembly.losses, repaired=self._repaired,
            error=self._error, sizes=self._sizes, chromosomes=encoding == "counts",
        )  # fmt: skip
        self.depends_on = {
            "encoding": type(self.encoding).__name__,
            "levels": number,
            "recovery": str(self.recovery),
            "recovery_images": recovery_images,
            "precision": precision,
            "images": len(self.search_images.split),
            "slices": [len(images.split) for images in self.search_slices],
            # Rounding depends on it.
            **({"together": self.portions.together} if self.portions.together > 1 else {}),
        }

    @classmethod
    def can_fail_with(cls, options: Mapping[str, Any]) -> bool:
        """Only gradient steps can diverge."""
        return Recovery.parse(options.get("recovery", cls.RECOVERY)).steps > 0

    def operators(self) -> dict[str, Any]:
        """Sampling, crossover and mutation of the encoding, and duplicates by digest."""
        paper = self.variation == "paper"
        found = paper_operators(self.order, self.levels) if paper else self.encoding.operators()
        return {**found, "eliminate_duplicates": DigestDuplicates()}

    def algorithm(self) -> Algorithm:
        """Section III: two runs of the GA, the second guided by the rules of the first."""
        if not isinstance(self.encoding, CountAllocations):
            msg = "the paper's algorithm needs encoding 'counts', whose average makes sense"
            raise PruneError(msg)
        check_own_algorithm(type(self), self.goals)
        return RuleGuidedGA(self.order, self.levels)

    # Measuring.

    def measure(self, X: Array) -> Measurements:
        """Measures on all search images, in float32."""
        return self._measured(X, self.search_images, exact=True)

    def _measured_on(self, X: Array, batch: int) -> Measurements:
        """Measures on one slice of a race, or on all search images, with the search's precision."""
        return self._measured(X, [*self.search_slices, self.search_images][batch])

    def _batch(self, generation: int) -> int:  # noqa: ARG002
        """All search images: their number follows those of the slices, which only races ask for."""
        return len(self.search_slices)

    def _measured(self, X: Array, images: SearchImages, *, exact: bool = False) -> Measurements:
        counts = self.encoding.decode(X)
        if self.portions.together > 1:
            rows = self.stacks.run(
                len(X),
                lambda some: images.measured_together(
                    self.assembly, counts[some], self.judged, exact=exact
                ),
            )
            found = Measured(dict(zip(self.judged, np.array(rows).T, strict=True)), {})
        else:
            found = one_by_one(
                self.judged, lambda x, row: self._one(x, row, images, exact=exact), X, counts
            )
        return found | {**drop_of(images.parent_accuracy, found), **self._sizes(counts)}  # eq. 1

    def _sizes_of(self, X: Array) -> dict[str, Values]:
        """Sizes, which are known without measuring."""
        return self._sizes(self.encoding.decode(X))

    def _features(self, X: Array) -> Array:
        """The logarithm of the share of weights that each layer keeps, for both encodings."""
        kept = self.order.counts - self.encoding.decode(X)
        return np.log((kept + 1) / (self.order.counts + 1))

    def _one(
        self, x: Array, counts: Array, images: SearchImages, *, exact: bool
    ) -> Mapping[str, float]:
        if self.recovery.steps:
            return images.expected.measured_on(self.network(x), images.split.images, self.judged)
        return images.measured(self.assembly, counts, self.judged, exact=exact)

    def _sizes(self, counts: Counts) -> dict[str, Values]:
        parameters, macs = self.order.complexity(counts)
        return {
            "parameters": parameters,
            "sparsity": 1 - parameters / self.order.all_parameters,  # eq. 2
            "macs": macs,
            "pruned": counts.sum(axis=1) / self.order.counts.sum(),  # eq. 9, as a share
            "empty_layers": (counts == self.order.counts).sum(axis=1),
        }

    def parent_measurements(self) -> Mapping[str, float]:
        """The parent on the search images."""
        nothing = np.zeros((1, len(self.order)), dtype=np.int64)
        sizes = {name: float(value[0]) for name, value in self._sizes(nothing).items()}
        images = self.search_images
        return {**accuracies_of(images.parent_accuracy, images.split.task.judge), **sizes}

    def network(self, x: Array) -> nn.Module:
        """The network with zeros where it was pruned, repaired."""
        return self._repaired(self.encoding.decode(x[None])[0])

    def _repaired(self, counts: Array) -> nn.Module:
        network = self.assembly.network(counts)
        if self.recovery.steps == 0:
            return network
        with torch.enable_grad():
            return self.lessons.learnt(
                network,
                images=self.recovery.steps * self.STEP_IMAGES,
                recipe=replace(self.retraining, batch_size=self.STEP_IMAGES),
                seed=candidate_seed(self.seed, digests(counts[None])[0]),
                keep_zeros=True,
            )

    def _error(self, counts: Array) -> float:
        """The divergence of an allocation on the search images, before any gradient step."""
        found = self.search_images.measured(self.assembly, counts, ("divergence",), exact=True)
        return found["divergence"]

    def random(self, n: int, generator: np.random.Generator) -> Array:
        """Random counts, or thresholds."""
        return self.encoding.random(n, generator)

    def _notes(self, X: Array) -> list[str]:
        """Which layers lost all of their weights (the paper allows it)."""
        found = []
        for place, row in enumerate(self.encoding.decode(X) == self.order.counts):
            names = [self.order.names[layer] for layer in np.flatnonzero(row)]
            if names:
                found.append(f"Network {place} has no weight left in {', '.join(names)}.")
        return found
