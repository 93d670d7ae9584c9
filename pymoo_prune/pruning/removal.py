"""In which order the filters of a layer are missed least, when what is left is refitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from pymoo_prune.chromosomes import Booleans, Floats, Integers
from pymoo_prune.pruning.channel_flow import ChannelLayer
from pymoo_prune.pruning.filters import PrunableFilters
from pymoo_prune.recovery import ChannelRefit

STEPS = 32
"""Steps in which a group is taken apart: in large groups several filters go at once."""


class RemovalOrders:
    """For each group of filters, who goes first, and what is lost on the way.

    Filters go one after the other, each time the one whose absence changes least what the layers
    behind it give, once these have the least-squares weights for what they still read (block by
    block as in optimal brain surgery: Hassibi and Stork, 1993). Groups are taken apart each on its
    own. Where a layer has no statistics, because it is too large, the size of its weights decides.

    Args:
        filters: Of the network.
        refit: With statistics of the network's layers.

    Attributes:
        ranks: For each filter how late it goes, (n_filters,); 0 goes first in its group.
        losses: For each group, the loss when the first k are gone, (size,): the share of what the
            layers behind it give that they cannot give any more, of all of them the mean.
    """

    def __init__(self, filters: PrunableFilters, refit: ChannelRefit) -> None:
        self.filters = filters
        genes = filters.genes
        self.ranks: Integers = np.empty(genes.n_filters, dtype=np.int64)
        self.losses: list[Floats] = []
        for start, size in zip(genes.starts.tolist(), genes.sizes, strict=True):
            labels = np.arange(start, start + size)
            order, losses = _taken_apart(_readers(filters, refit, labels), size)
            self.ranks[labels[order]] = np.arange(size)
            self.losses.append(losses)

    def worth(self, prices: Floats, costs: Floats) -> Integers:
        """Filters of each group that are worth what they cost; at least one.

        Lagrange's way to share a budget: the least sum over the groups of loss^1.5 + price x cost.
        The power is there because losses of layers one after the other add up to more than a sum.

        Args:
            prices: (n,).
            costs: Of one filter of each group, (n, groups).

        Returns:
            (n, groups).
        """
        columns = []
        for losses, cost in zip(self.losses, costs.T, strict=True):
            left = len(losses) - np.arange(len(losses))
            total = losses**1.5 + (prices * cost)[:, None] * left
            columns.append(left[total.argmin(axis=1)])
        return np.column_stack(columns)

    def latest(self, counts: NDArray[np.int64]) -> Booleans:
        """Filters that go last, so many of each group.

        Args:
            counts: (n, groups).

        Returns:
            (n, n_filters).
        """
        genes = self.filters.genes
        gone = np.array(genes.sizes) - counts
        kept: Booleans = self.ranks >= gone[:, genes.filter_groups]
        return kept


@dataclass
class _Reader:
    """A layer that reads a group's channels: what it loses with each.

    Attributes:
        inverse: Of the mean products of its inputs, (inputs, inputs); None where nothing is known
            of them: then the size of the weights counts, and nothing is refitted.
        weight: (inputs, outputs).
        columns: Which inputs are a filter's, (filters, inputs of each); those of a filter that it
            reads less often than others end with -1.
        power: What its outputs amount to.
    """

    inverse: Tensor | None
    weight: Tensor
    columns: Tensor
    power: float

    def losses(self, left: Tensor) -> Tensor:
        """What each filter's absence costs, (left,)."""
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
        """Takes filters away, refits the others, and says what that costs."""
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
        weight = module.weight.detach().flatten(1).double().T
        columns = _columns(layer, labels).to(weight.device)
        if layer.name in refit.grams:
            gram = refit.grams[layer.name]
            power = float((weight * (gram.products @ weight)).sum())
            inverse: Tensor | None = gram.inverse.clone()
        else:
            # Only this group's inputs: without statistics the others tell nothing.
            power = float(weight.square().sum())
            mine = columns >= 0
            weight = weight[columns[mine]]
            columns[mine] = torch.arange(len(weight), device=weight.device)
            inverse = None
        found.append(_Reader(inverse, weight, columns, max(power, 1e-12)))
    return found


def _columns(layer: ChannelLayer, labels: NDArray[np.int64]) -> Tensor:
    """The inputs of a layer that are each label's, (labels, inputs of each); -1 fills the rows."""
    places = [torch.from_numpy(np.flatnonzero(layer.inputs == label)) for label in labels]
    columns = [
        (place[:, None] * layer.taps + torch.arange(layer.taps)).flatten() for place in places
    ]
    return pad_sequence(columns, batch_first=True, padding_value=-1)


def _taken_apart(readers: Sequence[_Reader], size: int) -> tuple[Integers, Floats]:
    left = torch.arange(size)
    order: list[int] = []
    losses = np.zeros(size)
    total, step = 0.0, max(1, size // STEPS)
    while len(left) > 1:
        costs = torch.stack([reader.losses(left) for reader in readers]).mean(dim=0).cpu()
        gone = left[torch.argsort(costs, stable=True)[: min(step, len(left) - 1)]]
        before = len(order)
        order += gone.tolist()
        cost = sum(reader.take(gone) for reader in readers) / len(readers)
        # Within a step, losses grow evenly.
        losses[before + 1 : len(order) + 1] = total + cost * np.arange(1, len(gone) + 1) / len(gone)
        total += cost
        left = left[~torch.isin(left, gone)]
    order += left.tolist()
    return np.array(order), np.maximum.accumulate(losses)
