"""Mutation operators: how one chromosome becomes another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pymoo.core.mutation import Mutation

from pymoo_prune.genome import Array, WeightGenome, hash_bytes
from pymoo_prune.operators.masks import fill_empty_layers


class WeightScaling(Mutation):
    """Multiplies every weight of a network by a factor of its own; biases stay.

    Van den Beemt et al., section 3.1.5: with a chance of 1 % a network, factors from U(0.9, 1.1).

    Args:
        rate: The chance that a network mutates.
        low: The smallest factor.
        high: The largest factor.
    """

    def __init__(self, *, rate: float = 0.01, low: float = 0.9, high: float = 1.1) -> None:
        # pymoo would mutate everybody and then throw most away; the chance is drawn in _do instead.
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
    """Switches genes of keep-masks, as many on as off on average.

    Plain bit flips pull every mask towards half its genes: of 256 genes with 20 alive, twelve
    flips out of thirteen add one. Here each layer gains and loses the same expected number, so that
    selection alone decides the size; and a layer that would lose its last gene keeps it.

    Args:
        sizes: Genes in each layer; they add up to the length of a chromosome.
        changes: Expected number of genes that go, and of genes that come, in each layer.
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
