"""Helpers of the distilled-filters tests: small problems, candidates, compared networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pymoo_prune import Data
from pymoo_prune.chromosomes import Array
from pymoo_prune.measuring import accuracy, count_macs, count_parameters
from pymoo_prune.networks import SlimNetwork
from pymoo_prune.training import Distillation
from pymoo_prune_problems import DistilledFilters

RECOVERIES = ("none", "refit", "batch-norm", "refit+batch-norm", "refit+batch-norm+steps:2")
STEPS: dict[str, Any] = {"recovery": "batch-norm+steps:2"}
RIVALS = (
    "L1 pruning, all layers alike",
    "L1 pruning, whole network",
    "least loss, all layers alike",
    "least loss for its MACs, best of 3",
    "least loss for its parameters, best of 3",
    "torch-pruning, group magnitude",
    "torch-pruning, group Taylor",
)


def small(data: Data, parent: nn.Module | None, **options: Any) -> DistilledFilters:
    return DistilledFilters(
        data, parent=parent, **{"search_images": 100, "recovery_images": 64, **options}
    )


def seeded(make: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make()


class Block(nn.Module):
    """A residual block whose shortcut is its input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.two = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        return torch.relu(images + self.two(torch.relu(self.norm(self.one(images)))))


class Residual(nn.Module):
    """A user's own network, which the zoo does not have."""

    def __init__(self, width: int = 6, blocks: int = 3) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, width, 3, stride=2, padding=1)
        self.blocks = nn.ModuleList(Block(width) for _ in range(blocks))
        self.head = nn.Linear(16 * width, 10)

    def forward(self, images: Tensor) -> Tensor:
        images = torch.relu(self.stem(images))
        for part in self.blocks:
            images = part(images)
        return self.head(images.flatten(1))  # type: ignore[no-any-return]


def candidates(problem: DistilledFilters, n: int = 4) -> Array:
    """The whole network, the smallest after repair, and some in between."""
    X = problem.random(n, np.random.default_rng(0))
    X[0], X[1] = True, False
    return problem.filters.repaired(X)


def kept(problem: DistilledFilters, x: Array) -> list[Array]:
    """Filters of the first and the second convolution, and of the hidden layer."""
    return [np.flatnonzero(part) for part in np.split(x, [6, 14])]


def assert_networks_are_what_was_measured(problem: DistilledFilters, X: Array) -> None:
    values, data = problem.measure(X), problem.data_set
    whole, its_accuracy = problem.parent, accuracy(problem.parent, problem.search_images)
    for row, x in enumerate(X):
        network = problem.network(x)
        assert isinstance(network, SlimNetwork)
        own = count_parameters(network)
        assert values["parameters"][row] == own
        assert values["sparsity"][row] == 1 - own / count_parameters(whole)
        macs = count_macs(network, data.shape)
        assert values["macs"][row] == macs
        assert values["macs_removed"][row] == 1 - macs / count_macs(whole, data.shape)
        assert values["accuracy"][row] == accuracy(network, problem.search_images)
        assert values["accuracy_drop"][row] == its_accuracy - values["accuracy"][row]
        assert not any(leaf.training for leaf in network.modules() if not [*leaf.children()])
    for name, column in problem.preview.sizes(X).items():
        assert np.array_equal(column, values[name]), name
    assert {"parameters", "sparsity", "macs", "macs_removed"} == problem.preview.sizes(X).keys()


class Spy:
    """Distils networks, and notes the arguments of each distillation."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[dict[str, Any]] = []
        distilled = Distillation.distilled

        def spied(teaching: Distillation, network: Any, **settings: Any) -> Any:
            self.calls.append({"teaching": teaching, "network": network, **settings})
            return distilled(teaching, network, **settings)

        monkeypatch.setattr(Distillation, "distilled", spied)
