"""Pruned networks, put together from layers that are prepared once."""

from __future__ import annotations

import copy
from collections import OrderedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pymoo_prune.chromosomes import Array, Counts
from pymoo_prune.data import Split, balanced
from pymoo_prune.inference import Grids, Inference, Precision, PreparedImages, Statistics, Together
from pymoo_prune.networks import GRID
from pymoo_prune.pruning.magnitude import MagnitudeOrder
from pymoo_prune.recovery import Recovery, WeightRefit

REFIT_IMAGES = 1_000
"""Training images for the statistics of a refit."""
TRIED = 16
"""Images that show whether several candidates can be computed in one pass."""
CACHE_BYTES = 2**30
"""Memory for prepared layers; those that were unused for longest are forgotten first."""


class Assembly:
    """Prunes the smallest weights of a network, repairs what is left, and runs it on images.

    A pruned layer depends only on the number of weights that it loses. So each is solved for once,
    and shared by all candidates that contain it.

    Args:
        network: The network that is pruned; it is not changed.
        order: Its weights, smallest first.
        train: Training images, for the repairs.
        recovery: The repairs; the caller does the gradient steps.
        images: Training images for batch-norm statistics.
        precision: The precision of the search; `network` and everything `exact` use float32.
        seed: The seed of the choice of images.
    """

    def __init__(
        self,
        network: nn.Module,
        order: MagnitudeOrder,
        train: Split,
        recovery: Recovery,
        *,
        images: int = 256,
        precision: Precision = "float32",
        seed: int = 0,
    ) -> None:
        self.network_template, self.order, self.recovery = network, order, recovery
        self.images = train.subset(balanced(train.groups, images, seed)).images
        self.exact = Inference(network, self.images)
        self.fast = (
            self.exact
            if precision == "float32"
            else Inference(network, self.images, precision=precision)
        )
        self._calibration = {one: one.prepare(self.images) for one in (self.exact, self.fast)}
        self.refit: WeightRefit | None = None
        if recovery.refit:
            sample = train.subset(balanced(train.groups, REFIT_IMAGES, seed))
            self.refit = WeightRefit(network, order.names, sample, centred=recovery.batch_norm)
        self._together: dict[Inference, Together | None] = {}
        self._layers: OrderedDict[tuple[int, int], Tensor] = OrderedDict()
        self._bytes = 0

    def losses(self, counts: Counts) -> NDArray[np.float64]:
        """The loss of each layer at each of several counts.

        Args:
            counts: Pruned weights, (levels, layers).

        Returns:
            Shares of the mean square of the refitted layer's outputs, (levels, layers); without a
            refit, of the sum of the squares of its weights.
        """
        if self.refit is None:
            return self.order.losses(counts)
        return np.array(
            [
                [
                    self.refit.loss(name, self._layer(layer, int(pruned)))
                    for layer, (name, pruned) in enumerate(zip(self.order.names, row, strict=True))
                ]
                for row in counts
            ]
        )

    def weights(self, counts: Array) -> dict[str, Tensor]:
        """A candidate's weights by layer, refitted if the recovery says so.

        Args:
            counts: Pruned weights of each layer, (layers,).
        """
        return {
            name: self._layer(layer, int(pruned))
            for layer, (name, pruned) in enumerate(zip(self.order.names, counts, strict=True))
        }

    def _layer(self, layer: int, pruned: int) -> Tensor:
        key = layer, pruned
        if key in self._layers:
            self._layers.move_to_end(key)
            return self._layers[key]
        if self.refit is None:
            # A comparison and a product, which is quicker than a cache.
            return self.order.weight(layer, pruned)
        weight = self.refit.weight(self.order.names[layer], self.order.mask(layer, pruned))
        self._layers[key] = weight
        self._bytes += weight.nbytes
        while self._bytes > CACHE_BYTES and len(self._layers) > 1:
            _, oldest = self._layers.popitem(last=False)
            self._bytes -= oldest.nbytes
        return weight

    def grids(self, counts: Array) -> Grids:  # noqa: ARG002
        """What a candidate's layers round their inputs to, by path; subclasses may say so."""
        return {}

    def statistics(
        self, weights: dict[str, Tensor], inference: Inference, grids: Grids
    ) -> Statistics:
        """A candidate's batch-norm statistics; empty where the parent's stay."""
        if not self.recovery.batch_norm:
            return {}
        return self._stored(inference.statistics(weights, self._calibration[inference], grids))

    def _stored(self, statistics: Statistics) -> Statistics:
        """Statistics as a network keeps them; subclasses may round them."""
        return statistics

    def outputs(self, counts: Array, images: PreparedImages, *, exact: bool = False) -> Tensor:
        """A candidate's outputs, (n, classes).

        Args:
            counts: Pruned weights of each layer, (layers,).
            images: Images that `fast` has prepared, or `exact`.
            exact: Whether in float32.
        """
        inference = self.exact if exact else self.fast
        weights, grids = self.weights(counts), self.grids(counts)
        statistics = self.statistics(weights, inference, grids)
        return inference.outputs(weights, images, statistics, grids)

    def outputs_together(
        self, counts: Array, images: PreparedImages, *, exact: bool = False
    ) -> Tensor:
        """The outputs of several candidates in one pass, (candidates, n, classes).

        Where the network does not allow one pass, candidates are computed one by one.

        Args:
            counts: Pruned weights of each layer, (candidates, layers).
            images: See `outputs`.
            exact: See `outputs`.
        """
        inference = self.exact if exact else self.fast
        if inference not in self._together:
            possible = Together.possible(inference, self.images[:TRIED])
            self._together[inference] = Together(inference) if possible else None
        together = self._together[inference]
        if together is None:
            return torch.stack([self.outputs(row, images, exact=exact) for row in counts])
        weights, grids = (
            [self.weights(row) for row in counts],
            [self.grids(row) for row in counts],
        )
        statistics: Statistics = {}
        if self.recovery.batch_norm:
            found = together.statistics(weights, self._calibration[inference], grids)
            statistics = self._stored(found)
        return together.outputs(weights, images, statistics, grids)

    def network(self, counts: Array) -> nn.Module:
        """The stand-alone candidate, with zeros where it was pruned."""
        weights, grids = self.weights(counts), self.grids(counts)
        network = copy.deepcopy(self.network_template).eval()
        modules = dict(network.named_modules(remove_duplicate=False))
        with torch.no_grad():
            for name, weight in weights.items():
                modules[name].weight.copy_(weight)
            for name, grid in grids.items():
                getattr(modules[name], GRID).copy_(grid)
            for name, (mean, variance) in self.statistics(weights, self.exact, grids).items():
                modules[name].running_mean.copy_(mean)
                modules[name].running_var.copy_(variance)
        return network
