"""Gradient steps for networks whose weights lie on grids: what is rounded stays rounded.

In the forward pass weights are rounded to their grid, and in the backward pass gradients go through
as if they were not (the straight-through estimator: Bengio, Leonard and Courville, 2013).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from pymoo_prune.pruning.alphabets.container import weighted_layers
from pymoo_prune.pruning.alphabets.grids import bits_of, on_grid
from pymoo_prune.pruning.alphabets.lettered import with_halves
from pymoo_prune.pruning.alphabets.letters import FLOAT_BITS


class _OnGrid(nn.Module):
    """Rounds weights to a grid; gradients pass."""

    def __init__(self, scales: Tensor, most: int) -> None:
        super().__init__()
        self.most = most
        self.register_buffer("scales", scales)

    def on_grid(self, weight: Tensor) -> Tensor:
        scales: Any = self.scales
        safe = torch.where(scales > 0, scales, 1.0)
        found: Tensor = (weight / safe).round().clamp(-self.most, self.most) * scales
        return found

    def forward(self, weight: Tensor) -> Tensor:
        return weight + (self.on_grid(weight) - weight).detach()


def with_grids(network: nn.Module, train: Callable[[nn.Module], nn.Module]) -> nn.Module:
    """A network after gradient steps, with the grids that it had before.

    Args:
        network: It is not changed.
        train: Gives a trained copy of a network; weights that are 0 must stay 0.
    """
    ready = copy.deepcopy(network)
    modules: dict[str, Any] = dict(ready.named_modules())
    # A layer of two names is among the weighted ones twice, and among the modules once.
    weighted = weighted_layers(ready)
    paths = [path for path in modules if f"{path}.weight".removeprefix(".") in weighted]
    rounded = []
    for path in paths:
        weight = modules[path].weight
        bits = bits_of(weight)
        found = None if bits == FLOAT_BITS else on_grid(weight, bits)
        if found is not None:
            scales = found[1].reshape(-1, *[1] * (weight.ndim - 1)).to(weight.device)
            grid = _OnGrid(scales, 2 ** (bits - 1) - 1)
            parametrize.register_parametrization(modules[path], "weight", grid)
            rounded.append(path)
    result = train(ready)
    modules = dict(result.named_modules())
    with torch.no_grad():
        for path in rounded:
            wanted = modules[path].parametrizations.weight
            exact = wanted[0].on_grid(wanted.original)
            parametrize.remove_parametrizations(modules[path], "weight", leave_parametrized=False)
            modules[path].weight.copy_(exact)
    if not rounded:
        return result
    # Parametrizations change the order of tensors; a copy has the network's own.
    own = copy.deepcopy(network)
    own.load_state_dict(result.state_dict())
    return with_halves(own).train(result.training)
