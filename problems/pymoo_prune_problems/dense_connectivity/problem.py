"""Dense connectivity: which connections of a DenseNet live?

Jingeun Kim, Yong-Hyuk Kim and Yourim Yoon: "Genetic Algorithm-Based Pruning for Efficient DenseNet
Architectures". Sections and tables below are the paper's.

A candidate is a matrix for each dense block: which of its layers read what comes in and which read
the layers before them. The networks that are left are really smaller. A genetic algorithm with a
crossover of quadrants looks for the matrices that are most accurate after an epoch of training; the
winner is trained to the end.

Beyond the paper: several objectives; cheaper fitness (fewer images, smaller images); weights that
candidates inherit from one network trained once, refitted to the connections that are left.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.core.algorithm import Algorithm
from pymoo.operators.selection.rnd import RandomSelection
from torch import nn

from pymoo_prune.chromosomes import (
    Array,
    Booleans,
    Connections,
    candidate_seed,
    check_share,
    digests,
    fully_connected,
)
from pymoo_prune.data import Data, balanced
from pymoo_prune.errors import PruneError, TrainingDiverged, unknown_name
from pymoo_prune.measuring import accuracy, count_parameters, dense_net_complexity, stack_size
from pymoo_prune.networks import DenseNet, layers_of_depth
from pymoo_prune.objectives import (
    STANDARD,
    Constraint,
    Measured,
    Measurements,
    Objectives,
    Quantity,
    Values,
)
from pymoo_prune.operators import (
    Candidates,
    DigestDuplicates,
    Elitism,
    MatrixBitFlip,
    QuadrantMatrixCrossover,
)
from pymoo_prune.problem import Baseline, Preset, PruningProblem, Published
from pymoo_prune.pruning import RandomPaths, SharedWeights, strengths, train_together
from pymoo_prune.recovery import ChannelRefit, Recovery, calibrate
from pymoo_prune.training import Recipe, digest_of, seeded, trained

SIGNS = ("digits", "mnist")
"""Data sets whose images mean something else in a mirror."""
TEST_WARNING = (
    "the search sees the test images (fitness_split='test', as Kim et al. have it): accuracies on "
    "them are no estimate of what the networks are worth on new images"
)


class DenseConnectivity(PruningProblem):
    """Prune the connections of a DenseNet-BC: which layers read which?

    Args:
        data: The images.
        parent: A trained DenseNet with all connections; None trains one.
        depth: Convolutions and linear layers of it: 6 N + 4 with N layers in each block.
        growth: Channels that each layer adds.
        weights: Where a candidate's weights come from: "inherited" from the parent, which is
            trained once, or "scratch", where each is trained on its own (the paper).
        recovery: What inherited weights get: "none", or "refit", "batch-norm" and "steps:K" joined
            by a plus.
        parent_epochs: Epochs that a parent with weights to inherit is trained for.
        epochs: Epochs of training from scratch, for each candidate.
        train_images: Training images of an epoch; None is all.
        image_size: Pixels each way, while searching; None is what the data has.
        kept: The chance that a connection lives in the first population; the paper's p. None is
            any, and networks whose weakest connections went are among the first population.
        search_images: Images that candidates are measured on.
        recovery_images: Training images for refits and batch-norm statistics.
        fitness_split: "validation", or "test" as the paper has it, with a warning.
        together: Candidates trained at once as one network; None is 1 on a processor, and 16 on a
            GPU.
        objectives: See `PruningProblem`; the paper's is accuracy alone.
        constraints: See `PruningProblem`.
        seed: Of weights, the choice of images and their order.
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
            generations=GENERATIONS,
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
        growth: int = 12,
        weights: Literal["inherited", "scratch"] = "inherited",
        recovery: str = "refit+batch-norm",
        parent_epochs: float = 12.0,
        epochs: float = 1.0,
        train_images: int | None = None,
        image_size: int | None = None,
        kept: float | None = None,
        search_images: int = 1_000,
        recovery_images: int = 256,
        fitness_split: Literal["validation", "test"] = "validation",
        together: int | None = None,
        objectives: Objectives = ("accuracy", "parameters", "macs"),
        constraints: Sequence[Constraint | str] = (),
        seed: int = 0,
        progress: Callable[[float], None] | None = None,
    ) -> None:
        if weights not in ("inherited", "scratch"):
            raise unknown_name("origin of weights", weights, ["inherited", "scratch"])
        if fitness_split not in ("validation", "test"):
            raise unknown_name("fitness split", fitness_split, ["validation", "test"])
        counts = (search_images, recovery_images, 1 if train_images is None else train_images)
        if min(counts) < 1 or min(epochs, parent_epochs) <= 0:
            msg = (
                "search_images, recovery_images and train_images must be at least 1, and epochs "
                f"and parent_epochs above 0, but they are {search_images}, {recovery_images}, "
                f"{train_images}, {epochs} and {parent_epochs}"
            )
            raise PruneError(msg)
        self.codec = Connections(layers_of_depth(depth))
        least = 2 ** (self.codec.blocks - 1)
        if growth < 2 or min(*data.size, least if image_size is None else image_size) < least:
            msg = (
                "growth must be at least 2, and images must have at least "
                f"{least}×{least} pixels, or nothing leaves a transition; but growth is {growth}, "
                f"images have {data.size[0]}×{data.size[1]} pixels, and image_size is {image_size}"
            )
            raise PruneError(msg)
        self.growth, self.kept = growth, None if kept is None else float(check_share(kept))
        self.recovery = Recovery.parse(recovery)
        self.inherits = weights == "inherited"
        self.together = stack_size(together, data.train.images.device, 16)
        self.chunk = max(self.chunk, self.together)
        self.image_size, self.recovery_images = image_size, recovery_images
        crop, flip = min(data.size) // 8, data.name not in SIGNS  # 4 pixels of 32
        final = self.GENTLE if self.inherits else self.SCHEDULE
        self.training, self.gentle, self.retraining = (
            replace(recipe, crop=crop, flip=flip) for recipe in (self.TRAINING, self.GENTLE, final)
        )
        super().__init__(
            data,
            n_var=self.codec.n_var,
            objectives=objectives,
            constraints=constraints,
            seed=seed,
            xl=0,
            xu=1,
            vtype=bool,
        )
        if fitness_split == "test":
            warnings.warn(TEST_WARNING, stacklevel=2)
        self.fitness_split = fitness_split
        self._take_images(train_images, search_images)
        self.parent_images = round(parent_epochs * len(self.train))
        # What each candidate is trained with.
        steps, whole = self.recovery.steps * self.STEP_IMAGES, round(epochs * len(self.train))
        self.images = steps if self.inherits else whole
        self._prepare(parent, progress)

    def _take_images(self, train_images: int | None, search_images: int) -> None:
        """The images that candidates are trained on, and those that they are measured on."""
        data = self.data_set
        self.train = data.train
        if train_images is not None:
            self.train = self.train.subset(balanced(self.train.labels, train_images, self.seed))
        search = data.test if self.fitness_split == "test" else data.validation
        self.search = search.subset(balanced(search.labels, search_images, self.seed))
        if self.image_size is not None:
            self.train = self.train.resized(self.image_size)
            self.search = self.search.resized(self.image_size)

    def _prepare(self, parent: nn.Module | None, progress: Callable[[float], None] | None) -> None:
        """The parent, and what it leaves to its heirs."""
        if parent is None:
            parent = self._trained_parent(progress)
        self.parent = self._checked(parent)
        self.refit: ChannelRefit | None = None
        self.shared = SharedWeights(self.parent)
        if not self.inherits:
            return
        rows = balanced(self.train.labels, self.recovery_images, self.seed)
        self.recovery_split = self.train.subset(rows)
        if self.recovery.refit:
            self.refit = ChannelRefit(
                self.parent,
                [reader.layer for reader in self.shared.readers(self.parent.connections)],
                self.recovery_split,
                centred=self.recovery.batch_norm,
                seed=self.seed,
            )

    # Section III: encoding, operators, algorithm.

    def operators(self) -> dict[str, Any]:
        """Sampling, crossover of quadrants and bit flips of matrices."""
        return {
            "sampling": Candidates(self._first_population),
            "crossover": QuadrantMatrixCrossover(self.codec),
            "mutation": MatrixBitFlip(self.codec, rate=self.MUTATION),
            "eliminate_duplicates": DigestDuplicates(),
        }

    def algorithm(self) -> Algorithm:
        """The GA of Table I: random parents, the best 20 % of them and 80 % of their children."""
        self.check_own_algorithm(self.goals)
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
        """As the paper has it where p is given; else spread from the chain alone to everything."""
        if self.kept is not None:
            return self.random(n, generator)
        known = self._strongest("global")[np.linspace(0, self.n_var, max(2, n // 4)).astype(int)]
        spread = np.linspace(0, 1, n + 2)[1:-1]
        others = self.codec.random(n, generator, generator.permutation(spread))
        return np.concatenate([known, others])[:n]

    # Measuring.

    def measure(self, X: Array) -> Measurements:
        """Accuracy on the search images, and sizes in closed form."""
        right = np.full(len(X), np.nan)
        failures = {}
        for row, network in enumerate(self._networks(X)):
            if isinstance(network, TrainingDiverged):
                failures[row] = str(network)
            else:
                right[row] = accuracy(network, self.search)
        drop = self.parent_accuracy - right
        return Measured({"accuracy": right, "accuracy_drop": drop, **self.sizes(X)}, failures)

    def sizes(self, X: Array) -> dict[str, Values]:
        """Sizes of the networks, which no training changes."""
        return self._sizes(self.codec.matrices(X))

    def features(self, X: Array) -> Array:
        """The connections, and the sizes that follow from them."""
        sizes = self.sizes(X)
        return np.column_stack([X, np.log(sizes["parameters"]), np.log(sizes["macs"])])

    def _sizes(self, matrices: Booleans, growth: int | None = None) -> dict[str, Values]:
        growth = growth or self.growth
        parameters, macs = dense_net_complexity(
            matrices,
            growth=growth,
            stem=2 * growth,
            channels=self.data_set.channels,
            classes=self.data_set.classes,
            size=self.data_set.size,
        )
        return {
            "parameters": parameters.astype(np.float64),
            "sparsity": 1 - parameters / self._all_parameters,
            "macs": macs.astype(np.float64),
            "connections": matrices[..., self.codec.free].mean(axis=(-1, -2)),
        }

    @cached_property
    def _all_parameters(self) -> int:
        return count_parameters(self.parent)

    @cached_property
    def parent_accuracy(self) -> float:
        """Of the parent on the search images."""
        return accuracy(self.parent, self.search)

    def parent_measurements(self) -> Mapping[str, float]:
        """The parent on the search images."""
        sizes = self._sizes(self.parent.connections[None])
        return {
            "accuracy": self.parent_accuracy,
            "accuracy_drop": 0.0,
            **{name: float(value[0]) for name, value in sizes.items()},
        }

    def matrices(self, X: Array) -> tuple[Array, Array]:
        """Figure 3's: which node of each block reads which."""
        return self.codec.matrices(X), self.codec.chain | self.codec.free

    def network(self, x: Array) -> nn.Module:
        """The small network, trained as the search trained it."""
        network = self._networks(x[None])[0]
        if isinstance(network, TrainingDiverged):
            raise network
        return network

    def architecture(self, x: Array) -> DenseNet:
        """A network with these connections, as it was made."""
        return self.shared.like(self.codec.matrices(x[None])[0])

    def _networks(self, X: Array) -> list[DenseNet | TrainingDiverged]:
        """Every candidate's network, ready to be measured; an error for who diverged."""
        seeds = [candidate_seed(self.seed, digest) for digest in digests(X)]
        starts = [
            self._start(matrices, seed)
            for matrices, seed in zip(self.codec.matrices(X), seeds, strict=True)
        ]
        return self._trained(starts)

    def _start(self, matrices: Booleans, seed: int) -> DenseNet:
        """A network before its training: with the parent's weights, or with random ones."""
        if not self.inherits:
            return self._fresh(matrices, self.growth, seed)
        network = self.shared.network(matrices, self.refit)
        if self.recovery.batch_norm:
            calibrate(network, self.recovery_split.images)
        return network

    def _fresh(self, matrices: Booleans, growth: int, seed: int) -> DenseNet:
        with seeded(seed, torch.device("cpu")):
            network = DenseNet(matrices, growth, self.data_set.channels, self.data_set.classes)
        return network.to(self.train.images.device)

    def _trained(self, starts: Sequence[DenseNet]) -> list[DenseNet | TrainingDiverged]:
        """Candidates after their own training; all see the same images in the same order."""
        if self.images == 0:
            return list(starts)
        recipe = self.gentle if self.inherits else self.training
        found: list[DenseNet | TrainingDiverged] = []
        for first in range(0, len(starts), self.together):
            stack = starts[first : first + self.together]
            if self.together > 1:
                # Always as many: how a stack rounds depends on its size.
                filled = [*stack, *[stack[-1]] * (self.together - len(stack))]
                found += train_together(
                    filled, self.train, images=self.images, recipe=recipe, seed=self.seed
                )[: len(stack)]
                continue
            try:
                found.append(
                    trained(stack[0], self.train, images=self.images, recipe=recipe, seed=self.seed)
                )
            except TrainingDiverged as error:
                found.append(error)
        return found

    # The parent.

    def _trained_parent(self, progress: Callable[[float], None] | None) -> DenseNet:
        """All connections: trained with random ones missing where weights are to be inherited."""
        everything = fully_connected(self.codec.layers)
        network = self._fresh(everything, self.growth, self.seed)
        if not self.inherits:
            return trained(
                network,
                self.train,
                images=self.images,
                recipe=self.training,
                seed=self.seed,
                progress=progress,
            )
        paths = trained(
            RandomPaths(network, self.seed),
            self.train,
            images=self.parent_images,
            recipe=self.training,
            seed=self.seed,
            progress=progress,
        )
        rows = balanced(self.train.labels, 1_024, self.seed)
        return calibrate(paths.parent, self.train.images[rows])

    def _checked(self, parent: nn.Module) -> DenseNet:
        """A copy of the parent, in evaluation mode; or an error that says why it does not fit."""
        codec, data = self.codec, self.data_set
        wanted = (codec.blocks, codec.layers, self.growth, data.channels, data.classes)
        if not isinstance(parent, DenseNet):
            msg = f"the parent must be a DenseNet, but it is a {type(parent).__name__}"
            raise PruneError(msg)
        blocks, nodes, _ = parent.connections.shape
        given = (blocks, nodes - 2, parent.growth, parent.channels, parent.classes)
        if given != wanted or parent.stem.out_channels != 2 * self.growth:
            msg = (
                "the parent must have (blocks, layers, growth, channels, classes) = "
                f"{wanted} and a stem of twice the growth, but it has {given} and "
                f"{parent.stem.out_channels}; depth and growth must be the parent's"
            )
            raise PruneError(msg)
        return copy.deepcopy(parent).to(data.train.images.device).eval()

    def parent_network(self) -> nn.Module:
        """The network with all connections."""
        return self.parent

    # What it is compared with.

    def _strongest(self, kind: Literal["global", "uniform"]) -> Booleans:
        """Chromosomes with the strongest connections alone, from none to all, (n_var + 1, n_var).

        Args:
            kind: The strongest of the whole network, or the same share of each block.
        """
        found = strengths(self.parent)[:, self.codec.free]
        if kind == "uniform":
            found = found.argsort(axis=1).argsort(axis=1) + found / (1 + found.max())
        rank = np.argsort(np.argsort(-found.ravel(), kind="stable"))
        return rank < np.arange(self.n_var + 1)[:, None]

    def baselines(self, front: Mapping[str, Values]) -> list[Baseline]:
        """The strongest connections, and narrower networks with all of theirs, at like sizes."""
        sizes = np.unique(np.quantile(front["parameters"], np.linspace(0, 1, 6)))
        found = [self._pruned_by_strength("global", sizes)]
        found += [self._pruned_by_strength("uniform", sizes), self._narrower(sizes)]
        return [baseline for baseline in found if len(baseline.networks)]

    def _pruned_by_strength(self, kind: Literal["global", "uniform"], sizes: Values) -> Baseline:
        chromosomes = self._strongest(kind)
        parameters = self.sizes(chromosomes)["parameters"]
        rows = np.unique(np.abs(parameters - sizes[:, None]).argmin(axis=1))
        return self._baseline(f"{kind} magnitude pruning", chromosomes[rows])

    def _baseline(self, name: str, X: Array) -> Baseline:
        networks = self._networks(X)
        there = [isinstance(network, DenseNet) for network in networks]
        sizes = {key: values[there] for key, values in self.sizes(X).items()}
        return Baseline(name, [n for n in networks if isinstance(n, DenseNet)], sizes)

    def _narrower(self, sizes: Values, most: int = 3) -> Baseline:
        """All connections and a smaller growth rate, trained for as long as the parent was."""
        everything = fully_connected(self.codec.layers)
        columns = [self._sizes(everything[None], growth) for growth in range(1, self.growth)]
        table = {name: np.concatenate([c[name] for c in columns]) for name in columns[0]}
        wanted = sizes[np.linspace(0, len(sizes) - 1, min(most, len(sizes))).astype(int)]
        rows = np.unique(np.abs(table["parameters"] - wanted[:, None]).argmin(axis=1))
        networks: list[nn.Module] = []
        there: list[int] = []
        for row in rows.tolist():
            with suppress(TrainingDiverged):
                network = trained(
                    self._fresh(everything, row + 1, self.seed),
                    self.train,
                    images=self.parent_images if self.inherits else self.images,
                    recipe=self.training,
                    seed=self.seed,
                )
                networks.append(network)
                there.append(row)
        chosen = {name: values[there] for name, values in table.items()}
        return Baseline("narrower DenseNets", networks, chosen)

    def notes(self, X: Array) -> list[str]:  # noqa: ARG002
        """What a reader must know about the images."""
        return [f"Beware: {TEST_WARNING}."] if self.fitness_split == "test" else []

    def configuration(self) -> dict[str, Any]:
        """What measurements depend on."""
        return {
            **super().configuration(),
            "layers": self.codec.layers,
            "growth": self.growth,
            "inherits": self.inherits,
            "recovery": str(self.recovery) if self.inherits else None,
            "recovery_images": self.recovery_images if self.inherits else None,
            "train_images": len(self.train),
            "image_size": self.image_size,
            "images": self.images,
            "fitness": [self.fitness_split, len(self.search)],
            "recipe": repr(self.gentle if self.inherits else self.training),
            "parent": digest_of(self.parent),
            # Rounding depends on it.
            **({"together": self.together} if self.together > 1 and self.images else {}),
        }
