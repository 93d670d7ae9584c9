"""Weights that candidates inherit from the parent."""

from __future__ import annotations

from pymoo_prune.chromosomes import Booleans
from pymoo_prune.data import Split, balanced
from pymoo_prune.networks import DenseNet
from pymoo_prune.pruning import SharedWeights
from pymoo_prune.recovery import ChannelRefit, Recovery, calibrate


class Inheritance:
    """The parent's weights, repaired for the connections that are left.

    Args:
        shared: The weights of the network with all connections.
        train: Training images.
        recovery: The repairs that inherited weights get.
        images: Training images for refits and batch-norm statistics.
        seed: The seed of their choice.
    """

    def __init__(
        self, shared: SharedWeights, train: Split, recovery: Recovery, images: int, seed: int
    ) -> None:
        self.shared, self.recovery = shared, recovery
        self.split = train.subset(balanced(train.groups, images, seed))
        self.refit: ChannelRefit | None = None
        if recovery.refit:
            self.refit = ChannelRefit(
                shared.parent,
                [reader.layer for reader in shared.readers(shared.parent.connections)],
                self.split,
                centred=recovery.batch_norm,
                seed=seed,
            )

    def network(self, matrices: Booleans) -> DenseNet:
        """The small network with these connections, (blocks, nodes, nodes)."""
        network = self.shared.network(matrices, self.refit)
        if self.recovery.batch_norm:
            calibrate(network, self.split.images)
        return network
