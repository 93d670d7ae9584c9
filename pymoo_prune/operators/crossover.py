"""Crossover operators, for every kind of chromosome: they recombine two parents to children."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pymoo.core.crossover import Crossover

from pymoo_prune.chromosomes import (
    Array,
    Booleans,
    Connections,
    FilterGenes,
    WeightGenome,
    hash_bytes,
)
from pymoo_prune.errors import PruneError
from pymoo_prune.operators.masks import fill_empty_layers
from pymoo_prune.operators.rates import check_rate


class CutPointWeightCrossover(Crossover):
    """Recombines the weight matrices of two networks, layer by layer, at a cut point each.

    With cut c the first child has the shape and weights of the second parent, except for the
    top-left c x c block of the matrix and the first c biases, which come from the first parent. The
    second child is the reverse (van den Beemt et al., section 3.1.4 and Figure 1, after the single
    cut-off of Sun et al.). Children have the widths of their parents, so a population can converge
    in shape.
    """

    def __init__(self, *, prob: float = 1.0) -> None:
        super().__init__(n_parents=2, n_offsprings=2, prob=prob)

    def _do(
        self,
        problem: Any,  # noqa: ARG002
        X: Array,
        *args: Any,  # noqa: ARG002
        random_state: np.random.Generator,
        **kwargs: Any,  # noqa: ARG002
    ) -> Array:
        children = np.empty_like(X)
        for mating in range(X.shape[1]):
            first, second = X[0, mating, 0], X[1, mating, 0]
            cuts = [
                int(random_state.integers(1, min(*a.shape, *b.shape), endpoint=True))
                for a, b in zip(first.weights, second.weights, strict=True)
            ]
            children[0, mating, 0] = graft(first, second, cuts)
            children[1, mating, 0] = graft(second, first, cuts)
        return children


def graft(donor: WeightGenome, stock: WeightGenome, cuts: list[int]) -> WeightGenome:
    """A copy of the stock with the donor's top-left blocks.

    Args:
        donor: Gives the c x c block of each layer and its first c biases.
        stock: Gives the shape and everything else.
        cuts: The c of each layer.

    Returns:
        A new genome, and neither parent is changed; the parent itself where both are equal, so that
        what is known of it is known of the child.
    """
    if donor.digest == stock.digest:
        return stock
    weights, biases = [], []
    for layer, cut in enumerate(cuts):
        weight, bias = stock.weights[layer].copy(), stock.biases[layer].copy()
        weight[:cut, :cut] = donor.weights[layer][:cut, :cut]
        bias[:cut] = donor.biases[layer][:cut]
        weights.append(weight)
        biases.append(bias)
    recipe = np.asarray(cuts, dtype="<i8").tobytes()
    digest = hash_bytes(b"graft", donor.digest, stock.digest, recipe)
    return WeightGenome(tuple(weights), tuple(biases), digest)


class UniformMaskCrossover(Crossover):
    """Each gene of the first child comes from a random parent, the second child's from the other.

    A layer that would be left without a live gene is copied whole: from the first parent for the
    first child, from the second parent for the second.

    Args:
        sizes: Genes in each layer; they add up to the length of a chromosome.
    """

    def __init__(self, sizes: Sequence[int], *, prob: float = 1.0) -> None:
        super().__init__(n_parents=2, n_offsprings=2, prob=prob)
        self.sizes = tuple(sizes)

    def _do(
        self,
        problem: Any,  # noqa: ARG002
        X: Array,
        *args: Any,  # noqa: ARG002
        random_state: np.random.Generator,
        **kwargs: Any,  # noqa: ARG002
    ) -> Array:
        return fill_empty_layers(exchange(X, random_state), X, self.sizes)


class UniformVectorCrossover(Crossover):
    """Each gene of the child comes from a random parent (Tang et al., section III.A.4).

    Args:
        prob: The chance that a mating takes place.
        n_offsprings: Children of a mating. 1 is the paper's. With 2, the second child gets the
            genes that the first did not get, so that no gene is lost.
    """

    def __init__(self, *, prob: float = 1.0, n_offsprings: int = 1) -> None:
        if n_offsprings not in (1, 2):
            msg = f"n_offsprings must be 1 or 2, but it is {n_offsprings}"
            raise PruneError(msg)
        super().__init__(n_parents=2, n_offsprings=n_offsprings, prob=prob)

    def _do(
        self,
        problem: Any,  # noqa: ARG002
        X: Array,
        *args: Any,  # noqa: ARG002
        random_state: np.random.Generator,
        **kwargs: Any,  # noqa: ARG002
    ) -> Array:
        return exchange(X, random_state)[: self.n_offsprings]


class QuadrantMatrixCrossover(Crossover):
    """Exchanges quadrants of connection matrices, each cut at a random row and column.

    Kim et al., section III and Figure 3: the first child has quadrants one and three of the first
    parent and two and four of the second, the second child is the reverse. Quadrants are numbered
    as in mathematics: one is the upper right, two the upper left, three the lower left and four the
    lower right. Any numbering that goes round gives the same pair of children, perhaps in the other
    order, because opposite quadrants stay together. Each matrix of each mating has its own cuts,
    with at least one row or column on either side. The chain is live in both parents, so it is live
    in both children.

    Args:
        connections: Converts between chromosomes and matrices.
        prob: The chance that a mating takes place.
    """

    def __init__(self, connections: Connections, *, prob: float = 1.0) -> None:
        super().__init__(n_parents=2, n_offsprings=2, prob=prob)
        self.connections = connections

    def _do(
        self,
        problem: Any,  # noqa: ARG002
        X: Array,
        *args: Any,  # noqa: ARG002
        random_state: np.random.Generator,
        **kwargs: Any,  # noqa: ARG002
    ) -> Array:
        first, second = self.connections.matrices(X)
        nodes, several = self.connections.nodes, np.array(self.connections.sizes) + 2
        # Shorter blocks are cut among the nodes that they have.
        limit = nodes if (several == nodes).all() else several[:, None]
        # The number of rows above one cut, and of columns left of the other.
        rows, columns = random_state.integers(1, limit, (2, *first.shape[:-2], 1))
        upper, left = np.arange(nodes) < rows, np.arange(nodes) < columns
        one_or_three = upper[..., :, None] != left[..., None, :]
        return self.connections.genes(
            np.stack([np.where(one_or_three, first, second), np.where(one_or_three, second, first)])
        )


class BlockCrossover(Crossover):
    """Exchanges whole blocks of two networks, and mixes the filters within some groups.

    Ghorab et al., section III.E: "two parent architectures are combined to generate offspring,
    mixing structural components (convolutional blocks, filter sizes)". The paper does not say how.
    Here a coin for each block decides from which parent the first child gets it, with its filters
    and pieces. Then some groups are mixed instead: the first child's number of filters is drawn
    between those of its parents, with equal chances. The child takes filters that both parents have
    first, then random ones that one parent has. The second child always gets the genes that the
    first did not get, so that no gene is lost.

    A set of alternatives without a living piece is copied from the first parent to the first child,
    and from the second to the second. A group can be empty only if it was empty in a parent.

    The number of a group with a step is drawn among multiples of it. The group is not mixed where a
    parent has all of its filters and their number is no multiple: the second child could be left
    with a number that the group may not keep.

    Args:
        genes: The meaning of the genes.
        mixing: The chance that a group is mixed, drawn for each group of each mating.
        prob: The chance that a mating takes place.
    """

    def __init__(self, genes: FilterGenes, *, mixing: float = 0.3, prob: float = 1.0) -> None:
        super().__init__(n_parents=2, n_offsprings=2, prob=prob)
        self.genes, self.mixing = genes, check_rate(mixing, "mixing")

    def _do(
        self,
        problem: Any,  # noqa: ARG002
        X: Array,
        *args: Any,  # noqa: ARG002
        random_state: np.random.Generator,
        **kwargs: Any,  # noqa: ARG002
    ) -> Array:
        genes = self.genes
        mixed = self._mixed(X, random_state)
        blocks, block_of_gene = np.unique(genes.gene_blocks, return_inverse=True)
        coins = random_state.random((X.shape[1], len(blocks))) < 0.5
        child = np.where(coins[:, block_of_gene], X[0], X[1])
        hit = random_state.random((X.shape[1], len(genes.sizes))) < self.mixing
        hit &= (genes.counts(X) % genes.group_steps == 0).all(axis=0)
        np.copyto(genes.filters(child), mixed, where=hit[:, genes.filter_groups])
        # This leaves n1 + n2 minus the first child's number of filters for the second.
        return genes.fill_alternatives(np.stack([child, X[0] ^ X[1] ^ child]), X)

    def _mixed(self, X: Array, generator: np.random.Generator) -> Booleans:
        """Filters of first children with all groups mixed, (matings, n_filters)."""
        first, second = self.genes.filters(X)
        steps = self.genes.group_steps
        multiples = self.genes.counts(X) // steps
        # At most the larger count, so never more than the filters that either parent has.
        drawn = generator.integers(multiples.min(axis=0), multiples.max(axis=0), endpoint=True)
        missing = 2 - first.astype(np.int8) - second
        ranks = self.genes.ranks(generator.random(first.shape), missing)
        chosen: Booleans = ranks < (drawn * steps)[:, self.genes.filter_groups]
        return chosen


def exchange(parents: Array, generator: np.random.Generator) -> Array:
    """Two children of each pair of parents; one gets the genes that the other does not get.

    Args:
        parents: (2, matings, genes), of any type.
        generator: Draws a bit for each gene of each mating.

    Returns:
        New chromosomes, (2, matings, genes).
    """
    first, second = parents
    bits = generator.random(first.shape) < 0.5  # bin_k = 1
    return np.stack([np.where(bits, first, second), np.where(bits, second, first)])
