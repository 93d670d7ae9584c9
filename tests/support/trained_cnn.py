"""A small trained network with groups, biases and batch norms."""

from __future__ import annotations

import torch
from torch import nn

from pymoo_prune.data import Split
from pymoo_prune.training import Recipe, trained


def trained_cnn(train: Split) -> nn.Module:
    """Trained on digits, 8×8 pixels."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        start = nn.Sequential(
            nn.Conv2d(1, 12, 3, padding=1, bias=False), nn.BatchNorm2d(12), nn.ReLU(),
            nn.Conv2d(12, 16, 3, stride=2), nn.BatchNorm2d(16), nn.ReLU(),
            nn.Conv2d(16, 24, 3, padding=1, groups=2, bias=False), nn.BatchNorm2d(24), nn.ReLU(),
            nn.Flatten(), nn.Linear(216, 10),
        )  # fmt: skip
    return trained(start, train, images=6_000, recipe=Recipe(learning_rate=3e-3))
