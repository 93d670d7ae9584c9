"""The networks of the paper, its published numbers, and the scale of a reproduction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pymoo_prune_problems.distilled_filters.problem import DistilledFilters

NETWORKS = ("simple-cnn", "resnet-18", "googlenet")
NAMES = {"simple-cnn": "SimpleCNN", "resnet-18": "ResNet-18", "googlenet": "GoogLeNet"}

# Compression %, accuracy %, parameters (M), FLOPs reduction %.
TABLE_1 = {
    "simple-cnn": (87.43, 98.1, 1.7, 67.22),
    "resnet-18": (89.62, 99.2, 1.5, 72.65),
    "googlenet": (84.36, 99.3, 0.84, 74.11),
}
"""On MNIST."""
TABLE_2 = {
    "simple-cnn": (78.97, 75.12, 0.44, 67.22),
    "resnet-18": (91.13, 92.45, 0.25, 82.23),
    "googlenet": (84.13, 85.24, 0.60, 61.13),
}
"""On CIFAR-10. For ResNet-18 the text says 79.45 %, the table 92.45 %. The text also says that
GoogLeNet has the highest accuracy, so that its figure seems to be the right one."""
PUBLISHED, REFITTED = "as published", "refitted"
"""Recipes for candidates: the paper's, and ours."""


@dataclass(frozen=True)
class Scale:
    """The scale of a reproduction.

    Attributes:
        teacher_images: Images that each teacher is trained with, counted with repetition.
        evaluations: Evaluations of the search, by network.
        finish_images: Images that a ticket is distilled with, at length.
        options: Options of `DistilledFilters`, by network.
    """

    teacher_images: Mapping[str, int]
    evaluations: Mapping[str, int]
    finish_images: Mapping[str, int]
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


LARGE = {"search_images": 400, "train_images": 10_000, "recovery_images": 256}
SMALL = Scale(
    {"simple-cnn": 500_000, "resnet-18": 24_000, "googlenet": 24_000},
    {"simple-cnn": 200, "resnet-18": 60, "googlenet": 60},
    {"simple-cnn": 400_000, "resnet-18": 24_000, "googlenet": 24_000},
    {
        "simple-cnn": {"recovery": "refit+batch-norm+steps:20"},
        **{name: {"recovery": "refit+batch-norm+steps:10", **LARGE} for name in NETWORKS[1:]},
    },
)
"""It takes about ten minutes on two cores for the digits, an hour or two for FashionMNIST."""
SMALL_PUBLISHED = replace(
    SMALL,
    options={
        "simple-cnn": {"recovery": "steps:200", "patience": 3},
        **{name: {"recovery": "steps:50", "patience": 3, **LARGE} for name in NETWORKS[1:]},
    },
)
"""The paper's recipe: nothing is solved for, and the distillation of candidates ends early."""
PAPER = Scale(
    dict.fromkeys(NETWORKS, 100 * 50_000),
    dict.fromkeys(NETWORKS, DistilledFilters.POPULATION * 20),
    dict.fromkeys(NETWORKS, 100 * 50_000),
    {name: {"recovery": "refit+batch-norm+steps:100", "search_images": 5_000} for name in NETWORKS},
)
"""For a GPU: the paper does not say how long it trained."""
PAPER_PUBLISHED = replace(
    PAPER,
    options={
        name: {"recovery": "steps:780", "patience": 3, "search_images": 5_000} for name in NETWORKS
    },
)
"""An epoch of distillation for each candidate, unless it ends early."""
