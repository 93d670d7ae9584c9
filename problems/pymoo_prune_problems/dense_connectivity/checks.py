"""Options and parents that cannot work are refused before anything is trained."""

from __future__ import annotations

import copy
import operator
from collections.abc import Sequence
from dataclasses import replace

from torch import nn

from pymoo_prune.chromosomes import Connections
from pymoo_prune.data import Data
from pymoo_prune.errors import PruneError, check_real, check_whole, shown, unknown_name
from pymoo_prune.networks import DenseNet, layers_of_depth
from pymoo_prune.training import check_can_train

MOST_LAYERS = 200
"""The most layers of a block, whose genes grow with their square; torchvision's have up to 48."""
MOST_GROWTH = 1_000
"""The most channels that a layer adds; papers go to 48."""


def check_options(
    weights: str,
    fitness_split: str,
    search_images: int,
    recovery_images: int,
    train_images: int | None,
    epochs: float,
    parent_epochs: float,
) -> None:
    """Refuses unknown names, to use no images, and to train for no time.

    The arguments are options of `DenseConnectivity`.
    """
    if weights not in ("inherited", "scratch"):
        raise unknown_name("origin of weights", weights, ["inherited", "scratch"])
    if fitness_split not in ("validation", "test"):
        raise unknown_name("fitness split", fitness_split, ["validation", "test"])
    counts = (search_images, recovery_images, 1 if train_images is None else train_images)
    if min(counts) < 1 or min(epochs, parent_epochs) <= 0:
        msg = (
            "search_images, recovery_images and train_images must be at least 1, and epochs "
            f"and parent_epochs above 0, but they are {search_images}, {recovery_images}, "
            f"{train_images}, {epochs} and {parent_epochs}"
        )
        raise PruneError(msg)
    check_real("epochs", epochs, above=0)
    check_real("parent_epochs", parent_epochs, above=0)


def wanted_network(
    parent: nn.Module | None, depth: int, layers: str | Sequence[int] | None, growth: int
) -> tuple[nn.Module | None, Connections, int, bool]:
    """The parent, the codec of its connections, its growth, and whether it is for large images.

    The arguments are options of `DenseConnectivity`. A DenseNet of torchvision is turned into one
    of ours, and says itself how large it is.
    """
    if DenseNet.is_torchvisions(parent):
        parent = DenseNet.of_torchvision(parent)
        return parent, Connections.of(parent.connections), parent.growth, True
    large = isinstance(parent, DenseNet) and parent.large
    if layers is None:
        return parent, Connections(layers_of_depth(depth)), growth, large
    words = layers.split(",") if isinstance(layers, str) else layers
    try:
        sizes = [operator.index(int(one) if isinstance(one, str) else one) for one in words]
    except (TypeError, ValueError):
        sizes = []
    if not sizes or not 1 <= min(sizes) <= max(sizes) <= MOST_LAYERS:
        msg = (
            f"layers must be the layers of each block, 1 to {MOST_LAYERS}, such as '6,12,24,16', "
            f"but they are {shown(layers)}"
        )
        raise PruneError(msg)
    return parent, Connections(sizes), growth, large


def check_sizes(
    data: Data, blocks: int, growth: int, image_size: int | None, *, large: bool = False
) -> None:
    """Refuses images and growths so small that a transition gives nothing.

    Args:
        data: The images.
        blocks: Dense blocks; a transition after each but the last halves the image.
        growth: Channels that each layer adds.
        image_size: Pixels each way, while searching; None is what the data has.
        large: Whether the network is for large images.
    """
    least = 2 ** (blocks - 1 + 2 * large)
    if growth < 2 or min(*data.size, least if image_size is None else image_size) < least:
        msg = (
            "growth must be at least 2, and images must have at least "
            f"{least}×{least} pixels, or nothing leaves a transition; but growth is {growth}, "
            f"images have {data.size[0]}×{data.size[1]} pixels, and image_size is {image_size}"
        )
        raise PruneError(msg)
    check_whole("growth", growth, most=MOST_GROWTH, why="weights grow with its square")


def check_labels(data: Data, parent: nn.Module | None, weights: str) -> Data:
    """The images, with the parent's number of classes; refuses what needs labels without them.

    Args:
        data: The images.
        parent: The network that the user gives.
        weights: Where a candidate's weights come from.
    """
    data.check_images("dense connectivity prunes DenseNets, and DenseNets need")
    if data.task.name != "classes":
        msg = (
            "dense connectivity prunes DenseNets, which are for classes, but the task of "
            f"{data.name} is {data.task.name}"
        )
        raise PruneError(msg)
    if data.labelled:
        return data
    if parent is None:
        check_can_train(data)
    if weights == "scratch":
        msg = (
            f"{data.name} has no labels for its training images, so candidates cannot be trained "
            "from scratch; take weights 'inherited'"
        )
        raise PruneError(msg)
    if data.classes == 0 and isinstance(parent, DenseNet) and data.takes(parent.classes):
        return replace(data, classes=parent.classes)
    return data


def check_dense_net(parent: nn.Module, codec: Connections, growth: int, data: Data) -> DenseNet:
    """A copy of the parent, in evaluation mode; or an error that says why it does not fit."""
    wanted = (codec.sizes, growth, data.channels, data.classes)
    if not isinstance(parent, DenseNet):
        msg = f"the parent must be a DenseNet, but it is a {type(parent).__name__}"
        raise PruneError(msg)
    sizes = Connections.of(parent.connections).sizes
    given = (sizes, parent.growth, parent.channels, parent.classes)
    if given != wanted or parent.entering != 2 * growth:
        msg = (
            "the parent must have (layers of each block, growth, channels, classes) = "
            f"{wanted} and a stem of twice the growth, but it has {given} and "
            f"{parent.entering}; depth (or layers) and growth must be the parent's"
        )
        raise PruneError(msg)
    return copy.deepcopy(parent).to(data.train.images.device).eval()
