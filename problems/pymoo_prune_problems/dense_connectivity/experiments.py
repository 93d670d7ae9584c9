"""The networks that the paper compares, its published numbers, and the scale of a reproduction."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
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
FULL, GENETIC, FIRST, RANDOM_SEARCH, AS_LARGE, RANDOM, RANDOM_AGAIN, NARROWER = (
    "densenet-bc",
    "genetic-algorithm",
    "first-population",
    "random-search",
    "random-network-as-large",
    "random-network",
    "random-network-2",
    "narrower-densenet",
)
METHODS = {
    GENETIC: "genetic algorithm",
    FIRST: "fittest of its first population",
    RANDOM_SEARCH: "random search",
    AS_LARGE: "random network as large",
    RANDOM: "random network",
    RANDOM_AGAIN: "another random network",
    NARROWER: "narrower DenseNet",
    FULL: "DenseNet-BC, all connections",
}
"""The networks that are compared: the last once, all others at each p. `Experiment.rows` leaves the
second random network out."""


@dataclass(frozen=True)
class Scale:
    """The scale of a reproduction.

    Attributes:
        depth: The DenseNet's depth; see `DenseConnectivity` for this and the following options.
        growth: k, channels that each layer adds.
        weights: Where a candidate's weights come from.
        recovery: Repairs of inherited weights.
        parent_epochs: Epochs of a parent with weights to inherit.
        epochs: Epochs of candidates that are trained from scratch.
        train_images: Training images that the search uses; None is all.
        image_size: Pixels each way in the search, where the data has more; None is the data's size.
        search_images: Images that the search measures candidates on.
        fitness_split: Where these are from: "validation", or "test" as the paper has it. Then the
            validation images are training images, too.
        recovery_images: Training images for batch-norm statistics.
        population: Candidates of a generation, in the genetic algorithm and in random search.
        generations: Generations of both; the first population is one of them.
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
    image_size: int | None = None
    search_images: int = 10_000
    fitness_split: Literal["validation", "test"] = "validation"
    recovery_images: int = 256
    population: int = DenseConnectivity.POPULATION
    generations: int = 1 + DenseConnectivity.GENERATIONS  # ten rounds of children
    finish_images: int = 300 * 50_000  # DenseNet's 300 epochs of CIFAR

    @property
    def options(self) -> dict[str, Any]:
        """Options of `DenseConnectivity`."""
        given = asdict(self)
        for name in ("population", "generations", "finish_images"):
            del given[name]
        return given


PAPER = Scale(fitness_split="test")
"""The paper's: each candidate is trained on all training images, and measured on the test images.
It takes days on a GPU."""
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
"""It takes about twenty minutes on two cores."""
SCRATCH = replace(
    SMALL,
    depth=22,
    weights="scratch",
    train_images=2_000,
    image_size=14,
    search_images=1_000,
    finish_images=20_000,
)
"""Each candidate is trained on its own, as in the paper. It takes about an hour
and a half on one core."""


@dataclass(frozen=True)
class Row:
    """One network, trained to the end.

    Attributes:
        method: The method that chose its architecture, one of `METHODS`.
        rate: p in percent; None for the DenseNet with all connections.
        seed: The seed of everything random.
        growth: Channels that each layer adds.
        parameters: Its number of parameters.
        macs: Multiply-accumulates for one image.
        connections: The share of free connections that live.
        fitness: The accuracy that a search saw, on its validation images; None without a search.
        accuracy: On the test images, after full training; NaN if that diverged.
        search_seconds: Duration of the search, without the parent's training.
        training_seconds: Duration of the full training, with the test.
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
