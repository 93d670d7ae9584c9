"""The images that a search measures its candidates on."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch

from pymoo_prune.data.loading import Data, Split
from pymoo_prune.errors import PruneError, unknown_name


class SearchBatches:
    """A class-balanced choice of images, whole or as one batch a generation.

    Batch b of a changing schedule is a slice of a permutation of the images; every pass over them
    has a permutation of its own. It depends on b and the seed alone: a resumed run sees the same.

    Args:
        data: Where the images come from.
        split: "validation", or "train" for papers that search on training images.
        images: How many, at most; as many of each class, as far as there are.
        batch_size: Images in a batch, or None for a single batch of all images.
        seed: Of the choice and of the permutations.
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
        self.pool = splits[split].subset(balanced(splits[split].labels, images, seed))
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
        """What the batches depend on, besides data and seed."""
        return {
            "split": self.name,
            "images": len(self.pool),
            "batch_size": self.batch_size,
            "changing": self.changing,
        }


def balanced(labels: torch.Tensor, count: int, seed: int) -> torch.Tensor:
    """Indices of a random choice with as many images of each class, as far as there are.

    Args:
        labels: (n,).
        count: How many at most.
        seed: Of the choice.

    Returns:
        Sorted indices, min(count, n) of them.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    classes = labels.cpu().numpy()[order]
    # An image's rank within its class: taking low ranks first takes from all classes alike.
    rank = np.empty(len(order), dtype=np.int64)
    for label in np.unique(classes):
        members = np.flatnonzero(classes == label)
        rank[members] = np.arange(len(members))
    chosen = order[np.argsort(rank, kind="stable")[:count]]
    return torch.from_numpy(np.sort(chosen))
