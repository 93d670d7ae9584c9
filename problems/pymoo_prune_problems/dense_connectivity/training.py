"""DenseNets of a search: made with random weights, and trained alone or several at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from pymoo_prune.chromosomes import Booleans, Connections
from pymoo_prune.data import Data, Split, balanced
from pymoo_prune.errors import TrainingDiverged
from pymoo_prune.networks import DenseNet
from pymoo_prune.pruning import RandomPaths, train_together
from pymoo_prune.recovery import calibrate
from pymoo_prune.training import Lessons, Recipe, seeded, trained

SIGNS = ("digits", "mnist")
"""Data sets whose images change their meaning when mirrored."""
CALIBRATION_IMAGES = 1_024
"""Training images for the batch norms of a network whose connections were missing at random."""


def augmented(recipe: Recipe, data: Data) -> Recipe:
    """A recipe with the shifts and mirrors that the images allow."""
    return replace(recipe, crop=min(data.size) // 8, flip=data.name not in SIGNS)  # 4 pixels of 32


@dataclass(frozen=True)
class DenseNetTrainer:
    """Makes DenseNets and trains them on the images of a search.

    Attributes:
        data: The images that networks are for.
        split: The training images.
        codec: Reads chromosomes.
        seed: The seed of weights, of the images' order, and of random paths.
        recipe: The training of networks with random weights.
        large: Whether the networks are for large images.
        lessons: What candidates learn from; None is the labels of the training images.
    """

    data: Data
    split: Split
    codec: Connections
    seed: int
    recipe: Recipe
    large: bool = False
    lessons: Lessons | None = None

    def fresh(self, matrices: Booleans, growth: int, seed: int) -> DenseNet:
        """A DenseNet with random weights.

        Args:
            matrices: Its connections, (blocks, nodes, nodes).
            growth: Channels that each layer adds.
            seed: The seed of its weights.
        """
        with seeded(seed, torch.device("cpu")):
            sizes = growth, self.data.channels, self.data.classes
            network = DenseNet(matrices, *sizes, large=self.large)
        return network.to(self.split.images.device)

    def whole(
        self,
        growth: int,
        images: int,
        *,
        random_paths: bool = False,
        progress: Callable[[float], None] | None = None,
    ) -> DenseNet:
        """A trained DenseNet with all connections.

        Args:
            growth: Channels that each layer adds.
            images: Images that it sees, counted with repetition.
            random_paths: Whether random connections are missing at each step, so that networks
                without them can inherit its weights.
            progress: Called with the share that is done.
        """
        network = self.fresh(self.codec.everything, growth, self.seed)
        split, recipe, seed = self.split, self.recipe, self.seed
        if not random_paths:
            return trained(
                network, split, images=images, recipe=recipe, seed=seed, progress=progress
            )
        paths = RandomPaths(network, seed)
        paths = trained(paths, split, images=images, recipe=recipe, seed=seed, progress=progress)
        rows = balanced(split.groups, CALIBRATION_IMAGES, seed)
        return calibrate(paths.parent, split.images[rows])

    def candidates(
        self,
        starts: Sequence[DenseNet],
        images: int,
        recipe: Recipe,
        together: int,
    ) -> list[DenseNet | TrainingDiverged]:
        """Candidates after their own training, or the error of a training that diverged.

        Args:
            starts: The candidates before it; all see the same images in the same order.
            images: Images that each sees, counted with repetition; 0 for no training.
            recipe: Their training.
            together: Candidates trained at once as one network, where images have labels.
        """
        if images == 0:
            return list(starts)
        lessons = self.lessons or Lessons(self.split, None)
        together = 1 if self.split.labels is None else together
        found: list[DenseNet | TrainingDiverged] = []
        for first in range(0, len(starts), together):
            stack = starts[first : first + together]
            if together > 1:
                # Always the same number: a stack's rounding depends on its size.
                filled = [*stack, *[stack[-1]] * (together - len(stack))]
                networks = train_together(
                    filled, self.split, images=images, recipe=recipe, seed=self.seed
                )
                found += networks[: len(stack)]
                continue
            try:
                network = lessons.learnt(stack[0], images=images, recipe=recipe, seed=self.seed)
                found.append(network)
            except TrainingDiverged as error:
                found.append(error)
        return found


def ready(network: DenseNet | TrainingDiverged) -> DenseNet:
    """A candidate after its training; raises the error of a training that diverged."""
    if isinstance(network, TrainingDiverged):
        raise network
    return network
