"""Parents, options and chromosomes that are accepted or refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pymoo_prune import Data, PruneError
from pymoo_prune.chromosomes import Array
from pymoo_prune.measuring import accuracy
from pymoo_prune.networks import CifarResNet
from pymoo_prune.testing import check_problem, sample
from pymoo_prune.training import Recipe, trained
from pymoo_prune_problems import LayerVector
from tests.support.layer_vector import small


class Choosy(nn.Module):
    """A network whose forward pass depends on values, so that it cannot be traced."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3, stride=2)
        self.linear = nn.Linear(72, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu(self.conv(images)).flatten(1)
        return self.linear(hidden if hidden.sum() > 0 else -hidden)  # type: ignore[no-any-return]


def sequential() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, stride=2), nn.ReLU(), nn.Dropout(0.2), nn.Flatten(), nn.Linear(72, 10)
    )


@pytest.mark.slow
@pytest.mark.parametrize("make", [sequential, Choosy])
@pytest.mark.parametrize("recovery", ["none", "refit+batch-norm"])
def test_a_users_own_module_can_be_the_parent(digits: Data, make: Any, recovery: str) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        parent = trained(make(), digits.train, images=3_000, recipe=Recipe(learning_rate=0.01))
    problem = small(digits, parent, recovery=recovery, levels=6)
    check_problem(problem)
    assert problem.order.counts.tolist() == [72, 720]
    X = sample(problem)
    split = problem.search_images.split
    expected = [accuracy(problem.network(x), split) for x in X]
    assert problem.measure(X)["accuracy"].tolist() == expected
    assert max(expected) > 0.5


class Dictionary(Choosy):
    def forward(self, images: torch.Tensor) -> Any:
        return {"logits": super().forward(images)}


class Clips(Choosy):
    def forward(self, images: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return super().forward(images)


def damaged() -> nn.Module:
    network = sequential()
    with torch.no_grad():
        network.get_parameter("4.weight")[0, 0] = float("nan")
    return network


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CifarResNet(8, 3, 10), r"cannot take the images of digits, \(1, 8, 8\)"),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(49, 10)), "cannot take the images"),
        (Clips, "cannot take the images .*lengths"),
        (Dictionary, "gives a dict, not one tensor"),
        (lambda: CifarResNet(8, 1, 7), r"gives \(7,\) values an image, .*10 classes"),
        (
            lambda: nn.Sequential(nn.Flatten(), nn.AdaptiveAvgPool1d(10)),
            "a Sequential has nothing to prune",
        ),
        (damaged, "layer '4' has weights that are not finite"),
    ],
)
def test_parents_that_do_not_fit(digits: Data, make: Any, message: str) -> None:
    with torch.random.fork_rng(devices=[]), pytest.raises(PruneError, match=message):
        small(digits, make(), recovery="none")


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"network": "resnet-9"}, "unknown network 'resnet-9'.*Did you mean 'resnet-"),
    ({"parent_epochs": 0}, "parent_epochs must be above 0, but they are 0"),
    ({"parent_epochs": -1}, "parent_epochs must be above 0"),
    ({"encoding": "count"}, "unknown encoding 'count'.*Did you mean 'counts'"),
    ({"recovery": "refitt"}, "recovery 'refitt' is not known.*'batch-norm'.*'steps:K'"),
    ({"recovery": "batch-norm+refit"}, "joined by a plus in this order"),
    ({"search_images": 0}, "search_images must be at least 1.*are 0, 256 and None"),
    ({"recovery_images": -1}, "are 1000, -1 and None"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_options_that_cannot_be_are_refused_before_anything_is_trained(
    digits: Data, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], message: str
) -> None:
    monkeypatch.delattr("pymoo_prune.training.parents.trained")
    with pytest.raises(PruneError, match=message):
        LayerVector(digits, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "int9"}, "unknown precision 'int9'.*Did you mean 'int8'"),
        ({"levels": 1}, "levels at least 2, but they are 200, 64 and 1"),
        ({"objectives": ["accuracy", "sparsty"]}, "Did you mean 'sparsity'"),
        ({"constraints": ["sparsity>0.5"]}, "must read like"),
    ],
)
def test_options_that_cannot_be(
    digits: Data, resnet: nn.Module, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(PruneError, match=message):
        small(digits, resnet, recovery="none", **options)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros((1, 8)), "counts must be integers, but they are float64"),
        (np.zeros((1, 8), dtype=bool), "counts must be integers, but they are bool"),
        (np.zeros((1, 7), dtype=int), r"must be \(n, 8\), a column a layer, not \(1, 7\)"),
        (np.zeros(8, dtype=int), r"must be \(n, 8\)"),
        (np.array([[0] * 8, [0, -1, *[0] * 6]]), "candidate 1 prunes -1 .*'stages.0.0.conv1'"),
        (np.array([[*[0] * 7, 641]]), "candidate 0 prunes 641 .*'linear', which has 640"),
    ],
)
def test_chromosomes_that_cannot_be(plain: LayerVector, X: Array, message: str) -> None:
    with pytest.raises(PruneError, match=message):
        plain.measure(X)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros((1, 8)), r"thresholds must .*\(n, 9\).*not \(1, 8\)"),
        (np.full((1, 9), np.nan), "thresholds must be finite"),
        (np.full((2, 9), np.inf), "thresholds must be finite"),
    ],
)
def test_thresholds_that_cannot_be(digits: Data, resnet: nn.Module, X: Array, message: str) -> None:
    problem = small(digits, resnet, recovery="none", encoding="thresholds")
    with pytest.raises(PruneError, match=message):
        problem.measure(X)
