from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from pymoo_prune.data import Data, Split
from pymoo_prune.measuring import accuracy
from pymoo_prune.networks import FeedForward


class Predicts(nn.Module):
    """Predicts the class that the pixel says."""

    def forward(self, images: Tensor) -> Tensor:
        return nn.functional.one_hot(images.flatten().long(), 10).float()


def split(predicted: list[int], labels: list[int]) -> Split:
    images = torch.tensor(predicted, dtype=torch.float32).reshape(-1, 1, 1, 1)
    return Split(images, torch.tensor(labels))


def test_accuracy_is_the_exact_share() -> None:
    assert accuracy(Predicts(), split([0, 1, 2, 3, 4, 5, 6], [0, 1, 2, 0, 0, 0, 0])) == 3 / 7
    assert accuracy(Predicts(), split([1], [1])) == 1
    assert accuracy(Predicts(), split([1], [2])) == 0


@pytest.mark.parametrize("batch_size", [1, 7, 100, 239, 240, 10_000])
def test_the_batch_size_does_not_matter(digits: Data, parent: FeedForward, batch_size: int) -> None:
    images, labels = digits.validation.images, digits.validation.labels
    plain = sum(
        int(parent(image[None]).argmax()) == int(label)
        for image, label in zip(images, labels, strict=True)
    )
    assert accuracy(parent, digits.validation, batch_size=batch_size) == plain / len(labels)


@pytest.mark.parametrize("training", [True, False])
def test_networks_are_measured_in_evaluation_mode_and_left_in_theirs(
    digits: Data, training: bool
) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Flatten(), nn.BatchNorm1d(64), nn.Dropout(0.9), nn.Linear(64, 10)
    ).train(training)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    first = accuracy(network, digits.validation)
    assert accuracy(network, digits.validation, batch_size=50) == first  # no dropout
    assert all(module.training is training for module in network.modules())
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name  # no running statistics either


def test_layers_in_a_mode_of_their_own_stay_in_it(digits: Data) -> None:
    # A frozen batch norm is in evaluation mode in a network in training mode.
    network = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.Linear(64, 10)).train()
    network[1].eval()
    accuracy(network, digits.validation)
    assert [module.training for module in network] == [True, False, True]


def test_no_graph_is_made() -> None:
    graphs: list[bool] = []

    class Probe(Predicts):
        def forward(self, images: Tensor) -> Tensor:
            graphs.append(torch.is_grad_enabled())
            return super().forward(images)

    accuracy(Probe(), split([1, 2], [1, 1]))
    assert graphs == [False]
    assert torch.is_grad_enabled()
