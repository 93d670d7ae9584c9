"""Networks that can be pruned; networks, options, goals and chromosomes that are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pymoo_prune import Data, PruneError, data_from_arrays
from pymoo_prune.chromosomes import Array
from pymoo_prune.measuring import count_macs, count_parameters
from pymoo_prune.networks import DenseNet, SimpleCNN
from pymoo_prune.results import load_network, save_network
from pymoo_prune_problems import DistilledFilters
from pymoo_prune_problems.distilled_filters import problem as module
from tests.support.distilled_filters import (
    STEPS,
    assert_networks_are_what_was_measured,
    candidates,
    seeded,
    small,
)
from tests.support.small_networks import Net

# Networks.


def test_a_dense_network_may_lose_layers(digits: Data) -> None:
    parent = seeded(lambda: DenseNet.of_depth(10, 4, 1))
    problem = small(digits, parent, recovery="refit+batch-norm", search_images=30)
    genes = problem.filters.genes
    assert genes.n_pieces >= 3
    X = candidates(problem, 3)
    for piece in range(genes.n_pieces):
        x = np.ones(problem.n_var, dtype=bool)
        x[genes.n_filters + piece] = False
        X = np.vstack([X, problem.filters.repaired(x)])
    assert_networks_are_what_was_measured(problem, X)
    assert len(set(problem.preview.sizes(X)["parameters"])) > 3


def test_what_was_pruned_can_be_pruned_again(
    digits: Data, plain: DistilledFilters, tmp_path: Path
) -> None:
    slim = plain.network(candidates(plain)[2])
    problem = small(digits, slim, recovery="refit+batch-norm")
    assert problem.n_var < plain.n_var
    assert problem.parent_measurements()["parameters"] == count_parameters(slim)
    X = candidates(problem)
    assert_networks_are_what_was_measured(problem, X)
    network = problem.network(X[2])
    again = load_network(save_network(network, tmp_path / "again", about={}))
    assert count_parameters(again) == count_parameters(network) < count_parameters(slim)
    images = digits.validation.images[:10]
    with torch.no_grad():
        torch.testing.assert_close(again(images), network(images))


def colours(classes: int = 3) -> Data:
    """Small images whose classes differ in colour."""
    generator = np.random.default_rng(0)
    labels = np.arange(72) % classes
    images = generator.random((72, 3, 16, 16)).astype(np.float32)
    images[np.arange(72), labels] += 1
    return data_from_arrays(images, labels)


@pytest.mark.slow
@pytest.mark.parametrize(("network", "pieces"), [("resnet-18", 8), ("googlenet", 36)])
def test_the_papers_networks_can_be_had_by_name(
    network: str, pieces: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Removal orders take most of a minute, and this test needs none.
    monkeypatch.setattr(module, "RemovalOrders", lambda filters, statistics: None)
    data = colours()
    problem = DistilledFilters(
        data, network=network, parent_epochs=0.5, recovery="batch-norm", search_images=8,
        recovery_images=8,
    )  # fmt: skip
    assert problem.filters.genes.n_pieces == pieces
    X = problem.random(2, np.random.default_rng(0))
    X[1, -pieces:] = False
    X = problem.filters.repaired(X)
    values = problem.measure(X)
    for x, parameters, macs in zip(X, values["parameters"], values["macs"], strict=True):
        small_one = problem.network(x)
        assert parameters == count_parameters(small_one)
        assert macs == count_macs(small_one, data.shape)
    assert (values["sparsity"] > 0).all()


class Grouped(nn.Module):
    def __init__(self, groups: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 8, 3)
        self.middle = nn.Conv2d(8, 8, 3, groups=groups)
        self.linear = nn.Linear(128, 10)

    def forward(self, images: Tensor) -> Tensor:
        return self.linear(self.middle(self.first(images)).flatten(1))  # type: ignore[no-any-return]


class Clips(nn.Module):
    """An image as a clip of one frame."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(1, 6, (1, 3, 3), stride=(1, 2, 2))
        self.linear = nn.Linear(54, 10)

    def forward(self, images: Tensor) -> Tensor:
        hidden = torch.relu(self.conv(torch.unsqueeze(images, 2)))
        return self.linear(hidden.flatten(1))  # type: ignore[no-any-return]


def test_convolutions_over_time_lose_filters(digits: Data) -> None:
    problem = small(digits, seeded(Clips), **STEPS)
    assert problem.filters.genes.sizes == (6,)
    assert_networks_are_what_was_measured(problem, candidates(problem))


def test_depthwise_convolutions_lose_what_they_read(digits: Data) -> None:
    problem = small(digits, seeded(lambda: Grouped(8)), recovery="refit")
    assert problem.filters.genes.sizes == (8,)
    assert_networks_are_what_was_measured(problem, candidates(problem))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SimpleCNN(1, 7, (8, 8), (4,), 4), r"gives \(7,\) values an image, .*10 classes"),
        (lambda: SimpleCNN(3, 10, (8, 8), (4,), 4), r"cannot take the images of digits, \(1, 8"),
        (lambda: SimpleCNN(1, 10, (16, 16), (4,), 4), "cannot take the images of digits"),
        (
            lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 10)),
            "a Sequential has no filters that could be pruned",
        ),
    ],
)
def test_parents_that_do_not_fit(digits: Data, make: Any, message: str) -> None:
    with pytest.raises(PruneError, match=message):
        small(digits, seeded(make), recovery="none")


def viewed(network: Any, images: Tensor) -> Tensor:
    images = network.two(network.one(images).relu())
    return network.head(images.view(images.size(0), -1))  # type: ignore[no-any-return]


def test_a_view_in_a_networks_code_is_no_trouble(digits: Data) -> None:
    parent = seeded(
        lambda: Net(
            viewed, one=nn.Conv2d(1, 8, 3), two=nn.Conv2d(8, 12, 3), head=nn.Linear(192, 10)
        )
    )
    problem = small(digits, parent, **STEPS)
    assert problem.filters.genes.sizes == (8, 12)
    assert_networks_are_what_was_measured(problem, candidates(problem))
    # The parent keeps its layout, in which alone it runs; those of candidates are faster.
    assert problem.parent.get_parameter("two.weight").is_contiguous()
    weight = problem.network(np.ones(20, dtype=bool)).get_parameter("network.two.weight")
    assert weight.is_contiguous(memory_format=torch.channels_last)


def test_shortcuts_with_zeros_and_groups_are_searched(digits: Data) -> None:
    for problem in (
        small(digits, None, network="resnet-8", parent_epochs=0.01),
        small(digits, Grouped(2)),
    ):
        found = problem.measure(candidates(problem))
        assert (found["parameters"] < problem.parent_measurements()["parameters"]).any()


# Options, goals and chromosomes.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": -0.1}, "alpha must be between 0 and 1, but it is -0.1"),
        ({"alpha": 1.1}, "alpha must be between 0 and 1, but it is 1.1"),
        ({"alpha": float("nan")}, "alpha must be between 0 and 1, but it is nan"),
        ({"temperature": 0}, "temperature must be finite and greater than 0, but it is 0"),
        ({"temperature": -4}, "temperature must be .*greater than 0, but it is -4"),
        ({"temperature": float("nan")}, "temperature must be finite.*but it is nan"),
        ({"temperature": float("inf")}, "temperature must be finite.*but it is inf"),
        ({"patience": -1}, "patience at least 0.* are 1000, 1024, None, -1 and 0.02"),
        ({"smallest": 0}, "smallest above 0 and at most 1.* 0 and 0$"),
        ({"smallest": 1.5}, "smallest above 0 and at most 1.* 0 and 1.5"),
        ({"smallest": float("nan")}, "smallest above 0 and at most 1.* 0 and nan"),
        ({"search_images": 0}, "must be at least 1.* are 0, 1024, None"),
        ({"recovery_images": 0}, "are 1000, 0, None"),
        ({"train_images": 0}, "are 1000, 1024, 0"),
        ({"train_images": -5}, "are 1000, 1024, -5"),
        ({"recovery": "refitt"}, "recovery 'refitt' is not known.*'batch-norm'.*'steps:K'"),
        ({"recovery": "steps:0"}, "recovery 'steps:0' is not known"),
        ({"network": "resnet18"}, "unknown network 'resnet18'.*Did you mean 'resnet-18'"),
        ({"parent_epochs": 0}, "parent_epochs must be above 0, but they are 0"),
        ({"parent_epochs": -1.5}, "parent_epochs must be above 0, but they are -1.5"),
    ],
)
def test_options_that_cannot_be_are_refused_before_anything_is_trained(
    digits: Data, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], message: str
) -> None:
    monkeypatch.delattr("pymoo_prune.training.parents.trained")
    with pytest.raises(PruneError, match=message):
        DistilledFilters(digits, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objectives": ["accuracy", "sparsty"]}, "Did you mean 'sparsity'"),
        ({"constraints": ["macs>0.5"]}, "must read like"),
    ],
)
def test_goals_that_cannot_be(
    digits: Data, teacher: SimpleCNN, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(PruneError, match=message):
        small(digits, teacher, recovery="none", **options)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.ones((1, 26)), "26 booleans each .*but they are float64"),
        (np.ones((1, 25), dtype=bool), r"26 booleans each .*bool of shape \(.*25,?\)"),
    ],
)
def test_chromosomes_that_cannot_be(plain: DistilledFilters, X: Array, message: str) -> None:
    known = plain.preview
    for asked_for in (plain.measure, known.sizes, known.features, lambda X: plain.network(X[0])):
        with pytest.raises(PruneError, match=message):
            asked_for(X)
