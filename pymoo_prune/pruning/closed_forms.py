"""How many weights each layer loses, in closed form: allocations that need no search.

They are what a user takes who does not search, and where a search begins.

- LAMP: Lee, Park, Mo, Ahn and Shin, "Layer-adaptive sparsity for the magnitude-based pruning",
  ICLR 2021.
- ERK: Evci, Gale, Menick, Castro and Elsen, "Rigging the lottery", ICML 2020.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from pymoo_prune.chromosomes import Counts, Floats
from pymoo_prune.pruning.levels import Levels
from pymoo_prune.pruning.magnitude import MagnitudeOrder

POWERS = (1.0, 1.5, 2.0, 2.5)
"""Powers of the losses that `least_loss` adds up: above 1, two layers that lose half as much each
are better than one that loses all of it."""


def lamp(order: MagnitudeOrder, shares: Floats) -> Counts:
    """Layer-adaptive magnitudes; see `CLOSED_FORMS`.

    A weight's score is its square, relative to the sum of the squares of the weights of its layer
    that are not smaller. The lowest scores of the whole network go. The largest weight of a layer
    has the score 1, so no layer loses everything before the others do.
    """
    squares = [sizes**2 for sizes in order.magnitudes]
    # From the largest weight down, so that small numbers are added to small ones last.
    return order.lowest([each / each[::-1].cumsum()[::-1] for each in squares], shares)


def erdos_renyi_kernel(order: MagnitudeOrder, shares: Floats) -> Counts:
    """Layers are dense where they are small; see `CLOSED_FORMS`.

    The share of weights that a layer keeps is proportional to the sum of its weight's dimensions,
    divided by their product. Layers that would keep more than everything keep everything.
    """
    density = np.array([sum(weight.shape) / weight.numel() for weight in order.weights])
    kept = (1 - shares) * order.counts.sum()
    low, high = np.zeros(len(shares)), np.full(len(shares), 1 / density.min())
    for _ in range(60):
        middle = (low + high) / 2
        over = _densest(density, middle) @ order.counts > kept
        low, high = np.where(over, low, middle), np.where(over, middle, high)
    left = np.rint(_densest(density, low) * order.counts).astype(np.int64)
    pruned: Counts = order.counts - left
    return pruned


def _densest(density: Floats, factors: Floats) -> Floats:
    return np.minimum(factors[:, None] * density, 1.0)


Allocation = Callable[[MagnitudeOrder, Floats], Counts]

CLOSED_FORMS: Mapping[str, Allocation] = {
    "uniform": MagnitudeOrder.uniform,
    "global": MagnitudeOrder.smallest,
    "LAMP": lamp,
    "ERK": erdos_renyi_kernel,
}
"""Allocations by name: from a network's weights, and shares of all prunable weights that go, (n,),
to the weights that each layer loses, (n, layers)."""


def least_loss(levels: Levels, losses: Floats, shares: Floats) -> Counts:
    """The levels with the least sum of losses, to several powers.

    Args:
        levels: The counts that layers choose from.
        losses: The loss of each, (levels, layers).
        shares: Shares of all prunable weights that go, at least, (n,).

    Returns:
        Weights that each layer loses, (powers, n, layers), in the order of `POWERS`.
    """
    prices = np.ones(len(levels.counts))
    return np.stack([levels.cheapest(losses**power, prices, 1 - shares) for power in POWERS])
