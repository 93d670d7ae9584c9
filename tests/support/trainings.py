"""Shared by tests of trainings: networks that record how they are trained."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from pymoo_prune.data import Split
from pymoo_prune.networks import FeedForward
from pymoo_prune.training import Recipe, fit


class Recorder(nn.Module):
    """Notes which images it was shown, step by step; the image's one pixel is its index."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(2))
        self.steps: list[list[int]] = []
        self.modes: set[bool] = set()

    def forward(self, images: Tensor) -> Tensor:
        self.steps.append(images.flatten().int().tolist())
        self.modes.add(self.training)
        return images.flatten()[:, None] * self.scale


def numbered(n: int) -> Split:
    images = torch.arange(n, dtype=torch.float32).reshape(-1, 1, 1, 1)
    return Split(images, torch.arange(n) % 2)


def fresh(seed: int = 0) -> FeedForward:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return FeedForward(64, [12, 8], 10)


def same(one: nn.Module, other: nn.Module) -> bool:
    """Whether two networks have the same weights, to the last bit."""
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[k], theirs[k]) for k in mine)


def loss(network: nn.Module, split: Split) -> float:
    with torch.no_grad():
        return float(nn.functional.cross_entropy(network(split.images), split.labels))


class Straight(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, outputs: Tensor) -> Tensor:
        return outputs.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return torch.ones(1), None


def pruned(seed: int = 0) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = nn.Sequential(
            nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(216, 10)
        )
        with torch.no_grad():
            for place in (0, 4):
                weight: Any = network[place].weight
                weight.mul_(torch.rand(weight.shape) < 0.4)
    return network


def fitted(network: nn.Module, split: Split, **settings: Any) -> Tensor:
    settings = {"images": 1_000, "recipe": Recipe(learning_rate=3e-3), "seed": 0} | settings
    return fit(
        network.train(), split, **settings,
        loss=lambda outputs, rows: nn.functional.cross_entropy(outputs, split.labels[rows]),
    )  # fmt: skip
