"""Crossover operators: how two chromosomes become two others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pymoo.core.crossover import Crossover

from pymoo_prune.genome import Array, WeightGenome, hash_bytes
from pymoo_prune.operators.masks import fill_empty_layers


class CutPointWeightCrossover(Crossover):
    """Recombines the weight matrices of two networks, layer by layer, at one cut point a layer.

    With cut c the first child has the shape and weights of the second parent, but for the top-left
    c x c block of the matrix and the first c biases, which come from the first parent; the second
    child is the reverse (van den Beemt et al., section 3.1.4 and Figure 1, after the single cut-off
    of Sun et al.). No width arises that the parents lack, so a population can converge in shape.
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
    """The stock with the donor's top-left blocks.

    Args:
        donor: Gives the c x c block of each layer and its first c biases.
        stock: Gives the shape and everything else.
        cuts: One c a layer.

    Returns:
        A new genome; neither parent is changed.
    """
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
    """Each gene of the first child comes from either parent by chance, the second's from the other.

    A layer that would be left without a gene is taken whole from the parent of the same number.

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
        from_first = random_state.random(X.shape[1:]) < 0.5
        children = np.stack([np.where(from_first, X[0], X[1]), np.where(from_first, X[1], X[0])])
        return fill_empty_layers(children, X, self.sizes)
