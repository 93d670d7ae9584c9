"""Options that cannot work are refused before anything is trained."""

from __future__ import annotations

from typing import get_args

import torch
from torch import nn

from pymoo_prune.data import Data, Split
from pymoo_prune.errors import PruneError, unknown_name
from pymoo_prune.inference import Precision
from pymoo_prune.measuring import accuracy
from pymoo_prune.pruning import check_levels

VARIATIONS = ("kept-shares", "paper")
"""Whose sampling and mutation the operators are: ours, or the paper's."""
LEARNT = 0.1
"""A network that has learnt is this share of the way from guessing to all right, at least."""


def check_options(
    encoding: str,
    precision: str,
    search_images: int,
    recovery_images: int,
    levels: int | None,
    racing: bool,
    data: Data,
    variation: str = VARIATIONS[0],
) -> None:
    """Refuses unknown names, too few images or levels, and useless races; see `LayerVector`."""
    if racing and data.labelled and data.task.metric is not None:
        msg = (
            f"racing takes means over slices of the images, which says little of "
            f"{data.task.judge}; search without racing"
        )
        raise PruneError(msg)
    if encoding not in ("counts", "thresholds"):
        raise unknown_name("encoding", encoding, ["counts", "thresholds"])
    if variation not in VARIATIONS:
        raise unknown_name("variation", variation, VARIATIONS)
    if variation == "paper" and encoding != "counts":
        msg = f"variation 'paper' needs encoding 'counts', but it is {encoding!r}"
        raise PruneError(msg)
    if precision not in get_args(Precision):
        raise unknown_name("precision", precision, get_args(Precision))
    if levels is not None and levels >= 2:
        check_levels(levels)
    if search_images < 1 or recovery_images < 2 or (levels is not None and levels < 2):
        msg = (
            "search_images must be at least 1, recovery_images and levels at least 2, but they "
            f"are {search_images}, {recovery_images} and {levels}"
        )
        raise PruneError(msg)


def guessing(split: Split) -> float:
    """The accuracy of a network that always says the most frequent class."""
    labels = split.known_labels
    return int(torch.bincount(labels.flatten()).max()) / labels.numel()


def at_chance(value: float, split: Split) -> bool:
    """Whether an accuracy is hardly better than guessing.

    Args:
        value: The accuracy, on these images.
        split: Images and labels.
    """
    chance = guessing(split)
    return value < chance + LEARNT * (1 - chance)


def check_has_learnt(network: nn.Module, data: Data) -> None:
    """Refuses a network that is hardly better than guessing: its pruning would say nothing.

    Args:
        network: The network that is to be pruned.
        data: Its accuracy is taken on the validation images.
    """
    found = accuracy(network, data.validation)
    if at_chance(found, data.validation):
        msg = (
            f"the network has an accuracy of {100 * found:.2f} % on {data.name}, and guessing has "
            f"{100 * guessing(data.validation):.2f} %: pruning it would say nothing; train it "
            "longer first"
        )
        raise PruneError(msg)
