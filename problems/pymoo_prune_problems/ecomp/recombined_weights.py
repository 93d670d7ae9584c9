"""The paper's encoding: a chromosome is a network's weights (sections 3.1.1, 3.1.4 and 3.1.5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pymoo_prune.chromosomes import Array, WeightGenome, as_column
from pymoo_prune.errors import PruneError
from pymoo_prune.networks import FeedForward
from pymoo_prune.operators import Candidates, CutPointWeightCrossover, WeightScaling
from pymoo_prune.pruning import WeightsAndBiases, kept_width, l1_order
from pymoo_prune.recovery import plain_layers


class RecombinedWeights:
    """The paper's encoding: a chromosome is a network's weights (sections 3.1.1, 3.1.4, 3.1.5).

    Args:
        parent: The network that is compressed; its hidden layers must have one width.
        compression_rates: The lowest and the highest share of neurons removed at first.
        mutation_rate: The chance that a network mutates.
        mutation_range: The smallest and the largest factor that a weight is scaled by.
    """

    n_var, vtype, xl, xu = 1, object, None, None

    def __init__(
        self,
        parent: FeedForward,
        *,
        compression_rates: tuple[float, float],
        mutation_rate: float,
        mutation_range: tuple[float, float],
    ) -> None:
        if len(set(parent.widths)) > 1:
            msg = (
                "encoding 'weights' needs a balanced parent, with hidden layers of one width, but "
                f"they are {list(parent.widths)}; encoding 'masks' takes any"
            )
            raise PruneError(msg)
        self.parent, self.compression_rates = parent, compression_rates
        self.mutation_rate, self.mutation_range = mutation_rate, mutation_range

    def operators(self) -> dict[str, Any]:
        """Sampling, crossover and mutation for pymoo."""
        low, high = self.mutation_range
        return {
            "sampling": Candidates(self.initial),
            "crossover": CutPointWeightCrossover(),
            "mutation": WeightScaling(rate=self.mutation_rate, low=low, high=high),
        }

    def initial(self, n: int, generator: np.random.Generator) -> Array:  # noqa: ARG002
        """Section 3.1.1: neurons removed by L1 norm, compression rates evenly spaced."""
        low, high = self.compression_rates
        rates = low + (high - low) / n * np.arange(n)
        orders = [l1_order(weight) for weight in self.parent.arrays()[0][:-1]]
        return as_column(
            [
                self._cut([np.sort(order[: kept_width(len(order), rate)]) for order in orders])
                for rate in rates
            ]
        )

    def random(self, n: int, generator: np.random.Generator) -> Array:
        """Random neurons, at random compression rates: the candidates of random search."""
        width = self.parent.widths[0]
        genomes = []
        for rate in generator.uniform(*self.compression_rates, n):
            count = kept_width(width, rate)
            orders = [generator.permutation(width) for _ in self.parent.widths]
            genomes.append(self._cut([np.sort(order[:count]) for order in orders]))
        return as_column(genomes)

    def _cut(self, keep: Sequence[Array]) -> WeightGenome:
        weights, biases = plain_layers(self.parent, keep)
        return WeightGenome.from_content(
            [weight.cpu().numpy() for weight in weights], [bias.cpu().numpy() for bias in biases]
        )

    def widths(self, X: Array) -> NDArray[np.int64]:
        """Hidden neurons by layer, (n, layers)."""
        return np.array([[len(bias) for bias in genome.biases[:-1]] for genome in X[:, 0]])

    def layers(self, x: Array) -> WeightsAndBiases:
        """The genome's arrays as tensors, without a copy on the CPU."""
        genome: WeightGenome = x[0]
        device = self.parent.linear_layers[0].weight.device
        return (
            [torch.from_numpy(weight).to(device) for weight in genome.weights],
            [torch.from_numpy(bias).to(device) for bias in genome.biases],
        )
