"""Refuses what is no data, before anything looks at its numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from pymoo_prune.errors import DataError, check_kind, check_whole

MOST_CLASSES = 1_000_000
"""The most classes; the largest data sets have tens of thousands."""


def check_dense(what: str, values: Any) -> torch.Tensor:
    """Refuses what is no tensor with all its numbers in memory.

    Args:
        what: What the values are, for messages.
        values: The values.
    """
    check_kind(what, values, torch.Tensor, "a tensor")
    reason = next((why for why, wrong in _UNUSABLE.items() if wrong(values)), None)
    if reason is not None:
        raise DataError(
            f"{what} must be a plain tensor with all its numbers in memory, but {reason}"
        )
    found: torch.Tensor = values
    return found


_UNUSABLE: Mapping[str, Callable[[torch.Tensor], bool]] = {
    "this one is nested; pad it to one shape": lambda one: one.is_nested,
    "this one is sparse; give it with .to_dense()": lambda one: one.layout != torch.strided,
    "this one has no numbers: its device is meta": lambda one: one.device.type == "meta",
    "this one has real numbers of 8 bits; give it with .float()": lambda one: (
        one.is_floating_point() and one.itemsize == 1
    ),
    "this one is quantized; give it with .dequantize()": lambda one: one.is_quantized,
}


def check_classes(classes: Any) -> None:
    """Refuses what is no number of classes; 0 where nothing says it."""
    why = "a network has an output for each class"
    check_whole("classes", classes, most=MOST_CLASSES, why=why)
