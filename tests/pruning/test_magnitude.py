from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils import prune

from pymoo_prune.errors import PruneError
from pymoo_prune.measuring import count_macs, count_parameters
from pymoo_prune.networks import CifarResNet
from pymoo_prune.pruning import MagnitudeOrder

SHAPE = (1, 8, 8)
POSITIONS = (64, 9, 1)
LAYER_NAMES = ("0", "3", "6")


def tiny(seed: int, *, ties: bool = True) -> nn.Module:
    """Three layers; with ties, their weights have few values, 0 among them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(),
            nn.Conv2d(4, 6, 3, stride=2, groups=2, bias=False), nn.ReLU(),
            nn.Flatten(), nn.Linear(54, 10),
        )  # fmt: skip
        if ties:
            values = torch.tensor([-2.0, -1.0, -0.5, 0.0, 0.0, 0.5, 1.0])
            for name in LAYER_NAMES:
                weight = at(network, name).weight
                weight.data = values[torch.randint(len(values), weight.shape)]
    return network


def at(network: nn.Module, name: str) -> Any:
    return network.get_submodule(name)


def left(weight: Tensor, pruned: int) -> Tensor:
    """The remaining weights, found one by one."""
    flat = weight.flatten().tolist()
    order = sorted((abs(w), place) for place, w in enumerate(flat) if w != 0)
    gone = {place for _, place in order[:pruned]}
    mask = [w != 0 and place not in gone for place, w in enumerate(flat)]
    return torch.tensor(mask).reshape(weight.shape)


def masked(network: nn.Module, order: MagnitudeOrder, counts: Any) -> nn.Module:
    result = copy.deepcopy(network)
    for layer, (name, pruned) in enumerate(zip(order.names, counts, strict=True)):
        at(result, name).weight.data = order.weight(layer, int(pruned))
    return result


def some_counts(order: MagnitudeOrder, seed: int, n: int = 5) -> Any:
    return np.random.default_rng(seed).integers(0, order.counts, (n, len(order)), endpoint=True)


@pytest.fixture(scope="module")
def resnet() -> CifarResNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return CifarResNet(8, 1, 10)


@given(st.integers(0, 10**6), st.booleans(), st.floats(0, 1))
def test_the_smallest_weights_of_each_layer_go(seed: int, ties: bool, share: float) -> None:
    network = tiny(seed, ties=ties)
    order = MagnitudeOrder(network, SHAPE)
    for layer, name in enumerate(order.names):
        weight = at(network, name).weight.detach()
        for pruned in {0, 1, round(share * order.counts[layer]), int(order.counts[layer])}:
            mask = order.mask(layer, pruned)
            assert mask.dtype == torch.bool
            assert torch.equal(mask, left(weight, pruned))
            assert torch.equal(order.weight(layer, pruned), weight * mask)
            assert int((order.weight(layer, pruned) != 0).sum()) == order.counts[layer] - pruned


@given(st.integers(0, 10**6), st.booleans())
def test_complexity_is_that_of_the_masked_network(seed: int, ties: bool) -> None:
    network = tiny(seed, ties=ties)
    order = MagnitudeOrder(network, SHAPE)
    counts = some_counts(order, seed)
    parameters, macs = order.complexity(counts)
    for row, mine, cost in zip(counts, parameters, macs, strict=True):
        pruned = masked(network, order, row)
        weights = [int(at(pruned, name).weight.count_nonzero()) for name in LAYER_NAMES]
        others = sum(p.numel() for p in network.parameters() if p.ndim == 1)
        assert mine == sum(weights) + others
        assert cost == sum(n * places for n, places in zip(weights, POSITIONS, strict=True))
    assert order.uncounted == others == 4 + 4 + 4 + 10


def test_nothing_pruned_is_the_network(resnet: CifarResNet) -> None:
    order = MagnitudeOrder(resnet, SHAPE)
    parameters, macs = order.complexity(np.zeros((1, len(order)), dtype=np.int64))
    assert parameters.tolist() == [count_parameters(resnet)] == [order.all_parameters]
    assert macs.tolist() == [count_macs(resnet, SHAPE)]
    assert order.names == [
        path
        for path, module in resnet.named_modules()
        if isinstance(module, (nn.Conv2d, nn.Linear))
    ]


def test_zeros_of_an_earlier_pruning_are_no_parameters_wherever_they_are() -> None:
    network = tiny(1, ties=False)
    with torch.no_grad():
        at(network, "3").weight.zero_()
        at(network, "6").weight[:, :10] = 0
    order = MagnitudeOrder(network, SHAPE)
    assert order.names == ["0", "6"]
    assert order.counts.tolist() == [36, 440]
    nonzero = 36 + 440 + 4 + 4 + 4 + 10
    assert order.parameters == nonzero
    assert order.complexity(np.array([[0, 0], [36, 440]]))[0].tolist() == [nonzero, 22]
    assert order.all_parameters == count_parameters(network)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.87, 0.99, 1.0])
def test_smallest_is_global_magnitude_pruning(resnet: CifarResNet, share: float) -> None:
    order = MagnitudeOrder(resnet, SHAPE)
    counts = order.smallest(np.array([share]))
    other = copy.deepcopy(resnet)
    pairs = [(at(other, name), "weight") for name in order.names]
    prune.global_unstructured(pairs, prune.L1Unstructured, amount=share)
    for layer, (module, _) in enumerate(pairs):
        assert torch.equal(order.mask(layer, int(counts[0, layer])), module.weight_mask.bool())
    assert counts.sum() == round(share * order.counts.sum())


@given(st.integers(0, 10**6), st.lists(st.floats(0, 1), min_size=1, max_size=4))
def test_smallest_takes_as_many_as_it_should_and_none_before_a_smaller_one(
    seed: int, shares: list[float]
) -> None:
    order = MagnitudeOrder(tiny(seed), SHAPE)
    counts = order.smallest(np.array(shares))
    assert counts.dtype == np.int64
    assert counts.shape == (len(shares), len(order))
    for share, row in zip(shares, counts, strict=True):
        assert row.sum() == round(share * order.counts.sum())
        gone = [sizes[:k] for sizes, k in zip(order.magnitudes, row, strict=True)]
        kept = [sizes[k:] for sizes, k in zip(order.magnitudes, row, strict=True)]
        assert np.concatenate(gone).max(initial=0) <= np.concatenate(kept).min(initial=np.inf)


def test_uniform_takes_the_same_share_of_each_layer_or_one_for_each() -> None:
    order = MagnitudeOrder(tiny(0, ties=False), SHAPE)
    assert order.counts.tolist() == [36, 108, 540]
    shares = np.array([0.0, 0.25, 0.999, 1.0])
    assert order.uniform(shares).tolist() == [
        [0, 0, 0], [9, 27, 135], [36, 108, 539], [36, 108, 540],
    ]  # fmt: skip
    assert order.uniform(np.array([[0.5, 0.25, 0.1]])).tolist() == [[18, 27, 54]]


@given(st.integers(0, 10**6))
def test_below_counts_what_is_smaller_and_not_what_is_equal(seed: int) -> None:
    order = MagnitudeOrder(tiny(seed), SHAPE)
    thresholds = np.random.default_rng(seed).choice([0.0, 0.3, 0.5, 1.0, 1.5, 2.0, 9.0], (6, 3))
    thresholds[0] = 0.5
    counts = order.below(thresholds)
    assert counts.dtype == np.int64
    for row, limits in zip(counts, thresholds, strict=True):
        for weight, found, limit in zip(order.weights, row, limits, strict=True):
            assert found == int(((weight.abs() < limit) & (weight != 0)).sum())
    assert counts[0].tolist() == [0, 0, 0]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused_with_their_layer(value: float) -> None:
    network = tiny(0)
    at(network, "3").weight.data[1, 1, 0, 2] = value
    with pytest.raises(PruneError, match=r"layer '3' has weights that are not finite"):
        MagnitudeOrder(network, SHAPE)


def test_a_network_with_nothing_to_prune_is_refused() -> None:
    with pytest.raises(PruneError, match=r"a Sequential has nothing to prune"):
        MagnitudeOrder(nn.Sequential(nn.BatchNorm2d(1), nn.Flatten()), SHAPE)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    nn.init.zeros_(network[1].weight)  # type: ignore[arg-type]
    with pytest.raises(PruneError, match=r"a Sequential has nothing to prune"):
        MagnitudeOrder(network, SHAPE)


class Idle(nn.Module):
    """One layer is called twice, another never."""

    def __init__(self) -> None:
        super().__init__()
        self.spare, self.twice, self.last = nn.Linear(3, 3), nn.Linear(64, 64), nn.Linear(64, 10)

    def forward(self, images: Tensor) -> Tensor:
        return self.last(self.twice(self.twice(images.flatten(1))))  # type: ignore[no-any-return]


def test_layers_that_are_never_called_are_left_out() -> None:
    network = Idle()
    order = MagnitudeOrder(network, SHAPE)
    assert order.names == ["twice", "last"]
    assert order.positions.tolist() == [2, 1]
    assert order.parameters == count_parameters(network)
    assert order.uncounted == 12 + 64 + 10


def test_the_network_is_not_changed() -> None:
    network = tiny(0).train()
    at(network, "1").eval()
    before = copy.deepcopy(network.state_dict())
    order = MagnitudeOrder(network, SHAPE)
    for weight in order.weights:
        weight.zero_()
    order.weight(0, 3).zero_()
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert [module.training for module in network] == [True, False, *[True] * 5]
    assert not any(weight.requires_grad for weight in order.weights)
