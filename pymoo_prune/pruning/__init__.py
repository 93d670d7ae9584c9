"""Pruning: the order in which parts of a network go, chromosomes for it, and pruned networks.

Neurons
- `neurons`: orders of neurons, and keep-masks made from them
- `keep_masks`: keep-masks as chromosomes

Single weights
- `magnitude`: the weights of a network by magnitude
- `levels`: a few numbers of weights for each layer to choose from
- `closed_forms`: how many weights each layer loses, without a search
- `allocations`: how many weights each layer loses, as chromosomes
- `assembly`: pruned networks, put together from layers that are prepared once
- `search_images`: images that assembled networks are measured on

Alphabets
- `alphabets`: what each layer may become, pruned and with fewer bits; a folder of its own, which
  other rooms import from

Filters and branches
- `channel_labels`: labels for channels that live and die together
- `channel_calls`: the modules and calls whose effect on channels is known
- `channel_rules`: how each call passes channels on
- `channel_products`: the same for products, attention above all
- `channel_layers`: the same for layers with weights
- `channel_flow`: labels the channels of a network
- `channel_sizes`: sizes that a network's code writes out, for fewer channels
- `branches`: branches that can be dropped whole
- `filter_groups`: groups and blocks of filters, and the strength of each filter
- `multiples`: groups that keep multiples of a number of filters
- `liveness`: the layers and channels that live in a candidate, and the size of the candidate
- `verification`: small networks compared with masked ones
- `filters`: filters and branches as chromosomes, and the small networks
- `removal`: orders in which removed filters or neurons are missed least

Connections
- `connectivity`: connections of a DenseNet, and networks with inherited weights
- `stacked`: many DenseNets trained at once as one network
"""

from pymoo_prune.pruning.allocations import CountAllocations, ThresholdAllocations
from pymoo_prune.pruning.assembly import Assembly
from pymoo_prune.pruning.channel_flow import ChannelFlow
from pymoo_prune.pruning.channel_labels import ChannelLayer
from pymoo_prune.pruning.closed_forms import CLOSED_FORMS, POWERS, least_loss
from pymoo_prune.pruning.connectivity import RandomPaths, SharedWeights, strengths
from pymoo_prune.pruning.filters import PrunableFilters
from pymoo_prune.pruning.keep_masks import KeepMasks, WeightsAndBiases
from pymoo_prune.pruning.levels import Levels, OnLevels, check_levels
from pymoo_prune.pruning.magnitude import MagnitudeOrder
from pymoo_prune.pruning.multiples import KINDS, MultipleOf, check_multiple_of, group_steps
from pymoo_prune.pruning.neurons import (
    active_order,
    explaining_order,
    kept_width,
    l1_order,
    prefix_masks,
    split_mask,
    widths_of_least_loss,
    widths_of_same_share,
)
from pymoo_prune.pruning.removal import RemovalOrders, least_missed_order
from pymoo_prune.pruning.search_images import SearchImages, balanced_images
from pymoo_prune.pruning.stacked import DenseNetStack, train_together

__all__ = [
    "CLOSED_FORMS", "KINDS", "POWERS", "Assembly", "ChannelFlow", "ChannelLayer",
    "CountAllocations", "DenseNetStack", "KeepMasks", "Levels", "MagnitudeOrder", "MultipleOf",
    "OnLevels", "PrunableFilters", "RandomPaths", "RemovalOrders", "SearchImages", "SharedWeights",
    "ThresholdAllocations", "WeightsAndBiases", "active_order", "balanced_images",
    "check_levels", "check_multiple_of", "explaining_order", "group_steps", "kept_width",
    "l1_order", "least_loss", "least_missed_order", "prefix_masks", "split_mask", "strengths",
    "train_together", "widths_of_least_loss", "widths_of_same_share",
]  # fmt: skip
