"""The network as it was given, and the paths of its weights and statistics."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

import torch
from torch import Tensor, fx, nn

from pymoo_prune.errors import PruneError, unknown_name
from pymoo_prune.networks import GRID

Weights: TypeAlias = Mapping[str, Tensor]
"""Weights by the path of their convolution or linear layer; the parent's where missing."""
Statistics: TypeAlias = Mapping[str, tuple[Tensor, Tensor]]
"""(mean, variance), (channels,) each, by the path of a batch norm; the parent's where missing."""

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
WEIGHTED_LAYERS = (*CONVOLUTIONS, *TRANSPOSED, nn.Linear)
"""Layers with weights that a candidate replaces."""
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
NO_STATISTICS: Statistics = MappingProxyType({})
"""Every batch norm keeps the parent's."""
Grids: TypeAlias = Mapping[str, Tensor]
"""What layers round their inputs to, (3,) each, by path; the parent's where missing."""
NO_GRIDS: Grids = MappingProxyType({})
"""Every layer keeps the parent's."""


class Parent:
    """The network as it was given: candidates take from it all that they do not replace.

    Attributes:
        owners: For the path of each layer with weights, the first path that has the same weights.
        norms: Batch norms with running statistics, by path.
        own_grids: The grids of layers that can round their inputs, by path.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(requires_grad=False)
        tensors = [*self.network.parameters(), *self.network.buffers(), torch.empty(0)]
        self.device = tensors[0].device
        self.modules: dict[str, Any] = dict(self.network.named_modules(remove_duplicate=False))
        self.owners: dict[str, str] = {}
        first: dict[Tensor, str] = {}
        for path, module in self.modules.items():
            weight = dict(module.named_parameters(recurse=False)).get("weight")
            if isinstance(module, WEIGHTED_LAYERS) and weight is not None:
                self.owners[path] = first.setdefault(weight, path)
        self.norms = batch_norms(self.network)
        self.own_grids = {
            path: getattr(module, GRID)
            for path, module in self.modules.items()
            if hasattr(module, GRID)
        }

    def weights(self, given: Weights) -> dict[str, Tensor]:
        """All layers' weights, float32, with the given ones in place of the parent's."""
        result = {owner: self.modules[owner].weight for owner in set(self.owners.values())}
        for path, weight in given.items():
            if path not in self.owners:
                raise unknown_name("convolution or linear layer", path, self.owners)
            owner = self.owners[path]
            check_shape(f"the weights of {path!r}", weight, result[owner])
            result[owner] = weight.to(self.device, torch.float32)
        return {path: result[owner] for path, owner in self.owners.items()}

    def statistics(self, given: Statistics) -> Statistics:
        """The given statistics, float32, if they fit."""
        result = {}
        for path, values in given.items():
            if path not in self.norms:
                raise unknown_name("batch norm", path, self.norms)
            for value in values:
                check_shape(f"the statistics of {path!r}", value, self.norms[path].running_mean)
            mean, variance = (value.to(self.device, torch.float32) for value in values)
            result[path] = mean, variance
        return result

    def grids(self, given: Grids) -> Grids:
        """All layers' grids of inputs, float32, with the given ones in place of the parent's."""
        result = dict(self.own_grids)
        for path, grid in given.items():
            if path not in result:
                raise unknown_name("layer that rounds its inputs", path, result)
            check_shape(f"the grid of {path!r}", grid, result[path])
            result[path] = grid.to(self.device, torch.float32)
        return result

    def private(self, traced: fx.GraphModule) -> set[str]:
        """Paths of layers that are used once and share no weights with other layers."""
        nodes = traced.graph.nodes
        uses = Counter(str(node.target) for node in nodes if node.op == "call_module")
        uses.update(str(n.target).rpartition(".")[0] for n in nodes if n.op == "get_attr")
        shares = Counter(self.owners.values())
        return {path for path, owner in self.owners.items() if uses[path] == shares[owner] == 1}


def batch_norms(network: nn.Module) -> dict[str, Any]:
    """Batch norms with running statistics, by path."""
    return {
        path: module
        for path, module in network.named_modules()
        if isinstance(module, NORMS) and module.running_mean is not None
    }


def check_shape(name: str, given: Tensor, parents: Tensor) -> None:
    """Raises an error where a tensor cannot stand in for the parent's."""
    if given.shape != parents.shape:
        msg = f"{name} must have shape {tuple(parents.shape)}, they have {tuple(given.shape)}"
        raise PruneError(msg)
