"""Repairs of candidates before they are measured.

A search on the accuracy right after the cut finds networks that survive the cut. These differ from
the networks that are good after a repair, and in practice pruned networks are repaired. The repairs
here cost milliseconds, and depend on the candidate only.

- `ladder`: the choice of repairs
- `batch_norm`: batch-norm statistics, taken again
- `dense`: the refit of feed-forward networks that lost neurons
- `layer_refit`: statistics that the next two share
- `channels`: the refit of layers that lost input channels
- `weights`: the refit of layers that lost single weights
- `moments`: second moments of a layer's inputs
"""

from pymoo_prune.recovery.batch_norm import calibrate
from pymoo_prune.recovery.channels import ChannelRefit
from pymoo_prune.recovery.dense import DenseRefit, plain_layers
from pymoo_prune.recovery.ladder import Recovery
from pymoo_prune.recovery.moments import understood
from pymoo_prune.recovery.weights import WeightRefit

__all__ = [
    "ChannelRefit", "DenseRefit", "Recovery", "WeightRefit", "calibrate", "plain_layers",
    "understood",
]  # fmt: skip
