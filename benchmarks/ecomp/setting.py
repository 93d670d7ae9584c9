"""The setting of EComp's experiments: FashionMNIST and the paper's parent, trained once."""

from __future__ import annotations

from functools import cache

from pymoo_prune import Data, load_data
from pymoo_prune.measuring import accuracy
from pymoo_prune.networks import FeedForward
from pymoo_prune_problems import EComp
from pymoo_prune_problems.ecomp import train_feed_forward


@cache
def data() -> Data:
    """FashionMNIST; nearly all training images are trained on, as in the paper."""
    return load_data("fashion-mnist", validation=100)


@cache
def parent(seed: int = 0) -> FeedForward:
    """Section 3.2.1: 2 x 256, 4 epochs."""
    return train_feed_forward(data(), EComp.PARENT_WIDTHS, EComp.PARENT_IMAGES, seed)


def parent_accuracy() -> float:
    """The parent's accuracy on the test images; the paper has 86.6 %."""
    return accuracy(parent(), data().test)


def problem(weighting: str = "121", seed: int = 0) -> EComp:
    """The paper's problem with one of its weightings; the seed is that of its batches."""
    return EComp(
        data(),
        parent=parent(),
        objectives=EComp.fitness(*EComp.WEIGHTINGS[weighting]),
        seed=seed,
        **EComp.presets["paper"].options,
    )
