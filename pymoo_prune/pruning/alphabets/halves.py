"""Numbers in sixteen bits: halves with an exponent that a tensor shares."""

from __future__ import annotations

import torch
from torch import Tensor

DIGITS = 2048
"""The significand of a half has eleven bits."""
TOP = 15
"""Halves are used up to 2 to the power of this, so that small values keep their digits."""
LOWEST, HIGHEST = -120, 112
"""Shared exponents that are used; a byte holds them."""


def exponents(tensor: Tensor) -> Tensor:
    """The shared exponent of each row, (...,), for rows of (..., n)."""
    largest = tensor.detach().double().abs().amax(dim=-1) if tensor.shape[-1] else tensor.sum(-1)
    mantissa, exponent = torch.frexp(largest.double())
    # The largest is rounded first: a rounded tensor has the exponent that it was rounded with.
    exponent = exponent + (torch.round(mantissa * DIGITS) >= DIGITS)
    return (exponent - TOP).clamp(LOWEST, HIGHEST)


def halves(tensor: Tensor) -> tuple[Tensor, Tensor]:
    """A tensor as halves, and the exponents by which they are to be multiplied.

    Args:
        tensor: (..., n).

    Returns:
        (..., n) float16, and (...,) integers.
    """
    shared = exponents(tensor)
    factor = torch.pow(2.0, -shared.double())[..., None]
    return (tensor.detach().double() * factor).half(), shared


def halved(tensor: Tensor) -> Tensor:
    """A tensor rounded to what sixteen bits hold, float32; rounding again changes nothing.

    Args:
        tensor: (..., n); each row has an exponent of its own.
    """
    values, shared = halves(tensor)
    return widened(values, shared)


def widened(values: Tensor, shared: Tensor) -> Tensor:
    """Halves and exponents as float32; see `halves`."""
    return (values.double() * torch.pow(2.0, shared.double())[..., None]).float()
