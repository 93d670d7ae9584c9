"""Trainings that end when they no longer get better."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from pymoo_prune.data import Split
from pymoo_prune.errors import PruneError
from pymoo_prune.networks import evaluating
from pymoo_prune.training.loop import Loss


@dataclass(frozen=True)
class Stopping:
    """The settings of early stopping.

    Attributes:
        every: Steps from one look at the watched images to the next.
        patience: The training ends after this many looks in a row without a new least loss.
        images: The number of images that are held out of the training, and watched.
    """

    every: int = 10
    patience: int = 3
    images: int = 256

    def __post_init__(self) -> None:
        _check_at_least_one(every=self.every, patience=self.patience, images=self.images)


class EarlyStopping:
    """Ends a training that no longer gets better, and remembers the best weights.

    Its instances are meant as the `after_step` of `fit`. A loss that is not finite is never best.

    Args:
        network: The network in training; its present loss is the first to be beaten.
        split: The images that are watched; the network should not be trained on them.
        loss: The mean loss of a batch of these images; it gets outputs in float32, and places in
            this split.
        every: See `Stopping`.
        patience: See `Stopping`.

    Attributes:
        least: The least loss so far.
    """

    def __init__(
        self, network: nn.Module, split: Split, loss: Loss, *, every: int = 10, patience: int = 3
    ) -> None:
        _check_at_least_one(every=every, patience=patience)
        self.network, self.split, self.loss = network, split, loss
        self.every, self.patience = every, patience
        start = self._watched()
        self.least = start if math.isfinite(start) else math.inf
        self._best, self._misses = self._weights(), 0

    def __call__(self, steps: int) -> bool:
        """Looks at the images every few steps; returns whether the training should end."""
        if steps % self.every == 0:
            self._look()
        return self._misses >= self.patience

    def restore(self) -> None:
        """Puts the weights with the least loss back into the network.

        It looks once more: a training may end between two looks, with the best weights so far.
        """
        self._look()
        self.network.load_state_dict(self._best)

    def _look(self) -> None:
        now = self._watched()
        if math.isfinite(now) and now < self.least:
            self.least, self._misses, self._best = now, 0, self._weights()
        else:
            self._misses += 1

    @torch.no_grad()
    def _watched(self) -> float:
        """The mean loss of all watched images."""
        places = torch.arange(len(self.split), device=self.split.images.device)
        with evaluating(self.network):
            total = sum(
                float(self.loss(self.network(self.split.images[rows]).float(), rows)) * len(rows)
                for rows in places.split(128)
            )
        return total / len(self.split)

    def _weights(self) -> dict[str, Any]:
        return copy.deepcopy(self.network.state_dict())


def _check_at_least_one(**numbers: int) -> None:
    for name, number in numbers.items():
        if number < 1:
            msg = f"{name} must be at least 1, but it is {number}"
            raise PruneError(msg)
