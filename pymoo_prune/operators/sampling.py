"""Sampling operators: they make the first population, or every population of a random search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from pymoo.core.duplicate import DuplicateElimination
from pymoo.core.infill import InfillCriterion
from pymoo.core.population import Population
from pymoo.core.sampling import Sampling

from pymoo_prune.chromosomes import Array, Counts
from pymoo_prune.errors import PruneError
from pymoo_prune.operators.counts import Genes, check_counts, gene_mask, whole_numbers


class Candidates(Sampling):
    """Makes the first population with a function of its size and of pymoo's generator.

    Args:
        make: Takes (n, generator) and returns n chromosomes, (n, n_var).
    """

    def __init__(self, make: Callable[[int, np.random.Generator], Array]) -> None:
        super().__init__()
        self.make = make

    def _do(
        self,
        problem: Any,  # noqa: ARG002
        n_samples: int,
        *args: Any,  # noqa: ARG002
        random_state: np.random.Generator,
        **kwargs: Any,  # noqa: ARG002
    ) -> Array:
        return self.make(n_samples, random_state)

    def __deepcopy__(self, memo: dict[int, Any]) -> Candidates:
        """The operator itself: `make` may be bound to a problem with a large network."""
        return self


class RandomMating(InfillCriterion):
    """Makes children without looking at their parents: it turns an engine into a random search.

    Args:
        make: Takes (n, generator) and returns n chromosomes, (n, n_var).
        eliminate_duplicates: The engine's duplicate elimination.
    """

    def __init__(
        self,
        make: Callable[[int, np.random.Generator], Array],
        eliminate_duplicates: DuplicateElimination | None = None,
    ) -> None:
        super().__init__(eliminate_duplicates=eliminate_duplicates)
        self.make = make

    def _do(
        self,
        problem: Any,  # noqa: ARG002
        pop: Population,  # noqa: ARG002
        n_offsprings: int,
        *args: Any,  # noqa: ARG002
        random_state: np.random.Generator,
        **kwargs: Any,  # noqa: ARG002
    ) -> Population:
        return Population.new("X", self.make(n_offsprings, random_state))

    def __deepcopy__(self, memo: dict[int, Any]) -> RandomMating:
        """The operator itself, as in `Candidates`."""
        return self


def uniform_counts(
    n: int,
    generator: np.random.Generator,
    counts: Sequence[int] | Array,
    low: float = 0.5,
    high: float = 0.8,
) -> Counts:
    """Layer-pruning vectors: each layer loses a random share of its weights.

    Tang et al., section III.A.1.

    Args:
        n: The number of vectors.
        generator: Draws the genes.
        counts: Weights of each layer, (layers,) (eq. 5).
        low: The smallest share.
        high: The largest share.

    Returns:
        Numbers of pruned weights, (n, layers) (eq. 6 and 7): whole, in [count * low, count * high].
    """
    first, last = whole_numbers(check_counts(counts), low, high)
    return generator.integers(first, last, size=(n, len(first)), endpoint=True)


def around(
    n: int,
    generator: np.random.Generator,
    mean: Array,
    counts: Sequence[int] | Array,
    jitter: float = 0.05,
    frozen: Genes = (),
) -> Counts:
    """Layer-pruning vectors near the average of good ones (Tang et al., section III.B.1).

    Args:
        n: The number of vectors.
        generator: Draws the offsets.
        mean: Average numbers of pruned weights in the best vectors, (layers,).
        counts: Weights of each layer, (layers,).
        jitter: The largest offset, as a share of a layer's weights.
        frozen: Layers that lose nothing, by index or as a mask.

    Returns:
        Numbers of pruned weights, (n, layers), between 0 and `counts`.
    """
    counts = check_counts(counts)
    if np.shape(mean) != counts.shape or not jitter >= 0:
        msg = (
            f"mean must have shape {counts.shape}, the shape of counts, and jitter must not be "
            f"negative, but they are {np.shape(mean)} and {jitter}"
        )
        raise PruneError(msg)
    offsets = generator.uniform(-1, 1, (n, len(counts))) * (jitter * counts)  # eq. 11
    pruned: Counts = np.rint(mean + offsets).astype(np.int64).clip(0, counts)  # eq. 10
    pruned[:, gene_mask(frozen, len(counts))] = 0
    return pruned
