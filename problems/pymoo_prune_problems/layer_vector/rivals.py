"""Networks that a front is compared with: magnitude pruning at its sparsities."""

from __future__ import annotations

from typing import Literal

from pymoo_prune.chromosomes import Counts
from pymoo_prune.objectives import Values
from pymoo_prune.pruning import MagnitudeOrder


def magnitude_counts(
    order: MagnitudeOrder, kind: Literal["global", "uniform"], sparsities: Values
) -> Counts:
    """Weights that each layer loses, (n, layers).

    Args:
        order: The network's weights.
        kind: The smallest weights of the whole network, or the same share of each layer.
        sparsities: Parameters removed, as shares of all, (n,).
    """
    gone = sparsities * order.all_parameters - (order.all_parameters - order.parameters)
    shares = (gone / order.counts.sum()).clip(0, 1)
    return order.smallest(shares) if kind == "global" else order.uniform(shares)
