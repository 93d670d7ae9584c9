"""The simpler alternatives to a search: neurons pruned in an order, with and without a refit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pymoo_prune.chromosomes import Array
from pymoo_prune.data import Split
from pymoo_prune.measuring import goodness
from pymoo_prune.networks import FeedForward
from pymoo_prune.objectives import Values
from pymoo_prune.problem import Baseline, Rivals
from pymoo_prune.pruning import (
    active_order,
    explaining_order,
    l1_order,
    least_missed_order,
    prefix_masks,
    split_mask,
    widths_of_least_loss,
    widths_of_same_share,
)
from pymoo_prune.recovery import DenseRefit, plain_layers

Widths = NDArray[np.int64]
"""Neurons of each hidden layer, (n, layers)."""
NeuronOrder = NDArray[np.intp]
"""A layer's neurons, the first to be kept first."""

REFITTED = ("L1 pruning", "most active neurons", "explaining neurons", "least missed neurons")
"""The orders in which neurons are kept, where the others are refitted."""
POWERS = (1.0, 1.5)
"""Losses are summed to these powers; above 1, a large loss is worse than two of half its size."""


class NeuronRivals(Rivals):
    """Networks that keep the first neurons of an order in each layer.

    L1 pruning without a refit cuts every layer to the same share. With a refit, a network has the
    layers' widths that are best on the search images: the same share of every layer, or the widths
    with the least total loss for as many neurons.

    Args:
        parent: The network that is compressed.
        sizes: From widths by layer, (n, layers), to quantities, (n,) each.
        refit_images: Gives the training images that candidates' refits take statistics from.
        search_images: Images that decide between widths.
        masks: Whether chromosomes are keep-masks, so that a search can begin with these networks.
    """

    def __init__(
        self,
        parent: FeedForward,
        sizes: Callable[[Widths], Mapping[str, Values]],
        refit_images: Callable[[], Split],
        search_images: Split,
        *,
        masks: bool,
    ) -> None:
        self.parent, self.sizes, self.masks = parent, sizes, masks
        self.refit_images, self.search_images = refit_images, search_images

    def at(self, front: Mapping[str, Values]) -> list[Baseline]:
        """Networks at the widths of a front (at most twelve), and at wider ones."""
        same = np.quantile(front["width"], np.linspace(0, 1, 12))
        wider = np.geomspace(front["width"].max(), 1, 6)[1:]
        shares = np.unique(np.concatenate([same, wider]))
        return [self.pruned(shares), *(self.refitted(name, shares) for name in REFITTED)]

    def pruned(self, shares: Values) -> Baseline:
        """L1 pruning without a refit: networks with a share of each layer's neurons.

        Args:
            shares: Neurons kept, as shares of each layer's, (n,).
        """
        full = np.array(self.parent.widths)
        widths = np.maximum(np.rint(shares[:, None] * full), 1).astype(np.int64)
        networks = [
            FeedForward.from_layers(*plain_layers(self.parent, keep), self.parent.activation)
            for keep in self._kept(self._l1_orders, widths)
        ]
        return Baseline("L1 pruning", networks, self.sizes(widths))

    def refitted(self, name: str, shares: Values) -> Baseline:
        """Networks that keep the first neurons of an order, refitted as candidates can be.

        Args:
            name: The order, one of `REFITTED`.
            shares: Neurons kept, as shares of all, (n,). At least one a layer is kept,
                and each number of neurons is tried once.
        """
        orders = self.orders[name]
        networks, widths = [], []
        for some in self._widths(orders, shares):
            tried = np.unique(some, axis=0)
            found = [self._network(keep) for keep in self._kept(orders, tried)]
            best = int(np.argmax(goodness(found, self.parent, self.search_images)))
            networks.append(found[best])
            widths.append(tried[best])
        return Baseline(f"{name} with refit", networks, self.sizes(np.array(widths)))

    def candidates(self, sizes: Mapping[str, Values]) -> Array | None:
        """All of them at certain widths, as keep-masks, (n, n_var)."""
        if not self.masks or "width" not in sizes:
            return None
        several = [
            prefix_masks(orders, np.concatenate(list(self._widths(orders, sizes["width"]))))
            for orders in self.orders.values()
        ]
        found: Array = np.unique(np.concatenate(several), axis=0)
        return found

    def _widths(self, orders: Sequence[NeuronOrder], shares: Values) -> Widths:
        """Widths that are tried for each number of neurons, (numbers, tried, layers)."""
        totals = np.rint(shares * sum(self.parent.widths)).astype(np.int64)
        totals = np.unique(totals.clip(len(self.parent.widths)))
        losses = [self._refit.losses(layer, order) for layer, order in enumerate(orders)]
        spread = [
            widths_of_least_loss([loss**power for loss in losses], totals) for power in POWERS
        ]
        return np.stack([widths_of_same_share(self.parent.widths, totals), *spread], axis=1)

    @cached_property
    def _refit(self) -> DenseRefit:
        return DenseRefit(self.parent, self.refit_images())

    @property
    def _l1_orders(self) -> list[NeuronOrder]:
        return [l1_order(weight) for weight in self.parent.arrays()[0][:-1]]

    @cached_property
    def orders(self) -> dict[str, Sequence[NeuronOrder]]:
        """Each layer's neurons, the first to be kept first, by the order's name."""
        weights, refit = self.parent.arrays()[0], self._refit
        layers = range(len(self.parent.widths))
        covariances = [covariance.cpu().numpy() for covariance in refit.covariances]
        orders = (
            self._l1_orders,
            [active_order(refit.means[k].cpu().numpy(), weights[k + 1]) for k in layers],
            [explaining_order(covariances[k], weights[k + 1]) for k in layers],
            [least_missed_order(refit, k) for k in layers],
        )
        return dict(zip(REFITTED, orders, strict=True))

    def _kept(self, orders: Sequence[NeuronOrder], widths: Widths) -> list[list[NeuronOrder]]:
        """The neurons of each layer that networks of these widths keep."""
        masks = prefix_masks(orders, widths)
        return [split_mask(mask, self.parent.widths) for mask in masks]

    def _network(self, keep: Sequence[NeuronOrder]) -> FeedForward:
        return FeedForward.from_layers(*self._refit.layers(keep), self.parent.activation)
