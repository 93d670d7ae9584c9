"""What is lost with each weight of a layer, if weights go one after the other and the rest refits.

Without weight i, and with the others solved for, a filter w loses w_i^2 / V_ii, with V the inverse
of the mean products of its inputs (optimal brain surgery: Hassibi and Stork, 1993; layer by layer:
Frantar and Alistarh, NeurIPS 2022). Each filter is taken apart on its own; several weights go at
once, jointly solved for.
"""

from __future__ import annotations

import torch
from torch import Tensor

STEPS = 32
"""A filter loses this part of what it has at a time, but at least one weight."""
NUMBERS = 2**22
"""Numbers in the inverses that are changed at once: as many as caches hold."""


def removal_losses(weight: Tensor, gram: Tensor) -> Tensor:
    """The loss at which each weight goes, (filters, inputs); it never falls along a filter's order.

    Args:
        weight: (filters, inputs); weights that are 0 have no loss.
        gram: Mean products of the inputs with a ridge, (inputs, inputs).
    """
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram))
    several = max(1, NUMBERS // len(gram) ** 2)
    # In float32 this takes half the time, and the ridge keeps it sound.
    parts = [_taken_apart(some.float(), inverse.float()) for some in weight.split(several)]
    return torch.cat(parts).to(weight.dtype)


def _taken_apart(weight: Tensor, inverse: Tensor) -> Tensor:
    filters, inputs = weight.shape
    found = torch.zeros_like(weight)
    places = torch.arange(inputs, device=weight.device).repeat(filters, 1)
    left = inverse.repeat(filters, 1, 1)
    gone = torch.zeros_like(weight, dtype=torch.bool)
    highest = weight.new_zeros(filters, 1)
    weight = weight.clone()
    while (remaining := int((~gone[0]).sum())) > 0:
        each = min(remaining, max(1, remaining // STEPS))
        scores = weight.square() / left.diagonal(dim1=1, dim2=2).clamp(min=1e-20)
        chosen = scores.masked_fill(gone, torch.inf).topk(each, dim=1, largest=False, sorted=True)
        index = chosen.indices
        highest = torch.maximum(chosen.values, highest).cummax(dim=1).values
        found.scatter_(1, places.gather(1, index), highest)
        highest = highest[:, -1:]
        across = left.gather(2, index[:, None].expand(-1, left.shape[1], -1))
        block = across.gather(1, index[:, :, None].expand(-1, -1, each))
        removed = weight.gather(1, index)[:, :, None]
        pulled = torch.linalg.solve(block, torch.cat([removed, across.mT], dim=2))
        weight = weight - (across @ pulled[:, :, :1])[:, :, 0]
        left.baddbmm_(across, pulled[:, :, 1:], alpha=-1)
        gone.scatter_(1, index, value=True)
        weight = weight.masked_fill(gone, 0.0)
        if 2 * (remaining - each) <= gone.shape[1]:
            weight, left, places, gone = _smaller(weight, left, places, gone)
    return found


def _smaller(
    weight: Tensor, left: Tensor, places: Tensor, gone: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The same without the weights that are gone; every filter has as many."""
    kept = int((~gone[0]).sum())
    index = torch.argsort(gone.int(), dim=1, stable=True)[:, :kept]
    left = left.gather(1, index[:, :, None].expand(-1, -1, left.shape[2]))
    left = left.gather(2, index[:, None].expand(-1, kept, -1))
    return weight.gather(1, index), left, places.gather(1, index), gone.gather(1, index)
