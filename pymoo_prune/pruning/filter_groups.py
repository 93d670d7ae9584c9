"""Groups and blocks of a network's filters, and the strength of each filter."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
from torch import nn
from torch.nn.modules.conv import _ConvTransposeNd

from pymoo_prune.chromosomes import FilterGenes, Floats
from pymoo_prune.pruning.channel_flow import ChannelFlow

CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def filter_groups(flow: ChannelFlow) -> list[list[int]]:
    """The labels of each group: those that the same layers give, and the same layers read."""
    layers = list(zip(flow.givers, flow.readers, strict=True))
    return [list(labels) for _, labels in groupby(range(flow.count), layers.__getitem__)]


def genes_of(flow: ChannelFlow, group_layers: Sequence[str], sizes: Sequence[int]) -> FilterGenes:
    """The meaning of the genes of a network's chromosomes.

    Args:
        flow: The network's labels.
        group_layers: The first layer that gives each group.
        sizes: Filters in each group.
    """
    blocks = _Blocks(flow.network, [layer.name for layer in flow.layers])
    group_blocks = tuple(blocks[name] for name in group_layers)
    first_layers = [
        next(layer.name for layer in flow.layers if layer.node in piece.nodes)
        for piece in flow.pieces
    ]
    return FilterGenes(
        sizes=tuple(sizes),
        blocks=group_blocks,
        piece_blocks=tuple(blocks[name] for name in first_layers),
        alternatives=tuple(flow.alternatives),
    )


def mean_weights(flow: ChannelFlow) -> Floats:
    """The mean absolute weight behind each gene, (n_var,).

    A filter has the mean of the layers that give it, a piece the mean of its layers.
    """
    modules = dict(flow.network.named_modules())
    sums, counts = np.zeros(flow.count + 1), np.zeros(flow.count + 1)
    sizes = np.full(len(flow.layers), np.nan)
    for place, layer in enumerate(flow.layers):
        if layer.inputs is None:
            continue
        weight: Any = modules[layer.name].weight
        if isinstance(modules[layer.name], nn.Embedding):
            weight = weight.T
        elif isinstance(modules[layer.name], _ConvTransposeNd):
            weight = weight.transpose(0, 1)
        norms = weight.detach().abs().flatten(1).mean(dim=1).double().cpu().numpy()
        np.add.at(sums, layer.outputs, norms)
        np.add.at(counts, layer.outputs, 1)
        sizes[place] = norms.mean()
    pieces = [
        np.nanmean([size for size, layer in zip(sizes, flow.layers, strict=True)
                    if layer.node in piece.nodes])
        for piece in flow.pieces
    ]  # fmt: skip
    return np.append(sums[:-1] / counts[:-1], pieces)


class _Blocks:
    """Numbers the blocks of a network: its largest modules that are more than containers."""

    def __init__(self, network: nn.Module, layers: Sequence[str]) -> None:
        self.modules = dict(network.named_modules())
        self.layers = layers
        self.numbers: dict[str, int] = {}

    def __getitem__(self, layer: str) -> int:
        return self.numbers.setdefault(self._path(layer), len(self.numbers))

    def _path(self, layer: str) -> str:
        parts = layer.split(".")
        for length in range(1, len(parts)):
            path = ".".join(parts[:length])
            everything = all(name.startswith(f"{path}.") for name in self.layers)
            if not everything and not isinstance(self.modules[path], CONTAINERS):
                return path
        return layer
