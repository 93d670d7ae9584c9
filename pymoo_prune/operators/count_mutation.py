"""Mutation operators for layer-pruning vectors, which say how many weights each layer loses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pymoo.core.mutation import Mutation

from pymoo_prune.chromosomes import Array, Booleans, Counts
from pymoo_prune.errors import PruneError
from pymoo_prune.operators.counts import Genes, check_counts, gene_mask, whole_numbers
from pymoo_prune.operators.rates import check_rate


class _VectorMutation(Mutation):
    """The common part of mutations of layer-pruning vectors.

    Attributes:
        counts: Weights of each layer, (layers,).
        frozen: Genes that never mutate, (layers,) booleans. Indices may be assigned as well, even
            between two runs of an engine.
    """

    def __init__(self, counts: Sequence[int] | Array, frozen: Genes) -> None:
        super().__init__(prob=1.0)
        self.counts = check_counts(counts)
        self.frozen = frozen

    @property
    def frozen(self) -> Booleans:
        return self._frozen

    @frozen.setter
    def frozen(self, genes: Genes) -> None:
        self._frozen = gene_mask(genes, len(self.counts))


class CountMutation(_VectorMutation):
    """Makes a layer lose a random number of weights, independent of the number before.

    Tang et al., section III.A.5. `frozen` is for section III.B.2: compact-key layers stay unpruned.

    Args:
        counts: Weights of each layer, (layers,).
        rate: The chance that a gene mutates.
        low: The smallest share of its weights that a mutated layer loses.
        high: The largest share.
        frozen: Genes that never mutate, by index or as a mask, (layers,).
    """

    def __init__(
        self,
        counts: Sequence[int] | Array,
        *,
        rate: float = 0.025,
        low: float = 0.0,
        high: float = 0.9,
        frozen: Genes = (),
    ) -> None:
        super().__init__(counts, frozen)
        self.rate = check_rate(rate)
        self.first, self.last = whole_numbers(self.counts, low, high)

    def _do(
        self,
        problem: Any,  # noqa: ARG002
        X: Array,
        *args: Any,  # noqa: ARG002
        random_state: np.random.Generator,
        **kwargs: Any,  # noqa: ARG002
    ) -> Array:
        hit = (random_state.random(X.shape) < self.rate) & ~self.frozen
        return np.where(
            hit, random_state.integers(self.first, self.last, X.shape, endpoint=True), X
        )


class KeepShareMutation(_VectorMutation):
    """Makes some layers keep slightly more or fewer weights, or one layer give weights to another.

    Beyond the paper. The kept share of a layer matters more than the pruned share: at 95 %
    sparsity, ten points of the pruned share are little for a layer that keeps half its weights, and
    all that is left of another. So steps are small in the logarithm of the kept share. If a
    candidate is good at its sparsity, another sparsity alone rarely makes it better. So every other
    mutation is a trade, in which one layer keeps fewer weights and another as many more: the search
    then moves towards the front as well as along it.

    Every candidate mutates, by at least one weight, unless every layer is frozen or has no weights.

    Args:
        counts: Weights of each layer, (layers,).
        scale: Standard deviation of a step in the natural logarithm of the number of kept weights.
        rate: The chance that a gene mutates if nothing is traded; at least one gene always does.
            None for two genes on average.
        frozen: Genes that never mutate, by index or as a mask, (layers,).
    """

    def __init__(
        self,
        counts: Sequence[int] | Array,
        *,
        scale: float = 0.35,
        rate: float | None = None,
        frozen: Genes = (),
    ) -> None:
        super().__init__(counts, frozen)
        if not 0 < scale <= 10:
            msg = f"scale must be above 0 and at most 10, but it is {scale}"
            raise PruneError(msg)
        self.scale = scale
        self.rate = min(1.0, 2 / len(self.counts)) if rate is None else check_rate(rate)

    def _do(
        self,
        problem: Any,  # noqa: ARG002
        X: Array,
        *args: Any,  # noqa: ARG002
        random_state: np.random.Generator,
        **kwargs: Any,  # noqa: ARG002
    ) -> Array:
        kept = self.counts - X
        scaled, traded = self._scaled(kept, random_state), self._traded(kept, random_state)
        # A trade needs one layer with weights to give and another with room.
        possible = (traded != kept).any(axis=1, keepdims=True)
        trade = possible & (random_state.random((len(X), 1)) < 0.5)
        return self.counts - np.where(trade, traded, scaled)

    def _scaled(self, kept: Counts, generator: np.random.Generator) -> Counts:
        """At least one layer of each candidate keeps more or fewer weights, (n, layers)."""
        free = ~self.frozen & (self.counts > 0)
        draws = np.where(free, generator.random(kept.shape), np.inf)
        chosen = free & (draws <= np.maximum(draws.min(axis=1, keepdims=True), self.rate))
        step = generator.normal(0, self.scale, kept.shape)
        # An empty layer can only gain, a full layer can only lose.
        step = np.where(kept == 0, np.abs(step), np.where(kept == self.counts, -np.abs(step), step))
        moved = np.rint(kept * np.exp(step))
        # Rounding would leave layers that keep only a few weights unchanged.
        moved = np.where(moved == kept, kept + np.sign(step), moved).clip(0, self.counts)
        return np.where(chosen, moved, kept).astype(np.int64)

    def _traded(self, kept: Counts, generator: np.random.Generator) -> Counts:
        """One layer gives weights to another, as many as that has room for, (n, layers)."""
        gives = one_of(~self.frozen & (kept > 0), generator)
        takes = one_of(~self.frozen & (kept < self.counts) & ~gives, generator)
        step = np.abs(generator.normal(0, self.scale, (len(kept), 1)))
        lost = np.maximum(np.rint(kept * -np.expm1(-step)), 1) * gives
        room = (self.counts - kept) * takes
        # Both layers change by the same number, so the total stays the same.
        moved = np.minimum(lost.sum(axis=1), room.sum(axis=1)).astype(np.int64)[:, None]
        return np.where(gives, kept - moved, np.where(takes, kept + moved, kept))


def one_of(able: Booleans, generator: np.random.Generator) -> Booleans:
    """Draws one of the able genes of each row, with equal chances; none if none is, (n, genes)."""
    first = np.where(able, generator.random(able.shape), np.inf).argmin(axis=1)
    one: Booleans = able & (np.arange(able.shape[1]) == first[:, None])
    return one
