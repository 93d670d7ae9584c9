"""Mutation operators for chromosomes of weights, masks, connection matrices and filters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pymoo.core.mutation import Mutation

from pymoo_prune.chromosomes import (
    Array,
    Booleans,
    Connections,
    Counts,
    FilterGenes,
    WeightGenome,
    check_strengths,
    hash_bytes,
)
from pymoo_prune.errors import PruneError
from pymoo_prune.operators.masks import fill_empty_layers
from pymoo_prune.operators.rates import check_rate


class WeightScaling(Mutation):
    """Multiplies every weight of a network by a random factor; biases stay.

    Van den Beemt et al., section 3.1.5: a network mutates with a chance of 1 %, with factors from
    U(0.9, 1.1).

    Args:
        rate: The chance that a network mutates.
        low: The smallest factor.
        high: The largest factor.
    """

    def __init__(self, *, rate: float = 0.01, low: float = 0.9, high: float = 1.1) -> None:
        # pymoo would mutate all and then discard most; the chance is drawn in _do instead.
        super().__init__(prob=1.0)
        self.rate, self.low, self.high = rate, low, high

    def _do(
        self,
        problem: Any,  # noqa: ARG002
        X: Array,
        *args: Any,  # noqa: ARG002
        random_state: np.random.Generator,
        **kwargs: Any,  # noqa: ARG002
    ) -> Array:
        mutated = X.copy()
        for row in np.flatnonzero(random_state.random(len(X)) < self.rate):
            seed = int(random_state.integers(2**63))
            mutated[row, 0] = self._scaled(X[row, 0], seed)
        return mutated

    def _scaled(self, genome: WeightGenome, seed: int) -> WeightGenome:
        factors = np.random.default_rng(seed)
        weights = tuple(
            (weight * factors.uniform(self.low, self.high, weight.shape)).astype(np.float32)
            for weight in genome.weights
        )
        recipe = np.asarray([self.low, self.high], dtype="<f8").tobytes()
        digest = hash_bytes(b"scale", genome.digest, seed.to_bytes(8, "little"), recipe)
        return WeightGenome(weights, genome.biases, digest)


class BalancedMaskMutation(Mutation):
    """Switches genes of keep-masks on and off, on average as many on as off.

    Plain bit flips pull every mask towards half its genes: of 256 genes with 20 alive, twelve
    flips out of thirteen add one. Here each layer gains and loses the same expected number, so that
    selection alone decides the size. A layer that would become empty stays as it was.

    Args:
        sizes: Genes in each layer; they add up to the length of a chromosome.
        changes: The expected number of genes switched off in each layer, and of genes switched on.
    """

    def __init__(self, sizes: Sequence[int], *, changes: float = 1.0) -> None:
        super().__init__(prob=1.0)
        self.sizes, self.changes = tuple(sizes), changes

    def _do(
        self,
        problem: Any,  # noqa: ARG002
        X: Array,
        *args: Any,  # noqa: ARG002
        random_state: np.random.Generator,
        **kwargs: Any,  # noqa: ARG002
    ) -> Array:
        mutated = X.copy()
        start = 0
        for size in self.sizes:
            genes = X[:, start : start + size]
            alive = genes.sum(axis=1, keepdims=True)
            chance = np.where(
                genes,
                np.minimum(self.changes / np.maximum(alive, 1), 0.5),
                np.minimum(self.changes / np.maximum(size - alive, 1), 0.5),
            )
            mutated[:, start : start + size] ^= random_state.random(genes.shape) < chance
            start += size
        return fill_empty_layers(mutated, X, self.sizes)


class MatrixBitFlip(Mutation):
    """Flips random connections of a matrix, dead or live.

    Kim et al., section III, Figure 4 and Table I: "selecting random points in each row and column",
    10 %. The paper does not say whether that is the chance of a matrix or of an entry. Here it is
    a matrix's: if one entry in ten flipped every time, any share of live connections would be
    pulled towards one half, yet the paper's network for p = 90 % keeps 97.5 % of the parameters.

    Args:
        connections: Makes matrices of chromosomes and back.
        rate: The chance that a matrix mutates, drawn for each matrix of each individual.
        points: The number of connections that flip in it, all different.
    """

    def __init__(self, connections: Connections, *, rate: float = 0.1, points: int = 1) -> None:
        super().__init__(prob=1.0)
        least = min(connections.block_genes)
        if not 1 <= points <= least:
            msg = (
                f"points must be between 1 and the {least} free connections of a matrix, but it is "
                f"{points}"
            )
            raise PruneError(msg)
        self.connections, self.rate, self.points = connections, check_rate(rate), points

    def _do(
        self,
        problem: Any,  # noqa: ARG002
        X: Array,
        *args: Any,  # noqa: ARG002
        random_state: np.random.Generator,
        **kwargs: Any,  # noqa: ARG002
    ) -> Array:
        matrices, free = self.connections.matrices(X), self.connections.free
        genes = np.array(self.connections.block_genes)
        hit = random_state.random((len(X), len(genes))) < self.rate
        # A draw for each free connection; the lowest draws choose different connections.
        draws = random_state.random((*hit.shape, genes.max()))
        there = np.arange(genes.max()) < genes[:, None]
        draws[:, ~there] = np.inf
        chosen = draws.argpartition(self.points - 1, axis=-1)[..., : self.points]
        flips = np.zeros(draws.shape, dtype=bool)
        np.put_along_axis(flips, chosen, hit[..., None], axis=-1)
        matrices[..., free] ^= flips[:, there]
        return self.connections.genes(matrices)


class FilterMutation(Mutation):
    """Adds filters to some groups or removes some, and sometimes adds or removes a piece.

    Ghorab et al., section III.E: "small random modifications (adding or removing filters, altering
    depth)". The paper does not say how many. Here steps are small in the logarithm of a group's
    number of filters, but at least one filter, and lead to a number between one and all. A group
    that would lose its last filter exchanges it for a dead one. A full group that would gain stays
    as it is. In a group with a step, the step takes the place of one filter: the numbers are its
    multiples and all filters, and a group that has the least of them exchanges one filter.

    Args:
        genes: What the genes mean.
        strengths: How strong each filter is, (n_filters,), or each gene, (n_var,); strengths of
            pieces are ignored. With strengths, one mutated group in two gains its strongest dead
            filters or loses its weakest live ones, the lower index first among equals. In all other
            groups the filters are drawn with equal chances.
        rate: The chance that a group mutates, drawn for each group of each individual; None for
            one and a half groups on average.
        spread: Standard deviation of a step in the natural logarithm of the number of filters.
        depth_rate: The chance that a piece flips. A set of alternatives that would be left without
            a living piece keeps the pieces of the parent.
    """

    def __init__(
        self,
        genes: FilterGenes,
        *,
        strengths: Array | None = None,
        rate: float | None = None,
        spread: float = 0.3,
        depth_rate: float = 0.02,
    ) -> None:
        super().__init__(prob=1.0)
        if not 0 < spread < np.inf:
            msg = f"spread must be above 0 and finite, but it is {spread}"
            raise PruneError(msg)
        self.genes, self.spread = genes, spread
        self.rate = min(1.0, 1.5 / len(genes.sizes)) if rate is None else check_rate(rate)
        self.depth_rate = check_rate(depth_rate, "depth_rate")
        self.strengths = None
        if strengths is not None:
            checked = check_strengths(strengths, genes.n_filters, genes.n_var)
            self.strengths = checked[: genes.n_filters]

    def _do(
        self,
        problem: Any,  # noqa: ARG002
        X: Array,
        *args: Any,  # noqa: ARG002
        random_state: np.random.Generator,
        **kwargs: Any,  # noqa: ARG002
    ) -> Array:
        genes, mutated = self.genes, X.copy()
        filters, pieces = genes.filters(mutated), genes.pieces(mutated)
        gains, losses = self._steps(genes.counts(X), random_state)
        each = genes.filter_groups
        # Ranks in a group begin with its dead filters; its live filters follow.
        ranks = genes.ranks(self._keys(filters, random_state), filters)
        dead = np.asarray(genes.sizes) - genes.counts(X)
        filters ^= np.where(filters, ranks < (dead + losses)[:, each], ranks < gains[:, each])
        pieces ^= random_state.random(pieces.shape) < self.depth_rate
        return genes.fill_alternatives(mutated, X)

    def _steps(self, counts: Counts, generator: np.random.Generator) -> tuple[Counts, Counts]:
        """How many filters each group gains, and how many it loses, (n, groups) each."""
        sizes, steps = np.asarray(self.genes.sizes), self.genes.group_steps
        places, last = -(-counts // steps), -(-sizes // steps)  # among the numbers it may keep
        hit = generator.random(counts.shape) < self.rate
        move = generator.normal(0, self.spread, counts.shape)
        # A group cannot gain more than all its filters, but the power would overflow.
        moved = np.rint(places * np.exp(np.minimum(move, np.log(last + 1))))
        moved = np.where(moved == places, places + np.sign(move), moved).clip(1, last)
        change = np.where(hit, np.minimum(moved * steps, sizes) - counts, 0).astype(np.int64)
        exchanged = hit & (change == 0) & (counts < sizes)
        return change.clip(min=0) + exchanged, (-change).clip(min=0) + exchanged

    def _keys(self, filters: Booleans, generator: np.random.Generator) -> Array:
        """Keys for the filters to gain and to lose, the lowest first, (n, n_filters)."""
        keys = generator.random(filters.shape)
        if self.strengths is None:
            return keys
        strong = generator.random((len(filters), len(self.genes.sizes))) < 0.5
        by_strength = np.where(filters, self.strengths, -self.strengths)
        return np.where(strong[:, self.genes.filter_groups], by_strength, keys)
