"""What the paper compares, its figures, and how much work a reproduction is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from pymoo_prune_problems.dense_connectivity.problem import DenseConnectivity

RATES = (50, 60, 70, 80, 90)
"""Table I's pruning rates p, in percent: the chance that a connection lives."""
TABLE_2 = {
    None: (0.80, 95.49),
    50: (0.51, 94.56),
    60: (0.55, 94.96),
    70: (0.61, 94.92),
    80: (0.68, 95.03),
    90: (0.78, 95.15),
}
"""The paper's millions of parameters and accuracies in percent, by p; None is the baseline."""
FORMULA = {None: 0.769, 50: 0.456, 60: 0.506, 70: 0.562, 80: 0.624, 90: 0.693}
"""Millions of parameters by the closed formula, on average: depth 100, k = 12, 10 classes."""
FULL, GENETIC, RANDOM_SEARCH, RANDOM, NARROWER = (
    "densenet-bc",
    "genetic-algorithm",
    "random-search",
    "random-network",
    "narrower-densenet",
)
METHODS = {
    GENETIC: "genetic algorithm",
    RANDOM_SEARCH: "random search",
    RANDOM: "random network",
    NARROWER: "narrower DenseNet",
    FULL: "DenseNet-BC, all connections",
}
"""What is compared: the first four at each p, the last once."""


@dataclass(frozen=True)
class Scale:
    """How much work a reproduction is.

    Attributes:
        depth: Of the DenseNet; see `DenseConnectivity` for this and what follows.
        growth: k, channels that each layer adds.
        weights: Where candidates have their weights from.
        recovery: What inherited weights get.
        parent_epochs: Of a parent with weights to inherit.
        epochs: Of candidates that are trained from scratch.
        train_images: Training images that the search uses; None is all.
        search_images: Validation images that the search uses.
        recovery_images: Training images for the batch-norm statistics of heirs.
        population: Of the genetic algorithm, and of random search.
        generations: Of both.
        finish_images: Training images that each chosen network is trained with from random
            weights, counted with repetition.
    """

    depth: int = 100
    growth: int = 12
    weights: Literal["inherited", "scratch"] = "scratch"
    recovery: str = "none"
    parent_epochs: float = 1.0
    epochs: float = 1.0
    train_images: int | None = None
    search_images: int = 10_000
    recovery_images: int = 256
    population: int = DenseConnectivity.POPULATION
    generations: int = DenseConnectivity.GENERATIONS
    finish_images: int = 300 * 50_000  # DenseNet's 300 epochs of CIFAR

    @property
    def options(self) -> dict[str, Any]:
        """Options of `DenseConnectivity`."""
        given = asdict(self)
        for name in ("population", "generations", "finish_images"):
            del given[name]
        return given


PAPER = Scale()
"""The paper's, but for the images that fitness is measured on: for a GPU, and days."""
SMALL = Scale(
    depth=28,
    growth=8,
    weights="inherited",
    recovery="batch-norm",
    parent_epochs=8,
    train_images=10_000,
    search_images=300,
    recovery_images=128,
    finish_images=10_000,
)
"""About a quarter of an hour on two cores."""


@dataclass(frozen=True)
class Row:
    """One network, trained to the end.

    Attributes:
        method: How its architecture was chosen, one of `METHODS`.
        rate: p in percent; None for the DenseNet with all connections.
        seed: Of everything random.
        growth: Channels that each layer adds.
        parameters: How many it has.
        macs: Multiply-accumulates for one image.
        connections: The share of free connections that live.
        fitness: What a search, if any, saw of it: accuracy on its validation images.
        accuracy: On the test images, after full training; NaN if that diverged.
        search_seconds: Of the search, without the parent's training.
        training_seconds: Of the full training, with the test.
    """

    method: str
    rate: int | None
    seed: int
    growth: int
    parameters: int
    macs: int
    connections: float
    fitness: float | None
    accuracy: float
    search_seconds: float | None
    training_seconds: float
