"""Options that cannot work are refused before anything is trained."""

from __future__ import annotations

import torch

from pymoo_prune.data import Data
from pymoo_prune.errors import PruneError
from pymoo_prune.networks import named_network
from pymoo_prune.pruning import ChannelFlow, MultipleOf, check_multiple_of, group_steps


def check_numbers(
    search_images: int,
    recovery_images: int,
    train_images: int | None,
    patience: int,
    smallest: float,
) -> None:
    """Refuses too few images, and impossible patience and sizes; see `DistilledFilters`."""
    counts = search_images, recovery_images, train_images or 1
    if min(counts) < 1 or train_images == 0 or patience < 0 or not 0 < smallest <= 1:
        msg = (
            "search_images, recovery_images and train_images must be at least 1, patience at "
            "least 0, and smallest above 0 and at most 1, but they are "
            f"{search_images}, {recovery_images}, {train_images}, {patience} and {smallest}"
        )
        raise PruneError(msg)


def check_multiples(multiple_of: MultipleOf, data: Data, network: str | None) -> None:
    """Refuses numbers that are none, and those that would leave a network no choice.

    Args:
        multiple_of: See `DistilledFilters`.
        data: The images.
        network: The name of the network that is to be trained; None where there is a network.
    """
    if not check_multiple_of(multiple_of) or network is None:
        return
    with torch.random.fork_rng(devices=[]):
        untrained = named_network(
            network, channels=data.channels, classes=data.classes, size=data.size
        )
    group_steps(ChannelFlow(untrained, data.shape), multiple_of)
