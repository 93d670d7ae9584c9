"""The setting of the paper's tables: FashionMNIST at 14×14, and parents that are trained once."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from benchmarks.kept import kept_parent
from benchmarks.layer_vector.setting import parent as shipped_parent
from benchmarks.quick import images, is_quick
from pymoo_prune import Data
from pymoo_prune.data import balanced
from pymoo_prune.training import Recipe, train_parent
from pymoo_prune_problems import LayerVector
from pymoo_prune_problems.layer_vector import RESNETS, VIDEO

SIZE = 14
PARENT_EPOCHS = {**dict.fromkeys(RESNETS, 12), VIDEO: 4}
PARENT = replace(LayerVector.PARENT, crop=1)
"""Half of the side, half of the crop."""
CLIPS = 14_416
"""EgoGesture's training clips: an epoch of the video network's retraining."""


def data() -> Data:
    """FashionMNIST in a quarter of its pixels; handwritten digits at the reduced size."""
    return images(SIZE)


def in_fast_precision(network: str, recipe: Recipe) -> Recipe:
    """A recipe in bfloat16 for clips; for images, which are faster in float32 when so small.

    Args:
        network: Its name.
        recipe: The recipe in any precision.
    """
    return replace(recipe, bfloat16=network == VIDEO)


def retraining_data(network: str) -> Data:
    """The images of a network's iterations: an epoch has as many as in the paper.

    Args:
        network: Its name. CIFAR-10 and FashionMNIST have 50,000 training images each here.
    """
    images = data()
    if network != VIDEO:
        return images
    rows = balanced(images.train.known_labels, CLIPS, 0)
    return replace(images, train=images.train.subset(rows))


def parent(network: str, seed: int, *, times: int = 1) -> nn.Module:
    """A trained network: kept from the last time, or trained now; or the one that comes along.

    Args:
        network: Its name.
        seed: The training's seed.
        times: Its training is this many times as long as in the tables.
    """
    if is_quick():
        return shipped_parent(network)
    epochs, recipe = times * PARENT_EPOCHS[network], in_fast_precision(network, PARENT)
    return kept_parent(
        f"{network}-{data().name}-{SIZE}-{epochs}-{seed}",
        lambda: train_parent(data(), network, epochs, recipe=recipe, seed=seed),
    )
