"""What a candidate gets before it is measured, because everybody repairs after cutting anyway.

A search on the accuracy right after the cut looks for networks that survive the cut, which are not
those that are good after the repair. The repairs here cost milliseconds and depend on nothing but
the candidate.
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
