"""What can be cut out of a network, and in which order."""

from pymoo_prune.pruning.allocations import CountAllocations, Levels, OnLevels, ThresholdAllocations
from pymoo_prune.pruning.assembly import Assembly
from pymoo_prune.pruning.channel_flow import ChannelFlow, ChannelLayer
from pymoo_prune.pruning.connectivity import RandomPaths, SharedWeights, strengths
from pymoo_prune.pruning.filters import PrunableFilters
from pymoo_prune.pruning.keep_masks import KeepMasks, Layers
from pymoo_prune.pruning.magnitude import MagnitudeOrder
from pymoo_prune.pruning.neurons import explaining_order, kept, l1_order, prefix_masks, split_mask
from pymoo_prune.pruning.removal import RemovalOrders
from pymoo_prune.pruning.stacked import DenseNetStack, train_together

__all__ = [
    "Assembly", "ChannelFlow", "ChannelLayer", "CountAllocations", "DenseNetStack", "KeepMasks",
    "Layers", "Levels", "MagnitudeOrder", "OnLevels", "PrunableFilters", "RandomPaths",
    "RemovalOrders", "SharedWeights", "ThresholdAllocations", "explaining_order", "kept",
    "l1_order", "prefix_masks", "split_mask", "strengths", "train_together",
]  # fmt: skip
