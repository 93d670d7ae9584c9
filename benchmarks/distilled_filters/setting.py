"""The setting of the distilled filters' benchmarks: FashionMNIST and a SimpleCNN, trained once."""

from __future__ import annotations

from functools import cache
from typing import Any

from torch import nn

from benchmarks.kept import kept_parent
from benchmarks.quick import images, is_quick
from pymoo_prune import Data
from pymoo_prune.measuring import accuracy
from pymoo_prune.suite.parents import parent as shipped
from pymoo_prune.training import train_parent
from pymoo_prune_problems import DistilledFilters

NETWORK, EPOCHS = "simple-cnn", 10


@cache
def data() -> Data:
    """The images of these benchmarks."""
    return images()


@cache
def teacher() -> nn.Module:
    """The SimpleCNN: kept from the last time, or trained now; or the one that comes along."""
    if is_quick():
        return shipped(f"{NETWORK}-{data().name}")[0]
    return kept_parent(
        f"{NETWORK}-{data().name}-{EPOCHS}-0",
        lambda: train_parent(data(), NETWORK, EPOCHS, recipe=DistilledFilters.TEACHER),
    )


@cache
def teacher_accuracy() -> float:
    """The teacher's accuracy on the test images."""
    return accuracy(teacher(), data().test)


def problem(**options: Any) -> DistilledFilters:
    """The paper's problem with this teacher."""
    return DistilledFilters(data(), parent=teacher(), **options)
