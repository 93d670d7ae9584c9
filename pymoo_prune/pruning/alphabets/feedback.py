"""Rounding with error feedback: each weight's error is made up for by those that come after it.

A filter's outputs change by the square of e'Ge, with e the changes of its weights and G the mean
products of its inputs. With G = LL', that is the sum over the weights i of
(L_ii e_i + sum over j > i of L_ji e_j)^2. So weights are rounded from the last to the first, each
to the code nearest to w_i - (sum over j > i of L_ji e_j) / L_ii. This is optimal brain surgery's
correction (Hassibi and Stork, 1993) in a fixed order, as in GPTQ (Frantar et al., ICLR 2023).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

BLOCK = 32
"""Weights between two updates of all that are still to come."""
LARGEST_FACTORS = 2**25
"""Numbers in the factors that are made at once."""
SHRINKAGES = torch.linspace(0.3, 1.0, 29).tolist()
"""Scales that are tried first, relative to the one that fits the largest weight."""
AROUND = (0.9, 1.0, 1.1)
"""Scales that are tried with error feedback, relative to the best of these."""


@dataclass(frozen=True, eq=False)  # tensors have no single truth value for ==
class Factors:
    """The triangular factors of the filters that share their inputs.

    Attributes:
        index: The weights that remain, in the order in which factors have them, (filters, k).
        filled: Which of these are meant: filters with fewer weights are filled up, (filters, k).
        lower: N with N_ij = L_ij / L_jj, (filters, k, k), or (1, k, k) where all have the same.
        power: L_ii squared, (filters or 1, k).
    """

    index: Tensor
    filled: Tensor
    lower: Tensor
    power: Tensor

    @classmethod
    def of(cls, gram: Tensor, mask: Tensor) -> Self:
        """The factors for some masks.

        Args:
            gram: Mean products with a ridge, (inputs, inputs).
            mask: The weights that remain, (filters, inputs).
        """
        # The last are rounded first, while all others can still make up for them: the strongest.
        order = torch.argsort(gram.diagonal(), stable=True)
        placed = mask[:, order]
        sizes = placed.sum(dim=1)
        most = max(1, int(sizes.max()))  # a group may have lost all its filters
        same = bool((placed == placed[:1]).all())
        chosen = torch.argsort(placed.int(), dim=1, descending=True, stable=True)[:, :most]
        filled = torch.arange(most, device=mask.device) < sizes[:, None]
        index = order[chosen]
        some, meant = (index[:1], filled[:1]) if same else (index, filled)
        step = max(1, LARGEST_FACTORS // max(1, most**2))
        parts = [
            _factor(gram, i, f) for i, f in zip(some.split(step), meant.split(step), strict=True)
        ]
        lower, power = (torch.cat(each) for each in zip(*parts, strict=True))
        return cls(index, filled, lower, power)


def _factor(gram: Tensor, index: Tensor, filled: Tensor) -> tuple[Tensor, Tensor]:
    left = gram[index[:, :, None], index[:, None, :]]
    left = torch.where(filled[:, :, None] & filled[:, None, :], left, 0.0)
    left.diagonal(dim1=1, dim2=2).add_(torch.where(filled, 0.0, 1.0))
    lower = torch.linalg.cholesky(left)
    diagonal = lower.diagonal(dim1=1, dim2=2)
    return (lower / diagonal[:, None, :]).float(), diagonal.square().float()


def rounded(weight: Tensor, factors: Factors, most: int) -> tuple[Tensor, Tensor]:
    """Codes and scales of some filters.

    Args:
        weight: (filters, inputs).
        factors: Of these filters.
        most: The largest code; the smallest is its negative.

    Returns:
        Codes, (filters, inputs), and scales, (filters,); both float32.
    """
    kept = torch.where(factors.filled, weight.gather(1, factors.index), 0.0).float()
    scale = nearest_scale(kept, factors.power, most)
    scales = scale * torch.tensor(AROUND, device=scale.device)[:, None]  # (several, filters)
    codes = fed_back(kept, scales, factors, most)
    results = scales[:, :, None] * codes
    errors = torch.stack([quadratic(result - kept, factors) for result in results])
    best = errors.argmin(dim=0)
    filters = torch.arange(len(best), device=best.device)
    found = torch.zeros(weight.shape, device=weight.device)
    # Filled places have code 0, and add nothing.
    found = found.scatter_add(1, factors.index, codes[best, filters])
    return found, scales[best, filters]


def nearest_scale(weight: Tensor, power: Tensor, most: int) -> Tensor:
    """The scale of each filter with the least error of rounding each weight alone, (filters,).

    Args:
        weight: (filters, k).
        power: What a squared error of each weight counts, (filters or 1, k).
        most: The largest code.
    """
    largest = weight.abs().amax(dim=1) / most
    best, least = largest.clone(), torch.full_like(largest, torch.inf)
    for share in SHRINKAGES:
        scale = (share * largest).clamp(min=1e-30)[:, None]
        error = weight - scale * (weight / scale).round().clamp(-most, most)
        loss = (error.square() * power).sum(dim=1)
        best, least = torch.where(loss < least, scale[:, 0], best), torch.minimum(loss, least)
    return best


def quadratic(error: Tensor, factors: Factors) -> Tensor:
    """The squares e'Ge of each filter's errors, (filters,)."""
    shared = len(factors.lower) == 1
    seen = error @ factors.lower[0] if shared else (error[:, None] @ factors.lower)[:, 0]
    return (seen.square() * factors.power).sum(dim=1)


def fed_back(weight: Tensor, scales: Tensor, factors: Factors, most: int) -> Tensor:
    """Codes with error feedback, (several, filters, k).

    Args:
        weight: (filters, k).
        scales: Several for each filter, (several, filters).
        factors: Of these filters.
        most: The largest code.
    """
    lower, size = factors.lower, weight.shape[1]
    scales = scales.clamp(min=1e-30).T[:, :, None]  # (filters, several, 1)
    target = weight[:, None].repeat(1, scales.shape[1], 1)
    codes, errors = torch.zeros_like(target), torch.zeros_like(target)
    for stop in range(size, 0, -BLOCK):
        start = max(0, stop - BLOCK)
        for place in range(stop - 1, start - 1, -1):
            wanted = target[:, :, place : place + 1]
            code = (wanted / scales).round_().clamp_(-most, most)
            codes[:, :, place : place + 1] = code
            error = code * scales - weight[:, None, place : place + 1]
            errors[:, :, place : place + 1] = error
            target[:, :, start:place] -= error * lower[:, place : place + 1, start:place]
        if start:
            target[:, :, :start] -= errors[:, :, start:stop] @ lower[:, start:stop, :start]
    return codes.transpose(0, 1)
