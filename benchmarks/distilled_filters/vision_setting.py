"""The setting of the transformer's benchmark: FashionMNIST at 14×14, and a ViT, trained once."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import nn

from benchmarks.kept import kept_parent
from benchmarks.quick import images, is_quick
from pymoo_prune import Data
from pymoo_prune.measuring import accuracy
from pymoo_prune.networks import VisionTransformer
from pymoo_prune.training import Recipe, seeded, trained
from pymoo_prune_problems import DistilledFilters

SIZE, EPOCHS = 14, 20
ARGUMENTS: dict[str, Any] = {"patch": 2, "blocks": 4, "width": 48, "heads": 4, "hidden": 144}
"""The ViT: 49 patches of 2×2 pixels, 16 heads and 576 hidden units."""
RECIPE = Recipe("adam", 3e-3, "one-cycle", 64)
QUICK_EPOCHS = 8
"""Seconds on digits, and enough to tell a good network from a bad one."""


def data() -> Data:
    """FashionMNIST in a quarter of its pixels; handwritten digits at the reduced size."""
    return images(SIZE)


@cache
def teacher() -> nn.Module:
    """The ViT: kept from the last time, or trained now."""
    if is_quick():
        return _trained(QUICK_EPOCHS)
    return kept_parent(f"vit-{data().name}-{SIZE}-{EPOCHS}-0", lambda: _trained(EPOCHS))


def _trained(epochs: int) -> nn.Module:
    with seeded(0, torch.device("cpu")):
        fresh = VisionTransformer(data().channels, data().classes, data().size, **ARGUMENTS)
    count = epochs * len(data().train)
    return trained(fresh, data().train, images=count, recipe=RECIPE)


@cache
def teacher_accuracy() -> float:
    """The ViT's accuracy on the test images."""
    return accuracy(teacher(), data().test)


def problem(**options: Any) -> DistilledFilters:
    """The problem of its heads, hidden units and blocks, with this teacher."""
    return DistilledFilters(data(), parent=teacher(), **options)
