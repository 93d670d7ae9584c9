"""Networks as users have them in a module of their own."""

from __future__ import annotations

import torch
from torch import nn

from pymoo_prune import load_data
from pymoo_prune.training import seeded, trained


def network() -> nn.Module:
    """A small trained network without a description from which it could be rebuilt."""
    with seeded(0, torch.device("cpu")):
        fresh = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            nn.Linear(128, 10),
        )
    return trained(fresh, load_data("digits").train, images=6_000)


NOT_A_NETWORK = 5


def gives_text() -> str:
    """Makes something else."""
    return "network"
