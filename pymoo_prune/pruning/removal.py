"""The order in which filters or neurons are missed least, when what is left is refitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from pymoo_prune.chromosomes import Array, Booleans, Floats, Integers
from pymoo_prune.pruning.channel_labels import ChannelLayer
from pymoo_prune.pruning.filters import PrunableFilters
from pymoo_prune.recovery import ChannelRefit, DenseRefit

STEPS = 32
"""A group of n filters loses n // STEPS filters at a time, but at least one."""


class RemovalOrders:
    """For each group of filters, the order in which filters go, and the loss on the way.

    Filters go one after the other. Each time the filter goes that changes the outputs of the layers
    behind it least, after these layers got the least-squares weights for what they still read
    (block by block as in optimal brain surgery: Hassibi and Stork, 1993). Each group is taken apart
    on its own. A layer that is too large for statistics decides by the size of its weights.

    Args:
        filters: The network's filters.
        refit: The statistics of the network's layers.

    Attributes:
        ranks: The place of each filter in its group's order, (n_filters,); 0 goes first.
        losses: For each group, the loss when the first k filters are gone, (size,): the mean, over
            the layers behind the group, of the share of their outputs that is lost.
    """

    def __init__(self, filters: PrunableFilters, refit: ChannelRefit) -> None:
        self.filters = filters
        genes = filters.genes
        self.ranks: Integers = np.empty(genes.n_filters, dtype=np.int64)
        self.losses: list[Floats] = []
        for start, size in zip(genes.starts.tolist(), genes.sizes, strict=True):
            labels = np.arange(start, start + size)
            step = max(1, size // STEPS)
            order, losses = _taken_apart(_readers(filters, refit, labels), size, step)
            self.ranks[labels[order]] = np.arange(size)
            self.losses.append(losses)

    def worth(self, prices: Floats, costs: Floats) -> Integers:
        """The number of filters of each group that are worth their cost; at least one.

        Groups choose among the numbers that they may keep.

        Lagrange's method to share a budget: it minimises the sum over the groups of
        loss^1.5 + price x cost. The power is above 1 because losses of successive layers together
        are worse than their sum.

        Args:
            prices: The price of a unit of cost, (n,).
            costs: The cost of one filter of each group, (n, groups).

        Returns:
            (n, groups).
        """
        columns = []
        for losses, cost, widths in zip(
            self.losses, costs.T, self.filters.genes.widths, strict=True
        ):
            left = widths[::-1]
            total = losses[len(losses) - left] ** 1.5 + (prices * cost)[:, None] * left
            columns.append(left[total.argmin(axis=1)])
        return np.column_stack(columns)

    def repaired(self, X: Array) -> Booleans:
        """Chromosomes whose groups have a number that they may keep: those that go last stay.

        Args:
            X: Chromosomes, (..., n_var).
        """
        return self.filters.genes.repaired(X, self.strengths)

    @property
    def strengths(self) -> Floats:
        """The rank of each filter, and the mean weight of each branch, (n_var,)."""
        branches = self.filters.strengths[self.filters.genes.n_filters :]
        return np.append(self.ranks, branches)

    def latest(self, counts: NDArray[np.int64]) -> Booleans:
        """The filters that go last.

        Args:
            counts: The number of filters of each group that stay, (n, groups).

        Returns:
            (n, n_filters).
        """
        genes = self.filters.genes
        gone = np.array(genes.sizes) - counts
        kept: Booleans = self.ranks >= gone[:, genes.filter_groups]
        return kept


def least_missed_order(refit: DenseRefit, layer: int) -> NDArray[np.intp]:
    """Neurons of a feed-forward network, those that are missed most first.

    Neurons go one after the other: each time the one without which the refitted next layer loses
    least.

    Args:
        refit: The statistics of the network's layers.
        layer: The hidden layer.
    """
    covariance, crossed = refit.covariances[layer], refit.crossed[layer]
    ridged = covariance.clone()
    ridged.diagonal().add_(refit.ridges[layer])
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(ridged))
    columns = torch.arange(len(covariance), device=covariance.device)[:, None]
    reader = _Reader(inverse, inverse @ crossed, columns, refit.power(layer))
    order, _ = _taken_apart([reader], len(covariance), 1)
    return order[::-1].copy()


@dataclass
class _Reader:
    """A layer that reads a group's channels, and its loss when they go.

    Attributes:
        inverse: The inverse of the mean products of its inputs, (inputs, inputs); None without
            statistics: then the size of the weights counts, and nothing is refitted.
        weight: (inputs, outputs).
        columns: The inputs that come from each filter, (filters, inputs of each); rows of filters
            with fewer inputs end with -1.
        power: The mean square of its outputs, summed over them; without statistics the sum of the
            squares of its weights.
    """

    inverse: Tensor | None
    weight: Tensor
    columns: Tensor
    power: float

    def losses(self, left: Tensor) -> Tensor:
        """The loss when each of these filters goes, (left,)."""
        found = self.weight.new_zeros(len(left))
        each = self.columns[left]
        counts = (each >= 0).sum(dim=1)
        for count in counts.unique().tolist():
            columns = each[counts == count, :count]
            weights = self.weight[columns]  # (filters, inputs of each, outputs)
            solved = weights
            if self.inverse is not None:
                blocks = self.inverse[columns[:, :, None], columns[:, None, :]]
                solved = torch.linalg.solve(blocks, weights)
            found[counts == count] = (weights * solved).sum(dim=(1, 2))
        return found / self.power

    def take(self, gone: Tensor) -> float:
        """Removes filters, refits the others, and returns the loss."""
        columns = self.columns[gone].flatten()
        columns = columns[columns >= 0]
        if self.inverse is None:
            return float(self.weight[columns].square().sum()) / self.power
        across = self.inverse[:, columns]
        pulled = torch.linalg.solve(across[columns], self.weight[columns])
        cost = float((self.weight[columns] * pulled).sum()) / self.power
        self.weight = self.weight - across @ pulled
        self.inverse = self.inverse - across @ torch.linalg.solve(across[columns], across.T)
        return cost


def _readers(
    filters: PrunableFilters, refit: ChannelRefit, labels: NDArray[np.int64]
) -> list[_Reader]:
    found = []
    for layer in filters.flow.layers:
        if layer.inputs is None or not np.isin(layer.inputs, labels).any():
            continue
        module: Any = filters.whole.get_submodule(layer.name)
        weight = _weight(module, layer.groups)
        columns = _columns(layer, labels).to(weight.device)
        if layer.name in refit.grams:
            gram = refit.grams[layer.name]
            power = float((weight * (gram.products @ weight)).sum())
            inverse: Tensor | None = gram.inverse.clone()
        else:
            # Without statistics only this group's inputs matter.
            power = float(weight.square().sum())
            mine = columns >= 0
            weight = weight[columns[mine]]
            columns[mine] = torch.arange(len(weight), device=weight.device)
            inverse = None
        found.append(_Reader(inverse, weight, columns, max(power, 1e-12)))
    return found


def _weight(module: Any, groups: int) -> Tensor:
    """The weight of a layer from each input to each output, (inputs, outputs).

    Args:
        module: A convolution or a linear layer.
        groups: Its groups; between one and another there are zeros.
    """
    weight: Tensor = module.weight.detach().flatten(1).double()
    return (torch.block_diag(*weight.chunk(groups)) if groups > 1 else weight).T


def _columns(layer: ChannelLayer, labels: NDArray[np.int64]) -> Tensor:
    """The inputs of a layer with each label, (labels, inputs of each); -1 fills the rows."""
    places = [torch.from_numpy(np.flatnonzero(layer.inputs == label)) for label in labels]
    columns = [
        (place[:, None] * layer.taps + torch.arange(layer.taps)).flatten() for place in places
    ]
    return pad_sequence(columns, batch_first=True, padding_value=-1)


def _taken_apart(readers: Sequence[_Reader], size: int, step: int) -> tuple[Integers, Floats]:
    left = torch.arange(size)
    order: list[int] = []
    losses = np.zeros(size)
    total = 0.0
    while readers and len(left) > 1:  # what no layer reads is not missed
        costs = torch.stack([reader.losses(left) for reader in readers]).mean(dim=0).cpu()
        gone = left[torch.argsort(costs, stable=True)[: min(step, len(left) - 1)]]
        before = len(order)
        order += gone.tolist()
        cost = sum(reader.take(gone) for reader in readers) / len(readers)
        # Within a step, the loss grows evenly.
        losses[before + 1 : len(order) + 1] = total + cost * np.arange(1, len(gone) + 1) / len(gone)
        total += cost
        left = left[~torch.isin(left, gone)]
    order += left.tolist()
    return np.array(order), np.maximum.accumulate(losses)
