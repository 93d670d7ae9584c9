"""Sizes of DenseNets in closed form, which no training changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from pymoo_prune.chromosomes import Array, Booleans, Connections
from pymoo_prune.data import Data
from pymoo_prune.measuring import count_parameters, dense_net_complexity
from pymoo_prune.networks import DenseNet
from pymoo_prune.objectives import Values


@dataclass(frozen=True)
class DenseNetSizes:
    """Parameters, MACs and connections of a search's networks.

    Attributes:
        codec: Reads chromosomes.
        data: The images that networks are for.
        growth: Channels that each layer adds.
        all_parameters: The parent's parameters, to which sparsity refers.
        large: Whether the networks are for large images.
    """

    codec: Connections
    data: Data
    growth: int
    all_parameters: int
    large: bool = False

    @classmethod
    def of_network(cls, parent: DenseNet, codec: Connections, data: Data) -> Self:
        """The sizes of networks with some of a parent's connections."""
        return cls(codec, data, parent.growth, count_parameters(parent), parent.large)

    def of(self, matrices: Booleans, growth: int | None = None) -> dict[str, Values]:
        """Sizes by quantity, (n,) each.

        Args:
            matrices: Connections, (n, blocks, nodes, nodes).
            growth: Channels that each layer adds; None is the parent's growth.
        """
        growth = growth or self.growth
        parameters, macs = dense_net_complexity(
            matrices,
            growth=growth,
            stem=2 * growth,
            channels=self.data.channels,
            classes=self.data.classes,
            size=self.data.size,
            large=self.large,
        )
        return {
            "parameters": parameters.astype(np.float64),
            "sparsity": 1 - parameters / self.all_parameters,
            "macs": macs.astype(np.float64),
            "connections": matrices[..., self.codec.free].mean(axis=-1),
        }

    def features(self, X: Array) -> Array:
        """The connections, and the sizes that follow from them.

        Args:
            X: Chromosomes, (n, n_var).
        """
        sizes = self.of(self.codec.matrices(X))
        return np.column_stack([X, np.log(sizes["parameters"]), np.log(sizes["macs"])])

    def narrower(self) -> dict[str, Values]:
        """Sizes of the networks with all connections and growth 1, 2, ... below the parent's."""
        everything = self.codec.everything[None]
        columns = [self.of(everything, growth) for growth in range(1, self.growth)]
        return {name: np.concatenate([each[name] for each in columns]) for name in columns[0]}
