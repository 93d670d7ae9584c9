"""Second moments of a layer's inputs: the statistics that a least-squares refit needs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pymoo_prune.networks import evaluating

MOST_INPUTS = 1200
"""The most inputs of a filter for which a refit is worth its time; larger layers are only cut."""


class Gram:
    """Mean products of the inputs that filters share.

    Args:
        products: The mean products, (inputs, inputs).
        ridge: Added to the diagonal, relative to its mean.
    """

    def __init__(self, products: Tensor, ridge: float) -> None:
        self.products = products
        self.ridged = products.clone()
        self.ridged.diagonal().add_(ridge * float(products.diagonal().mean()) + 1e-12)

    @cached_property
    def inverse(self) -> Tensor:
        """The inverse of the products with the ridge."""
        return torch.cholesky_inverse(torch.linalg.cholesky(self.ridged))


class Moments:
    """Second moments of a layer's inputs, group by group, summed over batches."""

    def __init__(self, layer: nn.Module, positions: int, seed: int, *, centred: bool) -> None:
        self.layer, self.positions, self.centred = layer, positions, centred
        self.generator = np.random.default_rng(seed)
        self.count = 0
        self.origin: Tensor | None = None
        self.sums: Tensor | None = None
        self.products: Tensor | None = None

    def add(self, inputs: Tensor) -> None:
        """Adds the inputs of one batch."""
        rows = self._rows(inputs)  # (groups, samples, inputs of a filter)
        if self.centred:
            # Moments about a point near the mean, so that rounding makes no variance negative.
            self.origin = rows.mean(dim=1, keepdim=True) if self.origin is None else self.origin
            rows = rows - self.origin
        products, sums = (rows.mT @ rows).double(), rows.sum(dim=1, dtype=torch.float64)
        self.products = products if self.products is None else self.products + products
        self.sums = sums if self.sums is None else self.sums + sums
        self.count += rows.shape[1]

    def mean(self) -> Tensor:
        """The mean of the inputs, (groups, inputs); only for centred moments."""
        assert self.sums is not None  # noqa: S101 - every layer takes part in a forward pass
        assert self.origin is not None  # noqa: S101
        found: Tensor = self.origin[:, 0].double() + self.sums / self.count
        return found

    def gram(self) -> Tensor:
        """Mean products, (groups, inputs, inputs); covariances if centred."""
        assert self.products is not None  # noqa: S101 - every layer takes part in a forward pass
        assert self.sums is not None  # noqa: S101
        mean = self.sums / self.count
        gram = self.products / self.count
        return gram - mean[:, :, None] * mean[:, None, :] if self.centred else gram

    def _rows(self, inputs: Tensor) -> Tensor:
        if isinstance(self.layer, nn.Linear):
            return inputs.reshape(1, -1, inputs.shape[-1])
        layer: Any = self.layer
        kernel, padding = layer.kernel_size, layer.padding
        inputs = functional.pad(inputs, [side for p in reversed(padding) for side in (p, p)])
        patches = inputs
        for axis, (size, step) in enumerate(zip(kernel, layer.stride, strict=True)):
            patches = patches.unfold(axis + 2, size, step)
        # (n, channels, *places, *kernel) with some of the places, the same in every image.
        places = patches.shape[2 : 2 + len(kernel)]
        total = int(np.prod(places))
        chosen = self.generator.choice(total, min(self.positions, total), replace=False)
        where = np.unravel_index(np.sort(chosen), places)
        everything: Any = slice(None)
        picked = patches[
            (everything, everything, *map(torch.from_numpy, where))
        ]  # (n, channels, chosen, *kernel)
        picked = picked.flatten(3).permute(1, 0, 2, 3).flatten(1, 2)  # (channels, samples, kernel)
        grouped = picked.unflatten(0, (layer.groups, -1)).transpose(1, 2)
        rows: Tensor = grouped.flatten(2)
        return rows


def understood(layer: nn.Module) -> bool:
    """Whether a layer's inputs can be written as rows, and are few enough."""
    if isinstance(layer, nn.Linear):
        return layer.in_features <= MOST_INPUTS
    return (
        isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Conv3d))
        and layer.weight[0].numel() <= MOST_INPUTS
        and not isinstance(layer.padding, str)
        and layer.padding_mode == "zeros"
        and set(layer.dilation) == {1}
    )


@torch.no_grad()
def watch(network: nn.Module, moments: Mapping[str, Moments], images: Tensor) -> None:
    """Sends images through the network; layers note their inputs."""
    hooks = [
        found.layer.register_forward_pre_hook(lambda _, inputs, found=found: found.add(inputs[0]))
        for found in moments.values()
    ]
    try:
        with evaluating(network):
            for batch in images.split(64):
                network(batch)
    finally:
        for hook in hooks:
            hook.remove()
