"""The simple alternative to a search: neurons pruned by the L1 norm of their weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from pymoo_prune.networks import FeedForward
from pymoo_prune.objectives import Values
from pymoo_prune.problem import Baseline, Rivals
from pymoo_prune.pruning import l1_order, prefix_masks, split_mask
from pymoo_prune.recovery import plain_layers


class L1Pruning(Rivals):
    """Every layer cut to a share of its width: the neurons with the largest weights stay.

    Args:
        parent: The network that is compressed.
        sizes: From widths by layer, (n, layers), to quantities, (n,) each.
    """

    def __init__(
        self,
        parent: FeedForward,
        sizes: Callable[[NDArray[np.int64]], Mapping[str, Values]],
    ) -> None:
        self.parent, self.sizes = parent, sizes

    def at(self, front: Mapping[str, Values]) -> list[Baseline]:
        """Networks at the widths of a front (at most twelve), and at wider ones."""
        same = np.quantile(front["width"], np.linspace(0, 1, 12))
        wider = np.geomspace(front["width"].max(), 1, 6)[1:]
        return [self.pruned(np.unique(np.concatenate([same, wider])))]

    def pruned(self, shares: Values) -> Baseline:
        """Networks with a share of each layer's neurons.

        Args:
            shares: Neurons kept, as shares of each layer's, (n,).
        """
        full = np.array(self.parent.widths)
        widths = np.maximum(np.rint(shares[:, None] * full), 1).astype(np.int64)
        orders = [l1_order(weight) for weight in self.parent.arrays()[0][:-1]]
        networks = [
            FeedForward.from_layers(*plain_layers(self.parent, keep), self.parent.activation)
            for mask in prefix_masks(orders, widths)
            for keep in [split_mask(mask, self.parent.widths)]
        ]
        return Baseline("L1 pruning", networks, self.sizes(widths))
