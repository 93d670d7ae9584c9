"""Dense connectivity: which connections of a DenseNet live?

Jingeun Kim, Yong-Hyuk Kim and Yourim Yoon. "Genetic Algorithm-Based Pruning for Efficient DenseNet
Architectures". Sections and tables below are the paper's.

A candidate has a matrix for each dense block: which layers read the block's input, and which read
the layers before them. A network with fewer connections is really smaller. A genetic algorithm with
a crossover of quadrants looks for the matrices whose networks are most accurate after an epoch of
training. The winner is trained to the end.

Beyond the paper: several objectives; cheaper fitness (fewer images, smaller images); weights that
candidates inherit from one network trained once, refitted to the connections that are left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

import numpy as np
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.core.algorithm import Algorithm
from pymoo.operators.selection.rnd import RandomSelection
from torch import nn

from pymoo_prune.chromosomes import (
    Array,
    Booleans,
    candidate_seed,
    check_share,
    digests,
)
from pymoo_prune.data import Data, Split
from pymoo_prune.engines import check_own_algorithm
from pymoo_prune.errors import TrainingDiverged
from pymoo_prune.measuring import stack_size
from pymoo_prune.networks import DenseNet
from pymoo_prune.objectives import (
    STANDARD,
    Constraint,
    Measurements,
    Objectives,
    Quantity,
    Values,
    one_by_one,
)
from pymoo_prune.operators import (
    Candidates,
    DigestDuplicates,
    Elitism,
    MatrixBitFlip,
    QuadrantMatrixCrossover,
)
from pymoo_prune.problem import (
    CHUNK,
    Illustration,
    Portions,
    Preset,
    Preview,
    PruningProblem,
    Published,
    Timing,
    objectives_on,
)
from pymoo_prune.pruning import SharedWeights
from pymoo_prune.recovery import Recovery
from pymoo_prune.training import Lessons, Recipe
from pymoo_prune_problems.dense_connectivity.checks import (
    check_dense_net,
    check_labels,
    check_options,
    check_sizes,
    wanted_network,
)
from pymoo_prune_problems.dense_connectivity.images import TEST_WARNING, train_and_search_images
from pymoo_prune_problems.dense_connectivity.inheritance import Inheritance
from pymoo_prune_problems.dense_connectivity.populations import spread_population
from pymoo_prune_problems.dense_connectivity.rivals import ConnectionRivals
from pymoo_prune_problems.dense_connectivity.sizes import DenseNetSizes
from pymoo_prune_problems.dense_connectivity.training import DenseNetTrainer, augmented, ready


class DenseConnectivity(PruningProblem):
    """Prunes connections of a DenseNet-BC: each layer reads only some of the layers before it.

    Args:
        data: The images.
        parent: A trained DenseNet with all connections, ours or torchvision's; None trains one.
        depth: Its convolutions and linear layers: 6 N + 4 with N layers in each block.
        layers: The layers of each block, such as "6,12,24,16"; None is what the depth says.
        growth: Channels that each layer adds.
        weights: Where a candidate's weights come from: "inherited" from the parent, which is
            trained once, or "scratch", where each is trained on its own (the paper).
        recovery: What inherited weights get: "none", or "refit", "batch-norm" and "steps:K" joined
            by a plus.
        parent_epochs: Epochs that a parent with weights to inherit is trained for.
        epochs: Epochs of training from scratch, for each candidate.
        train_images: Training images of an epoch; None is all.
        image_size: Pixels each way, while searching; None is what the data has.
        kept: The chance that a connection lives in the first population; the paper's p. None takes
            all chances, and adds networks that keep their strongest connections.
        points: Connections that flip in a matrix that mutates.
        search_images: Images that candidates are measured on.
        recovery_images: Training images for refits and batch-norm statistics.
        fitness_split: "validation", or "test" as the paper has it, with a warning.
        together: Candidates trained at once as one network; None is 1 on a processor, 16 on a GPU.
        objectives: See `PruningProblem`; the paper's is accuracy alone.
        constraints: See `PruningProblem`.
        seed: The seed of weights, of the choice of images and of their order.
        progress: Called with the share of the parent's training that is done.
    """

    POPULATION, GENERATIONS, ELITE, MUTATION = 20, 10, 0.2, 0.1  # Table I
    STEP_IMAGES = 64  # a gradient step of "steps:K"

    TRAINING = Recipe(
        "sgd", 0.1, "one-cycle", 64, weight_decay=1e-4, bfloat16=True, channels_last=True
    )
    """Short training from scratch; the rate ends at 0, so that the last batches do not decide."""
    SCHEDULE = replace(TRAINING, schedule="drops")
    """DenseNet's own, for the end: a tenth of the rate after half, a hundredth after 3/4."""
    GENTLE = replace(TRAINING, learning_rate=0.02, schedule="linear")
    """For networks that are good already."""

    can_fail = True
    compares = True
    rivals: ConnectionRivals
    RECOVERY = "refit+batch-norm"  # unless the user asks for another
    parent: DenseNet
    timing = Timing()
    quantities: Mapping[str, Quantity] = {
        **STANDARD,
        "connections": Quantity("lower", "connections kept", share=True),
    }
    published: ClassVar[Published] = {
        "cifar10": {
            "Kim et al. (Table II)": {
                "parameters": (0.51e6, 0.55e6, 0.61e6, 0.68e6, 0.78e6),
                "test_accuracy": (0.9456, 0.9496, 0.9492, 0.9503, 0.9515),
            }
        }
    }
    own_goal = "--objectives accuracy"
    presets: ClassVar[Mapping[str, Preset]] = {
        "quick": Preset(
            "NSGA-II over accuracy, parameters and MACs; weights inherited and refitted",
            {"depth": 22, "growth": 8, "parent_epochs": 40.0},
            pop_size=24,
            generations=10,
            finish_images=1_000,
        ),
        "paper": Preset(
            "the paper's GA: every candidate is trained from scratch for an epoch",
            {"weights": "scratch", "kept": 0.5, "search_images": 10_000},
            algorithm="own",
            pop_size=POPULATION,
            generations=1 + GENERATIONS,  # the first population, and ten rounds of children
            objectives=("accuracy",),
            finish_images=300 * 50_000,  # DenseNet's 300 epochs
        ),
    }

    def __init__(
        self,
        data: Data,
        *,
        parent: nn.Module | None = None,
        depth: int = 100,
        layers: str | Sequence[int] | None = None,
        growth: int = 12,
        weights: Literal["inherited", "scratch"] = "inherited",
        recovery: str = RECOVERY,
        parent_epochs: float = 12.0,
        epochs: float = 1.0,
        train_images: int | None = None,
        image_size: int | None = None,
        kept: float | None = None,
        points: int = 1,
        search_images: int = 1_000,
        recovery_images: int = 256,
        fitness_split: Literal["validation", "test"] = "validation",
        together: int | None = None,
        objectives: Objectives = ("accuracy", "parameters", "macs"),
        constraints: Sequence[Constraint | str] = (),
        seed: int = 0,
        progress: Callable[[float], None] | None = None,
    ) -> None:
        check_options(
            weights, fitness_split, search_images, recovery_images, train_images, epochs,
            parent_epochs,
        )  # fmt: skip
        objectives = objectives_on(data, type(self), objectives, constraints)
        data = check_labels(data, parent, weights)
        parent, self.codec, growth, large = wanted_network(parent, depth, layers, growth)
        check_sizes(data, self.codec.blocks, growth, image_size, large=large)
        self.mutation = MatrixBitFlip(self.codec, rate=self.MUTATION, points=points)
        self.growth, self.kept = growth, None if kept is None else float(check_share(kept))
        self.recovery = Recovery.parse(recovery)
        self.fitness_split, self.inherits = fitness_split, weights == "inherited"
        self.can_fail = not self.inherits or self.recovery.steps > 0  # training may diverge
        size = stack_size(together, data.train.images.device, 16)
        self.portions = Portions(max(CHUNK, size), size)
        self.image_size, self.recovery_images = image_size, recovery_images
        self.training, self.gentle = (augmented(one, data) for one in (self.TRAINING, self.GENTLE))
        self.retraining = self.gentle if self.inherits else augmented(self.SCHEDULE, data)
        super().__init__(
            data, n_var=self.codec.n_var, objectives=objectives, constraints=constraints, seed=seed,
            xl=0, xu=1, vtype=bool,
        )  # fmt: skip
        self.train, self.search_images = train_and_search_images(
            data, train_images, search_images, fitness_split, image_size, seed
        )
        # Images that each candidate is trained with, and the parent.
        steps, whole = self.recovery.steps * self.STEP_IMAGES, round(epochs * len(self.train))
        self.images = steps if self.inherits else whole
        self.parent_images = round(parent_epochs * len(self.train)) if self.inherits else whole
        self.trainer = DenseNetTrainer(data, self.train, self.codec, seed, self.training, large)
        if parent is None:
            # A parent with weights to inherit learns with random connections missing.
            parent = self.trainer.whole(
                growth, self.parent_images, random_paths=self.inherits, progress=progress
            )
        self.parent = check_dense_net(parent, self.codec, growth, data)
        self.trainer = replace(self.trainer, lessons=Lessons(self.train, self.parent))
        self.shared = SharedWeights(self.parent)
        self.inheritance: Inheritance | None = None
        if self.inherits:
            self.inheritance = Inheritance(
                self.shared, self.train, self.recovery, recovery_images, seed
            )
        self.dense_sizes = DenseNetSizes.of_network(self.parent, self.codec, data)
        self.preview = Preview(sizes=self._sizes, features=self.dense_sizes.features)
        self.timing = Timing(architecture=self._architecture)
        self.illustration = Illustration(self._notes, self._matrices)
        self.rivals = ConnectionRivals(
            self.parent, self.dense_sizes, seed, self._networks, self._narrower
        )
        self.depends_on = {
            "layers": self.codec.layers if self.codec.blocks == 3 else list(self.codec.sizes),
            "growth": self.growth,
            "inherits": self.inherits,
            "recovery": str(self.recovery) if self.inherits else None,
            "recovery_images": self.recovery_images if self.inherits else None,
            "train_images": len(self.train),
            "image_size": self.image_size,
            "images": self.images,
            "fitness": [self.fitness_split, len(self.search_images)],
            "recipe": repr(self.gentle if self.inherits else self.training),
            # Rounding depends on it.
            **({"together": size} if size > 1 and self.images else {}),
        }

    # Section III: encoding, operators, algorithm.

    @classmethod
    def can_fail_with(cls, options: Mapping[str, Any]) -> bool:
        """Only training can diverge: from scratch, or gradient steps after inheriting."""
        steps = Recovery.parse(options.get("recovery", cls.RECOVERY)).steps
        return options.get("weights", "inherited") == "scratch" or steps > 0

    def operators(self) -> dict[str, Any]:
        """Sampling, crossover of quadrants and bit flips of matrices."""
        return {
            "sampling": Candidates(self._first_population),
            "crossover": QuadrantMatrixCrossover(self.codec),
            "mutation": self.mutation,
            "eliminate_duplicates": DigestDuplicates(),
        }

    def algorithm(self) -> Algorithm:
        """The GA of Table I: random parents, the best 20 % of them and 80 % of their children."""
        check_own_algorithm(type(self), self.goals)
        return GA(
            pop_size=self.POPULATION,
            selection=RandomSelection(),
            survival=Elitism(self.ELITE),
            **self.operators(),
        )

    def random(self, n: int, generator: np.random.Generator) -> Array:
        """Every connection lives with the chance p; where p is open, each network has its own."""
        kept = 1 - generator.random(n) if self.kept is None else self.kept
        return self.codec.random(n, generator, kept)

    def _first_population(self, n: int, generator: np.random.Generator) -> Array:
        """The paper's where p is given; else spread from the chain alone to all connections."""
        if self.kept is not None:
            return self.random(n, generator)
        return spread_population(n, generator, self.parent, self.codec)

    def measure(self, X: Array) -> Measurements:
        """Accuracy on the search images, and sizes in closed form."""
        found = one_by_one(
            self.judged, lambda network: self.tested(ready(network)), self._networks(X)
        )
        return found | {**self.drop_of(found), **self._sizes(X)}

    @property
    def tested_on(self) -> Split:
        """The search images."""
        return self.search_images

    def _sizes(self, X: Array) -> dict[str, Values]:
        """Sizes of the networks, which no training changes."""
        return self.dense_sizes.of(self.codec.matrices(X))

    def parent_measurements(self) -> Mapping[str, float]:
        """The parent on the search images."""
        sizes = self.dense_sizes.of(self.parent.connections[None])
        return {
            **self.parent_accuracies,
            **{name: float(value[0]) for name, value in sizes.items()},
        }

    def _matrices(self, X: Array) -> tuple[Array, Array]:
        """Figure 3's matrices: which node of each block reads which."""
        return self.codec.matrices(X), self.codec.everything

    def network(self, x: Array) -> nn.Module:
        """The small network, trained as the search trained it."""
        return ready(self._networks(x[None])[0])

    def _architecture(self, x: Array) -> DenseNet:
        """A network with these connections, as it was made."""
        return self.shared.like(self.codec.matrices(x[None])[0])

    def _networks(self, X: Array) -> list[DenseNet | TrainingDiverged]:
        """Every candidate's network, ready to be measured, or the error of its training."""
        matrices, hashes = self.codec.matrices(X), digests(X)
        starts = [
            self._start(some, candidate_seed(self.seed, digest))
            for some, digest in zip(matrices, hashes, strict=True)
        ]
        recipe = self.gentle if self.inherits else self.training
        return self.trainer.candidates(starts, self.images, recipe, self.portions.together)

    def _start(self, matrices: Booleans, seed: int) -> DenseNet:
        """A network before its training: with the parent's weights, or with random ones."""
        if self.inheritance is None:
            return self.trainer.fresh(matrices, self.growth, seed)
        return self.inheritance.network(matrices)

    def _narrower(self, growth: int) -> DenseNet:
        """All connections and a smaller growth, trained for as long as the parent was."""
        return self.trainer.whole(growth, self.parent_images)

    def _notes(self, X: Array) -> list[str]:  # noqa: ARG002
        """A warning where the search saw the test images."""
        return [f"Beware: {TEST_WARNING}."] if self.fitness_split == "test" else []
