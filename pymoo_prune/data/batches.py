"""Batches: the images that a search measures its candidates on, and those of trainings."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch

from pymoo_prune.data.splits import Data, Split
from pymoo_prune.errors import PruneError, unknown_name


class SearchBatches:
    """A class-balanced choice of images: all in every generation, or one batch a generation.

    If batches change, batch b is a slice of a permutation of the images, and every pass over the
    images has a new permutation. A batch depends on b and the seed alone, so a resumed run sees the
    same images.

    Args:
        data: The data set to choose from.
        split: "validation", or "train" for papers that search on training images.
        images: The number of images, at most; each class has equally many, as far as it can.
        batch_size: Images in a batch, or None for a single batch of all images.
        seed: Chooses the images and the permutations.
    """

    def __init__(
        self,
        data: Data,
        split: Literal["validation", "train"],
        images: int,
        batch_size: int | None,
        seed: int,
    ) -> None:
        splits = {"validation": data.validation, "train": data.train}
        if split not in splits:
            raise unknown_name("search split", split, splits)
        if images < 1 or (batch_size is not None and not 1 <= batch_size <= images):
            msg = (
                "search_images must be at least 1 and batch_size between 1 and search_images, "
                f"but they are {images} and {batch_size}"
            )
            raise PruneError(msg)
        self.name, self.seed = split, seed
        self.pool = splits[split].subset(balanced(splits[split].groups, images, seed))
        self.batch_size = min(batch_size or len(self.pool), len(self.pool))
        self.changing = batch_size is not None

    @property
    def count(self) -> int:
        """Batches in one pass over the images."""
        return len(self.pool) // self.batch_size

    def __getitem__(self, batch: int) -> Split:
        if not self.changing:
            return self.pool
        epoch, place = divmod(batch, self.count)
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.pool))
        rows = order[place * self.batch_size : (place + 1) * self.batch_size]
        return self.pool.subset(torch.from_numpy(rows))

    def configuration(self) -> dict[str, Any]:
        """The settings that the batches depend on, besides data and seed."""
        return {
            "split": self.name,
            "images": len(self.pool),
            "batch_size": self.batch_size,
            "changing": self.changing,
        }


def in_batches(images: torch.Tensor, size: int) -> list[torch.Tensor]:
    """Images, or their places, in batches, of which the last may be smaller.

    A single image that is left over joins the batch before: batch norms cannot learn from one.

    Args:
        images: (n, ...).
        size: Images in a batch.
    """
    batches = list(images.split(size))
    if size > 1 and len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [images[-size - 1 :]]
    return batches


def balanced(labels: torch.Tensor, count: int, seed: int) -> torch.Tensor:
    """Indices of a random choice with equally many images of each class, as far as possible.

    Args:
        labels: (n,).
        count: The number of images, at most.
        seed: Chooses the images.

    Returns:
        Sorted indices, min(count, n) of them.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    classes = labels.cpu().numpy()[order]
    # An image's rank within its class: low ranks first takes equally many from each class.
    rank = np.empty(len(order), dtype=np.int64)
    for label in np.unique(classes):
        members = np.flatnonzero(classes == label)
        rank[members] = np.arange(len(members))
    chosen = order[np.argsort(rank, kind="stable")[:count]]
    return torch.from_numpy(np.sort(chosen))
