"""Pruning single weights by magnitude: a count for each layer tells which weights go."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pymoo_prune.chromosomes import Counts
from pymoo_prune.errors import PruneError
from pymoo_prune.measuring import LayerShape, count_parameters, count_work


class MagnitudeOrder:
    """The weights of every convolution and linear layer, smallest first; ties by their index.

    Weights that are 0 already, because the network was pruned before, are not counted, and stay 0.

    Args:
        network: The network that is pruned; it is not changed.
        shape: One image, (channels, height, width).

    Raises:
        PruneError: The network has nothing to prune, or weights outside of these layers.
    """

    def __init__(self, network: nn.Module, shape: Sequence[int]) -> None:
        modules = dict(network.named_modules())
        work = count_work(network, shape)
        work.check()
        everything, self._constant_macs = work.layers, work.constant
        self.layers: list[LayerShape] = []
        self.weights: list[Tensor] = []
        self._ranks: list[Tensor] = []
        for layer in everything:
            if layer.positions == 0:
                continue
            weight = modules[layer.name].weight.detach().clone()
            if not torch.isfinite(weight).all():
                msg = f"layer {layer.name!r} has weights that are not finite (NaN or infinite)"
                raise PruneError(msg)
            if bool((weight != 0).any()):
                self.layers.append(layer)
                self.weights.append(weight)
                self._ranks.append(_ranks(weight))
        if not self.layers:
            msg = (
                f"a {type(network).__name__} has nothing to prune: no convolution or linear layer "
                "with weights that are not 0 takes part in its forward pass"
            )
            raise PruneError(msg)
        self.names = [layer.name for layer in self.layers]
        self.counts: Counts = np.array([int((w != 0).sum()) for w in self.weights], dtype=np.int64)
        self.positions: Counts = np.array(
            [layer.positions for layer in self.layers], dtype=np.int64
        )
        self.all_parameters = count_parameters(network)
        zeros = sum(int((modules[layer.name].weight == 0).sum()) for layer in everything)
        self.parameters = self.all_parameters - zeros

    def __len__(self) -> int:
        return len(self.layers)

    @property
    def uncounted(self) -> int:
        """Parameters that are never pruned: biases, batch norms."""
        return self.parameters - int(self.counts.sum())

    def mask(self, layer: int, pruned: int) -> Tensor:
        """True where a layer keeps its weights when this many are pruned, of the weight's shape."""
        return self._ranks[layer] >= pruned

    def weight(self, layer: int, pruned: int) -> Tensor:
        """A layer's weights with the smallest set to 0."""
        return self.weights[layer] * self.mask(layer, pruned)

    def complexity(self, counts: Counts) -> tuple[Counts, Counts]:
        """Parameters and MACs that remain, exactly, for a whole population.

        Args:
            counts: Pruned weights, (n, layers).

        Returns:
            Parameters that are not 0 (biases and batch norms counted) and sparse MACs, (n,) each;
            products without weights, such as attention's, count whole.
        """
        left = self.counts - counts
        return left.sum(axis=1) + self.uncounted, left @ self.positions + self._constant_macs

    @cached_property
    def magnitudes(self) -> list[NDArray[np.float64]]:
        """Each layer's absolute weights, ascending, without those that were 0 before."""
        found = []
        for weight in self.weights:
            sizes = weight.abs().flatten().double().cpu().numpy()
            found.append(np.sort(sizes[sizes > 0]))
        return found

    @cached_property
    def all_magnitudes(self) -> NDArray[np.float64]:
        """The absolute weights of all layers together, ascending."""
        return np.sort(np.concatenate(self.magnitudes))

    def below(self, thresholds: NDArray[np.float64]) -> Counts:
        """The number of weights of each layer that are smaller than its threshold, (n, layers)."""
        columns = [
            np.searchsorted(sizes, thresholds[:, layer])
            for layer, sizes in enumerate(self.magnitudes)
        ]
        return np.column_stack(columns).astype(np.int64)

    def losses(self, counts: Counts) -> NDArray[np.float64]:
        """The squares of the pruned weights, as shares of their layer's sum, (n, layers).

        Args:
            counts: Pruned weights, (n, layers).
        """
        columns = []
        for layer, sizes in enumerate(self.magnitudes):
            lost = np.concatenate([[0.0], np.cumsum(sizes**2)])
            columns.append(lost[counts[:, layer]] / lost[-1])
        return np.column_stack(columns)

    # Pruning without a search: see `closed_forms`.

    def uniform(self, shares: NDArray[np.float64]) -> Counts:
        """Counts for shares of each layer: (n,) for the same in all, or (n, layers)."""
        by_layer = shares[:, None] if shares.ndim == 1 else shares
        return np.rint(by_layer * self.counts).astype(np.int64)

    def smallest(self, shares: NDArray[np.float64]) -> Counts:
        """Counts of global magnitude pruning, (n, layers): the network's smallest weights go.

        Args:
            shares: Shares of all prunable weights, (n,).
        """
        return self.lowest(self.magnitudes, shares)

    def lowest(self, scores: Sequence[NDArray[np.float64]], shares: NDArray[np.float64]) -> Counts:
        """Counts where the weights with the network's lowest scores go, (n, layers).

        Args:
            scores: A score for each weight of each layer, in the order of `magnitudes`, ascending.
            shares: Shares of all prunable weights, (n,).
        """
        order = np.argsort(np.concatenate(scores), kind="stable")
        owner = np.repeat(np.arange(len(self)), self.counts)[order]
        ends = np.rint(shares * len(owner)).astype(np.int64)
        return np.stack([np.bincount(owner[:end], minlength=len(self)) for end in ends])


def _ranks(weight: Tensor) -> Tensor:
    """The place of each weight in ascending order of |w|, of its shape; -1 for weights that are 0.

    With ranks a candidate's mask is one comparison, and exact where weights are equal.
    """
    sizes = weight.abs().flatten()
    order = torch.argsort(sizes, stable=True)
    ranks = torch.empty(len(sizes), dtype=torch.int32, device=weight.device)
    zeros = int((sizes == 0).sum())
    ranks[order] = torch.arange(len(sizes), dtype=torch.int32, device=weight.device) - zeros
    return ranks.clamp_(min=-1).reshape(weight.shape)
