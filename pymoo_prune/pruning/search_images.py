"""Search images, ready for every precision, and how candidates are measured on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from pymoo_prune.chromosomes import Array, Counts
from pymoo_prune.data import Data, Split, balanced
from pymoo_prune.inference import PreparedImages
from pymoo_prune.measuring import Expected, goodness_of
from pymoo_prune.pruning.assembly import Assembly


@dataclass(frozen=True)
class SearchImages:
    """Search images, ready for every precision.

    Attributes:
        split: Images and labels.
        exact: The images for float32.
        fast: The images for the search's precision.
        expected: What candidates' outputs are compared with.
        parent_accuracy: The parent's accuracy or metric on them; None where they have no labels.
    """

    split: Split
    exact: PreparedImages
    fast: PreparedImages
    expected: Expected
    parent_accuracy: float | None

    @classmethod
    def prepared(
        cls, split: Split, assembly: Assembly, parent: nn.Module | None = None
    ) -> SearchImages:
        """Images as an assembly's inference takes them.

        Args:
            split: Images and labels.
            assembly: Puts candidates together.
            parent: What candidates are compared with; None for the assembly's network.
        """
        exact = assembly.exact.prepare(split.images)
        fast = exact
        if assembly.fast is not assembly.exact:
            fast = assembly.fast.prepare(split.images)
        parent = assembly.network_template if parent is None else parent
        known = None if split.labels is None else goodness_of(parent, split)
        return cls(split, exact, fast, Expected.of(parent, split), known)

    @classmethod
    def slices(cls, split: Split, sizes: Sequence[int], assembly: Assembly) -> list[SearchImages]:
        """One slice after the other, with as many images as `sizes` says."""
        ends = np.cumsum([0, *sizes])
        return [
            cls.prepared(split.subset(np.arange(start, end)), assembly)
            for start, end in pairwise(ends)
        ]

    def measured(
        self, assembly: Assembly, counts: Array, names: Sequence[str], *, exact: bool
    ) -> dict[str, float]:
        """One candidate on these images.

        Args:
            assembly: Puts candidates together.
            counts: Weights that each layer loses, (layers,).
            names: What is measured: accuracy or a metric, divergence.
            exact: Whether it is measured in float32, whatever the search's precision.
        """
        outputs = assembly.outputs(counts, self.exact if exact else self.fast, exact=exact)
        return self.expected.measured(outputs, names)

    def measured_together(
        self, assembly: Assembly, counts: Counts, names: Sequence[str], *, exact: bool
    ) -> list[tuple[float, ...]]:
        """Several candidates in one pass, a value for each name; counts are (n, layers)."""
        images = self.exact if exact else self.fast
        outputs = assembly.outputs_together(counts, images, exact=exact)
        columns = [self.expected.by_name(name, outputs).tolist() for name in names]
        return list(zip(*columns, strict=True))


def balanced_images(data: Data, number: int, seed: int) -> Split:
    """Validation images, as many of each class, in random order.

    In random order, each slice of a race has some of every class.
    """
    rows = balanced(data.validation.groups, number, seed)
    rows = rows[torch.from_numpy(np.random.default_rng(seed).permutation(len(rows)))]
    return data.validation.subset(rows)
