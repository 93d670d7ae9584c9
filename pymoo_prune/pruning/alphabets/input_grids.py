"""Grids for the inputs of layers: what they are rounded to, and what is lost by that.

A layer's inputs become whole numbers of a few bits times a step. Zero is one of them, so that a
convolution's padding stays what it is. Steps are those with the least error on training images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pymoo_prune.networks import evaluating, to_grid
from pymoo_prune.pruning.alphabets.halves import halved

SAMPLED = 4_096
"""Places of a layer's inputs that are looked at, over all images."""
SHARES = np.geomspace(0.05, 1, 40)
"""Steps that are tried, relative to the one that holds all inputs."""
FLOATS = torch.zeros(3)
"""The grid of a layer that takes its inputs as they are."""


@dataclass(frozen=True, eq=False)  # tensors have no single truth value for ==
class _Seen:
    """What a layer's inputs were.

    Attributes:
        sample: Some of them, (places, channels).
        low: The least of all, at most 0.
        high: The greatest of all, at least 0.
    """

    sample: Tensor
    low: float
    high: float


class InputGrids:
    """What layers round their inputs to.

    Args:
        network: The network before it is compressed.
        names: Paths of its layers.
        images: Training images.
        seed: The seed of the choice of places.
    """

    def __init__(
        self, network: nn.Module, names: Sequence[str], images: Tensor, *, seed: int = 0
    ) -> None:
        self._seen = _seen(network, names, images, seed)
        self._grids: dict[tuple[str, int], Tensor] = {}
        self._errors: dict[tuple[str, int], Tensor] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Without the inputs: the grids that letters need are known when workers get them."""
        return {**self.__dict__, "_seen": {}}

    def grid(self, name: str, bits: int) -> Tensor:
        """Step, lowest and highest whole number of a layer's inputs, (3,).

        Args:
            name: The layer's path.
            bits: Bits of an input.
        """
        key = name, bits
        if key not in self._grids:
            self._grids[key] = _best(self._seen[name], bits)
        return self._grids[key]

    def error(self, name: str, bits: int) -> Tensor:
        """The mean squared error of each channel of a layer's inputs, (channels,)."""
        key = name, bits
        if key not in self._errors:
            sample = self._seen[name].sample
            rounded = to_grid(sample, self.grid(name, bits))
            self._errors[key] = (rounded - sample).square().double().mean(dim=0)
        return self._errors[key]

    def power(self, name: str) -> Tensor:
        """The mean square of each channel of a layer's inputs, (channels,)."""
        return self._seen[name].sample.square().double().mean(dim=0)


def squares_through(layer: Any, weight: Tensor, channels: Tensor) -> float:
    """What each channel's mean square becomes in a layer's outputs, summed over its filters.

    Values of different places are taken to be independent, as rounding errors nearly are.

    Args:
        layer: The layer, which says in which order its weights are.
        weight: Weights in place of its own, of their shape.
        channels: Mean squares of all channels of its inputs, (channels,).
    """
    if getattr(layer, "transposed", False):  # (channels, filters of a group, *kernel)
        return float(weight.double().square().flatten(1).sum(dim=1) @ channels)
    each = weight.shape[1]
    groups = len(channels) // each
    squares = weight.double().square().reshape(len(weight), each, -1).sum(dim=2)
    by_group = squares.reshape(groups, -1, each).sum(dim=1)
    return float((by_group * channels.reshape(groups, each)).sum())


def _best(seen: _Seen, bits: int) -> Tensor:
    levels, values = 2**bits - 1, seen.sample.flatten()
    whole = max(seen.high - seen.low, 1e-12) / levels
    grids = []
    for share in SHARES:
        step = halved(torch.tensor([share * whole], dtype=torch.float32)).item()
        lowest = round(max(seen.low / step, -levels)) if seen.low < 0 else 0
        grids.append(torch.tensor([step, lowest, lowest + levels], device=values.device))
    errors = [float((to_grid(values, one) - values).square().mean()) for one in grids]
    return grids[int(np.argmin(errors))]


@torch.no_grad()
def _seen(
    network: nn.Module, names: Sequence[str], images: Tensor, seed: int
) -> Mapping[str, _Seen]:
    generator = np.random.default_rng(seed)
    modules: dict[str, Any] = dict(network.named_modules())
    parts: dict[str, list[Tensor]] = {name: [] for name in names}
    ranges: dict[str, list[float]] = {name: [0.0, 0.0] for name in names}
    batches = images.split(64)
    wanted = max(1, SAMPLED // len(batches))

    def note(name: str, inputs: Tensor) -> None:
        channels_last = isinstance(modules[name], nn.Linear)
        rows = inputs if channels_last else inputs.movedim(1, -1)
        rows = rows.reshape(-1, rows.shape[-1])
        chosen = generator.choice(len(rows), min(wanted, len(rows)), replace=False)
        parts[name].append(rows[torch.from_numpy(np.sort(chosen)).to(rows.device)].float())
        low, high = ranges[name]
        ranges[name] = [min(low, float(inputs.min())), max(high, float(inputs.max()))]

    hooks = [
        modules[name].register_forward_pre_hook(
            lambda _module, arguments, name=name: note(name, arguments[0]) if arguments else None
        )
        for name in names
    ]
    try:
        with evaluating(network):
            for batch in batches:
                network(batch)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: _Seen(torch.cat(found), *ranges[name]) for name, found in parts.items() if found}
