"""Recipes: the settings of a training."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from pymoo_prune.errors import MOST, PruneError, check_kind, check_whole, unknown_name

SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda _: 1.0,
    # Falls to 0, which keeps more of a network that was good before.
    "linear": lambda done: 1 - done,
    "cosine": lambda done: 0.5 * (1 + math.cos(math.pi * done)),
    # As for residual networks and DenseNets: a tenth after 1/2, a hundredth after 3/4.
    "drops": lambda done: 0.1 ** ((done >= 0.5) + (done >= 0.75)),
    # Up for a quarter of the time, then down: few epochs are enough from scratch.
    "one-cycle": lambda done: done / 0.25 if done < 0.25 else (1 - done) / 0.75,
}
"""Factors of the learning rate, from the share of the training that is done."""


@dataclass(frozen=True)
class Recipe:
    """The settings of a training.

    Attributes:
        optimizer: "adam", or "sgd" with Nesterov momentum.
        learning_rate: The highest learning rate.
        schedule: One of `SCHEDULES`.
        batch_size: Images in a step.
        weight_decay: L2 penalty.
        momentum: The momentum of "sgd".
        crop: Every image is shifted by at most this many pixels.
        flip: Whether every image is mirrored with probability 1/2.
        bfloat16: Whether convolutions and linear layers compute in bfloat16 on hardware that is
            fast at it; elsewhere they compute in float32.
        channels_last: Whether a pixel's channels lie side by side in memory.
    """

    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: float = 1e-3
    schedule: str = "constant"
    batch_size: int = 100
    weight_decay: float = 0.0
    momentum: float = 0.9
    crop: int = 0
    flip: bool = False
    bfloat16: bool = False
    channels_last: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.optimizer, str) or self.optimizer not in ("adam", "sgd"):
            raise unknown_name("optimizer", self.optimizer, ["adam", "sgd"])
        if not isinstance(self.schedule, str) or self.schedule not in SCHEDULES:
            raise unknown_name("schedule", self.schedule, SCHEDULES)
        numbers = self.learning_rate, self.weight_decay, self.momentum, self.crop
        check_whole("batch_size", self.batch_size, least=-MOST)
        check_whole("crop", self.crop, least=-MOST)
        for name in ("learning_rate", "weight_decay", "momentum"):
            check_kind(name, getattr(self, name), Real, "a number")
        for name in ("flip", "bfloat16", "channels_last"):
            check_kind(name, getattr(self, name), bool, "True or False")
        if self.batch_size < 1 or not all(math.isfinite(n) and n >= 0 for n in numbers):
            msg = (
                "batch_size must be at least 1, and learning_rate, weight_decay, momentum and crop "
                f"finite and not negative, but the recipe is {self}"
            )
            raise PruneError(msg)

    def make_optimizer(self, network: nn.Module) -> torch.optim.Optimizer:
        """An optimizer of the network's parameters."""
        settings: dict[str, Any] = {"lr": self.learning_rate, "weight_decay": self.weight_decay}
        if self.optimizer == "adam":
            return torch.optim.Adam(network.parameters(), **settings, fused=True)
        settings |= {"momentum": self.momentum, "nesterov": self.momentum > 0}
        return torch.optim.SGD(network.parameters(), **settings, fused=True)

    def check_inputs(self, inputs: Tensor) -> None:
        """Refuses to crop or to flip what is no image.

        Args:
            inputs: (n, ...).
        """
        if (self.crop or self.flip) and inputs.ndim != 4:
            msg = (
                f"a recipe with crop={self.crop} and flip={self.flip} needs images (n, channels, "
                f"height, width), but the inputs are {tuple(inputs.shape)}; give it with crop=0 "
                "and flip=False"
            )
            raise PruneError(msg)

    def without_crops(self) -> Recipe:
        """The same recipe without crops and flips."""
        return replace(self, crop=0, flip=False)

    def augmented(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Randomly shifted and mirrored images, (n, channels, height, width)."""
        if not (self.flip or self.crop):
            return images
        n, _, height, width = images.shape
        rows = torch.arange(height).expand(n, -1)
        columns = torch.arange(width).expand(n, -1)
        if self.flip:
            mirrored = torch.rand(n, 1, generator=generator) < 0.5
            columns = torch.where(mirrored, columns.flip(1), columns)
        if self.crop:
            images = functional.pad(images, [self.crop] * 4)
            rows = rows + torch.randint(2 * self.crop + 1, (n, 1), generator=generator)
            columns = columns + torch.randint(2 * self.crop + 1, (n, 1), generator=generator)
        places = [torch.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]
        image, row, column = (place.to(images.device) for place in places)
        return images.permute(0, 2, 3, 1)[image, row, column].permute(0, 3, 1, 2)


ADAM = Recipe()
"""The default recipe."""
