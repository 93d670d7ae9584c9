"""Helpers of the EComp tests: configurations, parents, candidates and searches."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from pymoo_prune import Budget
from pymoo_prune.chromosomes import Array
from pymoo_prune.engines import make_algorithm
from pymoo_prune.networks import FeedForward
from pymoo_prune.search import Found, search
from pymoo_prune.testing import sample
from pymoo_prune_problems import EComp


def random_parent(widths: Sequence[int], inputs: int = 64, classes: int = 10) -> FeedForward:
    """A parent with random weights: they do not depend on how a training rounds."""
    generator = np.random.default_rng(1)
    sizes = [inputs, *widths, classes]
    weights, biases = [], []
    for fan_in, fan_out in pairwise(sizes):
        matrix = generator.normal(size=(fan_out, fan_in)) * np.sqrt(2 / fan_in)
        weights.append(torch.from_numpy(matrix.astype(np.float32)))
        biases.append(torch.from_numpy((0.1 * generator.normal(size=fan_out)).astype(np.float32)))
    return FeedForward.from_layers(weights, biases)


WEIGHTS: dict[str, Any] = {"encoding": "weights"}
IN_BATCHES: dict[str, Any] = {"encoding": "weights", "batch_size": 50, "search_images": 200}
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "masks-refit": {},
    "masks-none": {"recovery": "none"},
    "masks-steps": {"recovery": "steps:2"},
    "masks-refit-steps": {"recovery": "refit+steps:2"},
    "masks-batches": {"batch_size": 50, "search_images": 200},
    "weights": WEIGHTS,
    "weights-steps": {**WEIGHTS, "recovery": "steps:2"},
    "weights-batches": IN_BATCHES,
    "weights-train": {**WEIGHTS, "search_split": "train", "search_images": 120},
}
every_configuration = pytest.mark.parametrize(
    "options", CONFIGURATIONS.values(), ids=CONFIGURATIONS
)


def recombined(problem: EComp, generations: int = 2) -> Array:
    """Children of children, some of them mutated: weights that no slice of the parent has."""
    from pymoo_prune.operators import CutPointWeightCrossover, WeightScaling

    generator = np.random.default_rng(4)
    X = sample(problem)
    for _ in range(generations):
        pairs = generator.permutation(len(X)).reshape(2, -1)
        children = CutPointWeightCrossover()._do(problem, X[pairs], random_state=generator)
        X = WeightScaling(rate=0.5)._do(problem, children.reshape(-1, 1), random_state=generator)
    return X


def found_by(problem: EComp, generations: int = 3, engine: str = "nsga2") -> Found:
    algorithm = make_algorithm(engine, problem, 8)
    return search(problem, algorithm, Budget(generations=generations), seed=1)
