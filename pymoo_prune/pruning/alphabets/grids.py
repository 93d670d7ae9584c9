"""Weights that lie on grids: whole numbers times a factor for each filter, found again."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from pymoo_prune.pruning.alphabets.halves import DIGITS, halved
from pymoo_prune.pruning.alphabets.letters import FEWEST_BITS, FLOAT_BITS, MOST_BITS


def on_grid(weight: Tensor, bits: int) -> tuple[Tensor, Tensor] | None:
    """The codes and scales of weights, so that their product is the weights to the last bit.

    The smallest weight of a filter is some whole number of scales; each is tried. Scales have the
    eleven digits of a half and codes at most seven, so products are exact.

    Args:
        weight: Of a layer's shape, float32.
        bits: Bits of a code.

    Returns:
        Codes, int8 of the same shape, and scales, (filters,); None where there are none.
    """
    most = 2 ** (bits - 1) - 1
    rows = weight.detach().flatten(1).double()
    sizes = rows.abs()
    smallest = sizes.masked_fill(sizes == 0, torch.inf).amin(dim=1)
    empty = smallest == torch.inf
    scales = torch.zeros_like(smallest)
    open_rows = ~empty
    for number in range(1, most + 1):
        if not open_rows.any():
            break
        scale = smallest / number
        mantissa = torch.frexp(scale.masked_fill(empty, 1.0)).mantissa * DIGITS
        codes = rows / scale[:, None]
        fits = (mantissa == mantissa.round()) & (codes == codes.round()).all(dim=1)
        fits &= (codes.abs() <= most).all(dim=1) & open_rows
        scales = torch.where(fits, scale, scales)
        open_rows &= ~fits
    kept = halved(scales.float()).double()
    if open_rows.any() or not torch.equal(kept, scales):
        return None
    codes = (rows / scales.masked_fill(empty, 1.0)[:, None]).round()
    return codes.to(torch.int8).reshape(weight.shape), scales.float()


def reduced(codes: Tensor, scales: Tensor) -> tuple[Tensor, Tensor, int]:
    """The same weights with the smallest codes, and the fewest bits that hold them.

    Where the codes of a filter have a common divisor, it is replaced by the smallest number with
    which the scale still has the digits of a half.

    Args:
        codes: Whole numbers of a layer's shape, int8.
        scales: One for each filter, (filters,).
    """
    whole = codes.flatten(1).cpu().numpy().astype(np.int64)
    common = np.gcd.reduce(np.abs(whole), axis=1)
    divided, larger = whole.copy(), scales.detach().cpu().double().numpy().copy()
    for row in np.flatnonzero(common > 1):
        unit = larger[row] * common[row]
        factor = next(k for k in range(1, common[row] + 1) if _has_digits(unit / k))
        divided[row] = whole[row] // common[row] * factor
        larger[row] = unit / factor
    found = torch.from_numpy(larger).to(scales.device, torch.float32)
    if not torch.equal(halved(found), found):
        divided, found = whole, scales
    largest = int(np.abs(divided).max())
    bits = next(b for b in range(FEWEST_BITS, MOST_BITS + 1) if largest < 2 ** (b - 1))
    smaller = torch.from_numpy(divided).to(codes.device, torch.int8)
    return smaller.reshape(codes.shape), found, bits


def _has_digits(scale: float) -> bool:
    return (math.frexp(scale)[0] * DIGITS).is_integer()


def bits_of(weight: Tensor) -> int:
    """The fewest bits whose grids hold these weights; 32 where none does.

    Args:
        weight: Of a layer's shape.
    """
    for bits in range(FEWEST_BITS, MOST_BITS + 1):
        if on_grid(weight, bits) is not None:
            return bits
    return FLOAT_BITS
