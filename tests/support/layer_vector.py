"""Helpers of the layer-vector tests: small problems in every configuration, counted weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pymoo_prune import Data, PrunedWeightsPerAccuracyDrop
from pymoo_prune.chromosomes import Array
from pymoo_prune.inference import supports_int8
from pymoo_prune.measuring import accuracy, count_parameters
from pymoo_prune.training import train_parent
from pymoo_prune_problems import LayerVector

PWAD = PrunedWeightsPerAccuracyDrop()
POSITIONS = [64, 64, 64, 16, 16, 4, 4, 1]
"""Pixels of each layer's output in a resnet-8, for 8×8 images."""


def train_resnet(data: Data, epochs: float = 3, **options: Any) -> nn.Module:
    """A resnet-8 after the short training that the problem gives its parents."""
    return train_parent(data, "resnet-8", epochs, recipe=LayerVector.PARENT, **options)


def small(data: Data, parent: nn.Module | None, **options: Any) -> LayerVector:
    return LayerVector(
        data, parent=parent, **{"search_images": 200, "recovery_images": 64, **options}
    )


needs_int8 = pytest.mark.skipif(not supports_int8(), reason="no int8 kernels here")
RACING: dict[str, Any] = {"recovery": "none", "objectives": PWAD, "racing": True}
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "none": {"recovery": "none"},
    "levels": {"recovery": "none", "levels": 8},
    "thresholds": {"encoding": "thresholds", "recovery": "batch-norm"},
    "steps": {"recovery": "batch-norm+steps:1", "search_images": 50},
    "constrained": {"recovery": "none", "constraints": ["accuracy_drop<=0.1", "macs<=50%"]},
    "racing": {**RACING, "search_images": 300},
}
every_configuration = pytest.mark.parametrize(
    "options",
    [
        *(pytest.param(options, id=name) for name, options in CONFIGURATIONS.items()),
        pytest.param({"recovery": "batch-norm", "precision": "int8"}, id="int8", marks=needs_int8),
    ],
)


def zeros(network: nn.Module) -> int:
    return sum(int((p == 0).sum()) for p in network.parameters() if p.ndim > 1)


def nonzero(network: nn.Module, layers: Sequence[str]) -> list[int]:
    weights = [network.get_parameter(f"{name}.weight") for name in layers]
    return [int(torch.count_nonzero(weight)) for weight in weights]


def assert_networks_are_what_was_measured(problem: LayerVector, X: Array) -> None:
    values = problem.measure(X)
    counts = problem.encoding.decode(X)
    full, split = count_parameters(problem.parent), problem.search_images.split
    layers = problem.order.names
    for row, x in enumerate(X):
        network = problem.network(x)
        left = nonzero(network, layers)
        assert np.array_equal(problem.order.counts - left, counts[row])
        assert values["accuracy"][row] == accuracy(network, split)
        drop = accuracy(problem.parent, split) - accuracy(network, split)
        assert values["accuracy_drop"][row] == drop
        assert values["parameters"][row] == full - zeros(network)
        assert values["sparsity"][row] == pytest.approx(zeros(network) / full, abs=1e-15)
        assert values["macs"][row] == sum(n * p for n, p in zip(left, POSITIONS, strict=True))
        assert values["empty_layers"][row] == left.count(0)
        assert not network.training
