"""Search images, ready for every precision, and how candidates are measured on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

from pymoo_prune.chromosomes import Array, Counts
from pymoo_prune.data import Data, Split, balanced
from pymoo_prune.inference import PreparedImages
from pymoo_prune.measuring import accuracy
from pymoo_prune.pruning import Assembly


@dataclass(frozen=True)
class SearchImages:
    """Search images, ready for every precision.

    Attributes:
        split: Images and labels.
        exact: The images for float32.
        fast: The images for the search's precision.
        parent_accuracy: The parent's accuracy on them.
    """

    split: Split
    exact: PreparedImages
    fast: PreparedImages
    parent_accuracy: float

    @classmethod
    def prepared(cls, split: Split, assembly: Assembly) -> SearchImages:
        """Images as an assembly's inference takes them."""
        exact = assembly.exact.prepare(split.images)
        fast = exact
        if assembly.fast is not assembly.exact:
            fast = assembly.fast.prepare(split.images)
        return cls(split, exact, fast, accuracy(assembly.network_template, split))

    @classmethod
    def slices(cls, split: Split, sizes: Sequence[int], assembly: Assembly) -> list[SearchImages]:
        """One slice after the other, with as many images as `sizes` says."""
        ends = np.cumsum([0, *sizes])
        return [
            cls.prepared(split.subset(np.arange(start, end)), assembly)
            for start, end in pairwise(ends)
        ]

    def accuracy(self, assembly: Assembly, counts: Array, *, exact: bool) -> float:
        """The accuracy of one candidate.

        Args:
            assembly: Puts candidates together.
            counts: Weights that each layer loses, (layers,).
            exact: Whether it is measured in float32, whatever the search's precision.
        """
        images = self.exact if exact else self.fast
        right = assembly.correct(counts, images, self.split.labels, exact=exact)
        return int(right.sum()) / len(self.split)

    def accuracies(self, assembly: Assembly, counts: Counts, *, exact: bool) -> list[float]:
        """The accuracies of several candidates, measured together; counts are (n, layers)."""
        images = self.exact if exact else self.fast
        right = assembly.correct_together(counts, images, self.split.labels, exact=exact)
        return [int(each) / len(self.split) for each in right.sum(dim=1)]


def balanced_images(data: Data, number: int, seed: int) -> Split:
    """Validation images, as many of each class, in random order.

    In random order, each slice of a race has some of every class.
    """
    rows = balanced(data.validation.labels, number, seed)
    rows = rows[torch.from_numpy(np.random.default_rng(seed).permutation(len(rows)))]
    return data.validation.subset(rows)
