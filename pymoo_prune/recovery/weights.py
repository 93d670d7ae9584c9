"""The refit of layers that lost single weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pymoo_prune.data import Split
from pymoo_prune.networks.modes import evaluating

LARGEST = 1200
"""Inputs of a filter up to which a refit is worth its time; larger layers keep their weights."""


LARGEST_SYSTEMS = 2**25
"""Numbers in the systems that are solved at once: a quarter of a gigabyte."""


class WeightRefit:
    """Least-squares weights for what is left of a layer.

    Filter by filter, the weights that remain are changed so that the filter gives what the parent's
    gives on training images. The change solves (G_kk + r I) d = G_kp w_p, with the Gram matrix G of
    the layer's inputs, k the weights that remain and p those that go. Statistics are the parent's:
    a layer's solution depends on its own mask alone, so that it is found once and used by every
    candidate that has this mask.

    Args:
        network: The network that is pruned.
        names: Its layers' paths.
        split: Training images.
        centred: Whether a batch norm that is calibrated again follows: then the inputs' mean plays
            no part. Layers with a bias are never centred.
        positions: Places of an image that a convolution's statistics are taken from, at most.
        ridge: r, relative to the mean of G's diagonal. More than numerics need: a candidate's
            inputs are not quite the parent's, and a cautious solution bears that better.
        seed: Of the choice of places.
    """

    def __init__(
        self,
        network: nn.Module,
        names: Sequence[str],
        split: Split,
        *,
        centred: bool,
        positions: int = 100,
        ridge: float = 0.05,
        seed: int = 0,
    ) -> None:
        modules = dict(network.named_modules())
        self.layers = {name: modules[name] for name in names}
        moments = {
            name: _Moments(layer, positions, seed, centred=centred and layer.bias is None)
            for name, layer in self.layers.items()
            if _understood(layer)
        }
        _watch(network, moments, split.images)
        self.grams = {
            name: [Gram(products, ridge) for products in found.gram()]
            for name, found in moments.items()
        }

    def weight(self, name: str, mask: Tensor) -> Tensor:
        """A layer's refitted weights.

        Args:
            name: The layer's path.
            mask: Which weights remain, of the weight's shape.
        """
        weight = self.layers[name].weight.detach()
        if name not in self.grams:
            return weight * mask  # type: ignore[no-any-return]
        groups = len(self.grams[name])
        rows = weight.reshape(groups, -1, weight[0].numel()).double()
        masks = mask.reshape(rows.shape)
        parts = [
            self._refitted(gram, w, m)
            for gram, w, m in zip(self.grams[name], rows, masks, strict=True)
        ]
        return torch.cat(parts).reshape(weight.shape).to(weight.dtype)

    def loss(self, name: str, weight: Tensor) -> float:
        """The share of what a layer's outputs tell that is lost with these weights.

        Args:
            name: The layer's path.
            weight: Instead of the parent's, of its shape.

        Returns:
            The mean squared change of the outputs, relative to their mean square; for layers that
            are too large for statistics, the same of the weights.
        """
        parents = self.layers[name].weight.detach()
        if name not in self.grams:
            return float((weight - parents).square().sum() / parents.square().sum())
        grams = torch.stack([gram.products for gram in self.grams[name]])
        shape = len(grams), -1, weight[0].numel()
        change, whole = (
            float(((rows @ grams) * rows).sum())
            for rows in (
                (weight - parents).double().reshape(shape),
                parents.double().reshape(shape),
            )
        )
        return change / whole if whole > 0 else 0.0

    def _refitted(self, gram: Gram, weight: Tensor, mask: Tensor) -> Tensor:
        """Weights of the filters that share their inputs, (filters, inputs)."""
        kept = mask.sum(dim=1)
        if int(kept.max()) == 0 or bool(mask.all()):
            return weight * mask
        if 2 * int(kept.sum()) < mask.numel():
            # Few remain: solve for their change.
            lost = (weight * ~mask) @ gram.ridged
            return weight * mask + _solved(gram.ridged, mask, lost)
        # Few go: the same change by way of the inverse, from a system as large as they are many.
        pulled = _solved(gram.inverse, ~mask, weight)
        return (weight - pulled @ gram.inverse) * mask


class Gram:
    """Mean products of the inputs of the filters that share them.

    Args:
        products: (inputs, inputs).
        ridge: Added to the diagonal, relative to its mean.
    """

    def __init__(self, products: Tensor, ridge: float) -> None:
        self.products = products
        self.ridged = products.clone()
        self.ridged.diagonal().add_(ridge * float(products.diagonal().mean()) + 1e-12)

    @cached_property
    def inverse(self) -> Tensor:
        """Of the products with the ridge."""
        return torch.cholesky_inverse(torch.linalg.cholesky(self.ridged))


def _solved(matrix: Tensor, mask: Tensor, right: Tensor) -> Tensor:
    """For each row, x with matrix[m, m] x[m] = right[m] for the places m of its mask, 0 elsewhere.

    Args:
        matrix: Symmetric and positive definite, (inputs, inputs).
        mask: (rows, inputs) booleans.
        right: (rows, inputs).
    """
    sizes = mask.sum(dim=1)
    most = int(sizes.max())
    if len(mask) > 1 and len(mask) * most**2 > LARGEST_SYSTEMS:
        half = len(mask) // 2
        parts = [(mask[:half], right[:half]), (mask[half:], right[half:])]
        return torch.cat([_solved(matrix, m, r) for m, r in parts])
    # The places of each row, in order; rows with fewer are filled up with others.
    index = torch.argsort(mask.int(), dim=1, descending=True, stable=True)[:, :most]
    filled = torch.arange(most, device=mask.device) < sizes[:, None]
    left = matrix[index[:, :, None], index[:, None, :]]
    left = torch.where(filled[:, :, None] & filled[:, None, :], left, 0.0)
    left.diagonal(dim1=1, dim2=2).add_(torch.where(filled, 0.0, 1.0))
    wanted = torch.where(filled, right.gather(1, index), 0.0)
    found = torch.cholesky_solve(wanted[:, :, None], torch.linalg.cholesky(left))[:, :, 0]
    return torch.zeros_like(right).scatter_add(1, index, found)


class _Moments:
    """Second moments of a layer's inputs, group by group, summed over batches."""

    def __init__(self, layer: nn.Module, positions: int, seed: int, *, centred: bool) -> None:
        self.layer, self.positions, self.centred = layer, positions, centred
        self.generator = np.random.default_rng(seed)
        self.count = 0
        self.origin: Tensor | None = None
        self.sums: Tensor | None = None
        self.products: Tensor | None = None

    def add(self, inputs: Tensor) -> None:
        """Takes in the inputs of one batch."""
        rows = self._rows(inputs)  # (groups, samples, inputs of a filter)
        if self.centred:
            # Moments about a point near the mean: rounding must not make a variance negative.
            self.origin = rows.mean(dim=1, keepdim=True) if self.origin is None else self.origin
            rows = rows - self.origin
        products, sums = (rows.mT @ rows).double(), rows.sum(dim=1, dtype=torch.float64)
        self.products = products if self.products is None else self.products + products
        self.sums = sums if self.sums is None else self.sums + sums
        self.count += rows.shape[1]

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
        # (n, channels, *places, *kernel) with a choice of places, the same in every image.
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


def _understood(layer: nn.Module) -> bool:
    """Whether a layer's inputs can be laid out as rows, and are few enough."""
    if isinstance(layer, nn.Linear):
        return layer.in_features <= LARGEST
    return (
        isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Conv3d))
        and layer.weight[0].numel() <= LARGEST
        and not isinstance(layer.padding, str)
        and layer.padding_mode == "zeros"
        and set(layer.dilation) == {1}
    )


@torch.no_grad()
def _watch(network: nn.Module, moments: Mapping[str, _Moments], images: Tensor) -> None:
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
