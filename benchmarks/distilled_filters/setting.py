"""The setting of the distilled filters' benchmarks: FashionMNIST and a SimpleCNN, trained once."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import numpy as np
from torch import nn

from benchmarks.kept import kept_parent
from benchmarks.quick import images, is_quick
from pymoo_prune import Data
from pymoo_prune.measuring import accuracy
from pymoo_prune.objectives import Values
from pymoo_prune.recovery import calibrate
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


def torch_pruned(here: DistilledFilters, ratios: Values) -> list[nn.Module]:
    """What torch-pruning's global group importance leaves, batch norms calibrated.

    Args:
        here: Has the teacher, and the images for the calibration.
        ratios: Shares of channels that are removed, (n,).
    """
    import torch_pruning as tp  # noqa: PLC0415 - of the development extra, and slow to import

    networks = []
    image = here.search_images.images[:1]
    for ratio in ratios.tolist():
        network: Any = copy.deepcopy(here.parent)
        pruner = tp.pruner.BasePruner(
            network,
            image,
            importance=tp.importance.GroupMagnitudeImportance(p=2),
            global_pruning=True,
            pruning_ratio=ratio,
            ignored_layers=[network.classifier],
        )
        pruner.step()
        networks.append(calibrate(network.eval(), here.calibration))
    return networks


def spread_over(sizes: Values, count: int) -> list[int]:
    """Places of a few sizes, spread evenly in the logarithm from the least to the largest."""
    wanted = np.geomspace(sizes.min(), sizes.max(), count)
    places = np.abs(np.log(sizes) - np.log(wanted)[:, None]).argmin(axis=1)
    return sorted(set(places.tolist()))
