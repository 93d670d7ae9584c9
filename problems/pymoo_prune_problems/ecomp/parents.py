"""The feed-forward network that is compressed: trained, checked, and its images for refits."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from pymoo_prune.data import Data, Split, balanced
from pymoo_prune.errors import PruneError
from pymoo_prune.networks import FeedForward, as_feed_forward
from pymoo_prune.training import check_can_train, seeded, trained


def train_feed_forward(
    data: Data,
    widths: Sequence[int],
    images: int,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> FeedForward:
    """Section 3.2.1: ReLU, batches of 100; the authors' code has Adam at 1e-3."""
    check_can_train(data)
    outputs = data.train.known_labels[0].numel() if data.classes == 0 else data.classes
    with seeded(seed, torch.device("cpu")):
        network = FeedForward(int(np.prod(data.shape)), widths, outputs)
    network.to(data.train.images.device)
    return trained(network, data.train, images=images, seed=seed, progress=progress)


def check_feed_forward(parent: nn.Module, data: Data) -> FeedForward:
    """The parent as a feed-forward network that fits the data, or an error that says why not."""
    if data.packing is not None:
        msg = (
            f"EComp compresses networks with one input of real numbers, but those of {data.name} "
            "take ids or several inputs"
        )
        raise PruneError(msg)
    network = as_feed_forward(parent)
    if not data.labelled:
        data.task.parents(torch.zeros(1, network.classes))  # one output is no choice
    inputs = int(np.prod(data.shape))
    if network.inputs != inputs or not data.takes(network.classes):
        msg = (
            f"the parent takes {network.inputs} values and gives {network.classes} classes, but "
            f"the images of {data.name} have {inputs} values and {data.classes_text}"
        )
        raise PruneError(msg)
    return network.to(data.train.images.device)


def refit_images(data: Data, images: int, seed: int) -> Split:
    """Training images for the statistics of the parent's activations."""
    return data.train.subset(balanced(data.train.groups, images, seed))
