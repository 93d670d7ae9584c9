"""The refit of layers that lost single weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from pymoo_prune.recovery.layer_refit import LayerRefit
from pymoo_prune.recovery.moments import Gram, Moments

LARGEST_SYSTEMS = 2**25
"""Numbers in the systems that are solved at once: a quarter of a gigabyte."""


class WeightRefit(LayerRefit):
    """Least-squares weights for what is left of a layer.

    Filter by filter, the remaining weights are changed so that the filter gives what the parent's
    gives on training images. G is the Gram matrix of the layer's inputs, k are the weights that
    remain and p those that go; the change d solves (G_kk + r I) d = G_kp w_p. The statistics are
    the parent's. So a layer's solution depends on its own mask only: it is found once, and used by
    every candidate with this mask. Layers with a bias are never centred. Layers that are never
    called, because only their weights are used, are only masked.
    """

    def _check(self) -> None:
        """Accepts all layers: those that cannot be refitted are only masked."""

    def _is_centred(self, layer: Any, *, centred: bool) -> bool:
        return centred and layer.bias is None

    def _note(self, moments: Mapping[str, Moments], ridge: float) -> None:
        self.grams = {
            name: [Gram(products, ridge) for products in found.gram()]
            for name, found in moments.items()
        }

    def weight(self, name: str, mask: Tensor) -> Tensor:
        """A layer's refitted weights.

        Args:
            name: The layer's path.
            mask: True where a weight remains, of the weight's shape.
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
        """The share of a layer's outputs that is lost with these weights.

        Args:
            name: The layer's path.
            weight: The weights in place of the parent's, of their shape.

        Returns:
            The mean squared change of the outputs, relative to their mean square. For layers
            without statistics, the squared change of the weights, relative to theirs.
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

    def power(self, name: str) -> float | None:
        """What `loss` relates to: the summed mean squares of a layer's outputs; None if unknown.

        Args:
            name: The layer's path.
        """
        if name not in self.grams:
            return None
        grams = torch.stack([gram.products for gram in self.grams[name]])
        weight = self.layers[name].weight.detach().double()
        rows = weight.reshape(len(grams), -1, weight[0].numel())
        return float(((rows @ grams) * rows).sum())

    def _refitted(self, gram: Gram, weight: Tensor, mask: Tensor) -> Tensor:
        """Weights of the filters that share their inputs, (filters, inputs)."""
        kept = mask.sum(dim=1)
        if int(kept.max()) == 0 or bool(mask.all()):
            return weight * mask
        if 2 * int(kept.sum()) < mask.numel():
            # Few weights remain: solve for their change.
            lost = (weight * ~mask) @ gram.ridged
            return weight * mask + _solved(gram.ridged, mask, lost)
        # Few weights go: the same change from the inverse, with a system as large as their number.
        pulled = _solved(gram.inverse, ~mask, weight)
        return (weight - pulled @ gram.inverse) * mask


def _solved(matrix: Tensor, mask: Tensor, right: Tensor) -> Tensor:
    """Solves matrix[m, m] x[m] = right[m] for each row, with m the places of its mask; 0 elsewhere.

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
    # The places of each row, in order; rows with fewer places are filled up with other ones.
    index = torch.argsort(mask.int(), dim=1, descending=True, stable=True)[:, :most]
    filled = torch.arange(most, device=mask.device) < sizes[:, None]
    left = matrix[index[:, :, None], index[:, None, :]]
    left = torch.where(filled[:, :, None] & filled[:, None, :], left, 0.0)
    left.diagonal(dim1=1, dim2=2).add_(torch.where(filled, 0.0, 1.0))
    wanted = torch.where(filled, right.gather(1, index), 0.0)
    found = torch.cholesky_solve(wanted[:, :, None], torch.linalg.cholesky(left))[:, :, 0]
    return torch.zeros_like(right).scatter_add(1, index, found)
