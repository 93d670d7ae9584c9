"""The networks that searches start from: trained here, or given."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from pymoo_prune.data import Data
from pymoo_prune.errors import PruneError, TrainingDiverged
from pymoo_prune.measuring import accuracy
from pymoo_prune.networks import CifarResNet, FeedForward, SimpleCNN
from pymoo_prune.training import Recipe, check_parent, digest_of, train_parent, trained

RECIPE = Recipe(learning_rate=3e-3)


@pytest.mark.usefixtures("untouched_global_generators")
def test_a_parent_depends_on_its_seed_alone(digits: Data) -> None:
    shares: list[float] = []
    one = train_parent(digits, "simple-cnn", 0.1, recipe=RECIPE, seed=1, progress=shares.append)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        two = train_parent(digits, "simple-cnn", 0.1, recipe=RECIPE, seed=1)
    other = train_parent(digits, "simple-cnn", 0.1, recipe=RECIPE, seed=2)
    assert shares == sorted(shares)
    assert shares
    assert 0 < shares[0] <= shares[-1] <= 1
    for key, value in one.state_dict().items():
        assert torch.equal(value, two.state_dict()[key])
    weights = [network.get_parameter("hidden.weight") for network in (one, other)]
    assert not torch.equal(*weights)


@pytest.mark.slow
def test_a_parent_fits_the_data_and_is_trained(digits: Data) -> None:
    network = train_parent(digits, "simple-cnn", 6, recipe=RECIPE)
    assert isinstance(network, SimpleCNN)
    assert (network.channels, network.classes, network.size) == (1, 10, (8, 8))
    assert not any(part.training for part in network.modules())
    assert accuracy(network, digits.validation) > 0.7
    assert isinstance(train_parent(digits, "resnet-8", 0.01, recipe=RECIPE), CifarResNet)


def test_epochs_are_images(digits: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    from pymoo_prune.training import parents

    asked: list[dict[str, Any]] = []

    def noted(network: nn.Module, split: Any, **options: Any) -> nn.Module:
        asked.append({"split": split, **options})
        return network

    monkeypatch.setattr(parents, "trained", noted)
    for epochs in (0.5, 3):
        network = train_parent(digits, "feed-forward", epochs, recipe=RECIPE, seed=4)
        assert isinstance(network, FeedForward)
    images = len(digits.train)
    assert [entry["images"] for entry in asked] == [round(images / 2), 3 * images]
    assert all(entry["split"] is digits.train for entry in asked)
    assert all(entry["recipe"] is RECIPE for entry in asked)
    assert all(entry["seed"] == 4 for entry in asked)


@pytest.mark.parametrize("epochs", [0, -1, -0.5, float("nan"), float("inf")])
def test_without_epochs_there_is_no_parent(digits: Data, epochs: float) -> None:
    with pytest.raises(PruneError, match=f"parent_epochs must be above 0, but they are {epochs}"):
        train_parent(digits, "simple-cnn", epochs, recipe=RECIPE)


def test_unknown_networks_and_those_that_do_not_fit(digits: Data) -> None:
    with pytest.raises(PruneError, match=r"unknown network 'simple'.*'simple-cnn'"):
        train_parent(digits, "simple", 1, recipe=RECIPE)
    with pytest.raises(TrainingDiverged, match="try a lower learning rate"):
        train_parent(digits, "simple-cnn", 0.5, recipe=Recipe(learning_rate=1e30, optimizer="sgd"))


# Given networks.


def linear() -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.Linear(64, 10))


@pytest.mark.usefixtures("untouched_global_generators")
def test_a_parent_is_copied_and_left_as_it_was(digits: Data) -> None:
    with torch.random.fork_rng(devices=[]):
        parent = linear().train()
    before = copy.deepcopy(parent.state_dict())
    found = check_parent(parent, digits)
    assert found is not parent
    assert parent.training
    assert not any(part.training for part in found.modules())
    memory = {value.data_ptr() for value in parent.state_dict().values()}
    for key, value in found.state_dict().items():
        assert torch.equal(value, before[key])
        assert value.data_ptr() not in memory
    trained(found, digits.train, images=200)
    for key, value in parent.state_dict().items():
        assert torch.equal(value, before[key])
    assert all(parameter.grad is None for parameter in parent.parameters())


def test_weights_that_are_all_frozen_can_be_trained_in_the_copy(digits: Data) -> None:
    parent = linear().requires_grad_(requires_grad=False)
    found = check_parent(parent, digits)
    assert all(weight.requires_grad for weight in found.parameters())
    assert not any(weight.requires_grad for weight in parent.parameters())
    parent[1].requires_grad_(requires_grad=True)  # the user chose which
    found = check_parent(parent, digits)
    assert [weight.requires_grad for weight in found.parameters()] == [True, True, False, False]


def test_a_digest_knows_the_layers_and_all_numbers() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        one = linear()
    same, other, counted = (copy.deepcopy(one) for _ in range(3))
    assert digest_of(same) == digest_of(one)
    other.append(nn.ReLU())
    counted.get_buffer("1.running_var")[3] += 1e-6
    assert len({digest_of(one), digest_of(other), digest_of(counted)}) == 3
    half = copy.deepcopy(one).to(torch.bfloat16)  # NumPy has no such numbers
    assert digest_of(half) == digest_of(copy.deepcopy(half)) != digest_of(one)


class Wrapped(nn.Module):
    def __init__(self, what: Any) -> None:
        super().__init__()
        self.linear, self.what = nn.Linear(64, 10), what

    def forward(self, x: Tensor) -> Any:
        return self.what(self.linear(x.flatten(1)))


class InTraining(Wrapped):
    def forward(self, x: Tensor) -> Any:
        outputs = self.linear(x.flatten(1))
        return self.what(outputs) if self.training else outputs


def fails(error: Exception) -> Any:
    def what(x: Tensor) -> Tensor:
        raise error

    return what


@pytest.mark.parametrize(
    ("parent", "message"),
    [
        (nn.Conv2d(3, 10, 3), r"cannot take the images of digits, \(1, 8, 8\): .*channels"),
        (nn.Linear(64, 10), r"the parent cannot take the images of digits, \(1, 8, 8\): "),
        (
            nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).to(torch.bfloat16),
            r"cannot take .*; it has weights in bfloat16: give parent\.float\(\)",
        ),
        (Wrapped(fails(ValueError("too small"))), "cannot take the images of digits.*: too small"),
        (Wrapped(fails(IndexError("no such axis"))), "cannot take .*: no such axis"),
        (Wrapped(fails(TypeError("no tensor"))), "cannot take .*: no tensor"),
        (Wrapped(lambda x: (x, x)), "the parent gives a tuple, not one tensor of outputs"),
        (Wrapped(lambda x: {"out": x}), "the parent gives a dict, not one tensor of outputs"),
        (Wrapped(lambda x: x[:, :7]), r"the parent gives \(7,\) values .* digits has 10 classes"),
        (nn.Conv2d(1, 10, 3), r"the parent gives \(10, 6, 6\) values an image, but digits has 10"),
        (Wrapped(lambda x: x[:, 0]), r"the parent gives \(\) values an image"),
        (Wrapped(lambda x: x * torch.nan), "outputs for images of digits are not finite"),
        (
            Wrapped(lambda x: functional.dropout(x, 0.5)),
            r"differ from call to call.* such as F\.dropout without training=self\.training",
        ),
        (
            InTraining(lambda x: (x, x)),
            "in training mode, the parent gives a tuple, .*: switch its auxiliary outputs off",
        ),
        (
            InTraining(fails(ValueError("too small"))),
            "in training mode, .* cannot take .*too small",
        ),
    ],
)
def test_parents_that_do_not_fit_are_refused(digits: Data, parent: nn.Module, message: str) -> None:
    with pytest.raises(PruneError, match=message):
        check_parent(parent, digits)
