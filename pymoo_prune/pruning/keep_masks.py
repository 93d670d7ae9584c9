"""Keep-masks as an encoding: one bit for each hidden neuron of a feed-forward network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pymoo_prune.chromosomes import Array
from pymoo_prune.data import Split
from pymoo_prune.networks import FeedForward, FeedForwardStack
from pymoo_prune.operators import BalancedMaskMutation, Candidates, UniformMaskCrossover
from pymoo_prune.pruning.neurons import (
    NeuronMask,
    NeuronOrder,
    explaining_order,
    l1_order,
    prefix_masks,
    split_mask,
    widths_of_least_loss,
)
from pymoo_prune.pruning.removal import least_missed_order
from pymoo_prune.recovery import DenseRefit, plain_layers

WeightsAndBiases = tuple[Sequence[Tensor], Sequence[Tensor]]
"""Weights, (outputs, inputs) each, and biases of a feed-forward network, layer by layer."""

LOSS_POWER = 1.5
"""Above 1, because one layer with a large loss is worse than two with half of it."""


class KeepMasks:
    """Chromosomes are one bit for each hidden neuron; layers may get different widths.

    Args:
        parent: The network that is pruned.
        images: Training images, for the statistics of the parent's activations.
        refit: Whether the remaining weights are refitted to the parent's activations.
        shares: The smallest and largest share of a layer in the first population.
    """

    vtype, xl, xu = bool, 0, 1

    def __init__(
        self,
        parent: FeedForward,
        images: Split,
        *,
        refit: bool = True,
        shares: tuple[float, float] = (0.01, 0.9),
    ) -> None:
        self.parent, self.shares = parent, shares
        self.sizes = parent.widths
        self.n_var = sum(self.sizes)
        fitted = DenseRefit(parent, images)
        self.refit = fitted if refit else None
        weights, _ = parent.arrays()
        if refit:
            self.orders = [least_missed_order(fitted, layer) for layer in range(len(self.sizes))]
            self.losses = [fitted.losses(*one) ** LOSS_POWER for one in enumerate(self.orders)]
        else:
            self.orders, self.losses = [l1_order(weight) for weight in weights[:-1]], []
        self.explaining_orders = [
            explaining_order(covariance.cpu().numpy(), readout)
            for covariance, readout in zip(fitted.covariances, weights[1:], strict=True)
        ]

    def operators(self) -> dict[str, Any]:
        """Sampling, crossover and mutation for pymoo."""
        return {
            "sampling": Candidates(self.initial),
            "crossover": UniformMaskCrossover(self.sizes),
            "mutation": BalancedMaskMutation(self.sizes),
        }

    def initial(self, n: int, generator: np.random.Generator) -> NeuronMask:
        """The first population; its widths are evenly spaced in the logarithm over all shares.

        Of every three masks one keeps the neurons that are missed most after a refit, with the
        layers' widths that lose least; without a refit, the neurons with the largest weights. The
        other two keep the neurons that explain most of the parent's activations, one of them with
        layers of different shares.
        """
        low, high = np.log(self.shares)
        shares = np.exp(np.linspace(low, high, n))[:, None].repeat(len(self.sizes), axis=1)
        tilt = generator.uniform(-0.5, 0.5, shares.shape)
        uneven = np.arange(n) % 3 == 2
        shares[uneven] = np.minimum(shares * np.exp(tilt), 1.0)[uneven]
        counts = self.counts(shares)
        masks = prefix_masks(self.explaining_orders, counts)
        others = np.arange(n) % 3 == 0
        widths = counts[others]
        if self.losses:
            widths = widths_of_least_loss(self.losses, widths.sum(axis=1))
        masks[others] = prefix_masks(self.orders, widths)
        return masks

    def random(self, n: int, generator: np.random.Generator) -> NeuronMask:
        """Random neurons, at widths spread as in the first population, for random search."""
        low, high = np.log(self.shares)
        shares = np.exp(generator.uniform(low, high, (n, len(self.sizes))))
        orders = [generator.random((n, size)).argsort(axis=1) for size in self.sizes]
        counts = self.counts(shares)
        return np.hstack(
            [order.argsort(axis=1) < counts[:, [layer]] for layer, order in enumerate(orders)]
        )

    def narrowed(self, widths: NDArray[np.int64]) -> NeuronMask:
        """Masks that keep the neurons that explain most, (n, n_var).

        Args:
            widths: Neurons of each layer, (n, layers).
        """
        return prefix_masks(self.explaining_orders, widths)

    def counts(self, shares: Array) -> NDArray[np.int64]:
        """Neurons of each layer at these shares, (n, layers); at least one."""
        counts: NDArray[np.int64] = np.maximum(np.rint(shares * np.array(self.sizes)), 1).astype(
            int
        )
        return counts

    def repaired(self, X: NeuronMask) -> NeuronMask:
        """The same masks, where a layer without a neuron keeps the one that explains most.

        Operators of one's own may empty a layer; such a mask stands for no network.
        """
        X = np.array(X, dtype=bool)
        starts = np.cumsum([0, *self.sizes[:-1]])
        for start, size, order in zip(starts, self.sizes, self.explaining_orders, strict=True):
            empty = ~X[:, start : start + size].any(axis=1)
            X[empty, start + order[0]] = True
        return X

    def keep(self, x: NeuronMask) -> list[NeuronOrder]:
        """The indices of the kept neurons, layer by layer."""
        return split_mask(self.repaired(x[None])[0], self.sizes)

    def widths(self, X: NeuronMask) -> NDArray[np.int64]:
        """The number of neurons that each layer keeps, (n, layers)."""
        parts = np.split(self.repaired(X), np.cumsum(self.sizes)[:-1], axis=1)
        return np.stack([part.sum(axis=1) for part in parts], axis=1)

    def together(self, X: NeuronMask) -> FeedForwardStack:
        """Several networks of the parent's widths, with zeros in place of pruned neurons."""
        layers = self.parent.linear_layers
        masks = [
            torch.from_numpy(part).to(layers[0].weight.device)
            for part in np.split(self.repaired(X), np.cumsum(self.sizes)[:-1], axis=1)
        ]
        if self.refit:
            weights, biases = self.refit.together(masks)
        else:
            targets = [*masks, torch.ones_like(masks[0][:, :1])]  # all classes stay
            weights = [
                layer.weight.detach() * target[..., None]
                for layer, target in zip(layers, targets, strict=True)
            ]
            biases = [
                layer.bias.detach() * target for layer, target in zip(layers, targets, strict=True)
            ]
        return FeedForwardStack(self.parent, weights, biases, masks)

    def layers(self, x: NeuronMask) -> WeightsAndBiases:
        """Weights and biases of the small network."""
        keep = self.keep(x)
        return self.refit.layers(keep) if self.refit else plain_layers(self.parent, keep)
