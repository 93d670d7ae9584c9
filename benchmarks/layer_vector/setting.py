"""The setting of the layer vector's benchmarks: FashionMNIST and ResNets, trained once and kept."""

from __future__ import annotations

from functools import cache

from torch import nn

from benchmarks.kept import kept_parent
from benchmarks.quick import images, is_quick
from pymoo_prune import Data
from pymoo_prune.measuring import accuracy
from pymoo_prune.suite.parents import parent as shipped
from pymoo_prune.training import train_parent
from pymoo_prune_problems import LayerVector

NETWORK, EPOCHS = "resnet-20", 12


@cache
def data() -> Data:
    """The images of these benchmarks."""
    return images()


@cache
def parent(network: str = NETWORK, epochs: float = EPOCHS, seed: int = 0) -> nn.Module:
    """A trained network: kept from the last time, or trained now; or the one that comes along."""
    if is_quick():
        return shipped(f"{network}-{data().name}")[0]
    return kept_parent(
        f"{network}-{data().name}-{epochs}-{seed}",
        lambda: train_parent(data(), network, epochs, recipe=LayerVector.PARENT, seed=seed),
    )


@cache
def parent_accuracy() -> float:
    """The ResNet-20's accuracy on the test images."""
    return accuracy(parent(), data().test)
