"""Trainings of pruned networks on labels, or, where images have none, on the parent's outputs."""

from __future__ import annotations

from typing import TypeVar

from torch import nn

from pymoo_prune.data import Split
from pymoo_prune.training.distillation import Distillation
from pymoo_prune.training.loop import trained
from pymoo_prune.training.recipes import Recipe

Network = TypeVar("Network", bound=nn.Module)


class Lessons:
    """Trains networks on the labels of some images, or, without labels, on the parent's outputs.

    The parent sees each image once, for any number of networks.

    Args:
        split: The training images.
        parent: The unpruned network; only images without labels need it.
    """

    def __init__(self, split: Split, parent: nn.Module | None) -> None:
        self.split = split
        self.distillation: Distillation | None = None
        if split.labels is None and parent is not None:
            self.distillation = Distillation(parent, split, alpha=0)

    def learnt(
        self,
        network: Network,
        *,
        images: int,
        recipe: Recipe,
        seed: int = 0,
        keep_zeros: bool = False,
    ) -> Network:
        """A copy of a network after gradient steps; see `trained` for the arguments.

        Without labels it neither crops nor flips: the parent's outputs are of the plain images.
        Nor does it where inputs are no images.
        """
        if not self.split.are_images:
            recipe = recipe.without_crops()
        if self.distillation is None:  # without labels and parent, this names what is missing
            return trained(
                network, self.split, images=images, recipe=recipe, seed=seed, keep_zeros=keep_zeros
            )
        return self.distillation.distilled(
            network,
            images=images,
            recipe=recipe.without_crops(),
            seed=seed,
            keep_zeros=keep_zeros,
        )
