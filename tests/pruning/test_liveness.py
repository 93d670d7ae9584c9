"""The layers and channels that live in candidates, and the sizes of candidates."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from pymoo_prune.measuring import count_macs, count_parameters
from pymoo_prune.pruning import PrunableFilters
from pymoo_prune.pruning.channel_labels import ALWAYS
from tests.support.prunable_filters import (
    assert_sizes,
    filters_of,
    random_bits,
    some_images,
)
from tests.support.small_networks import ALL, CLASSES, SHAPE, Net, conv


@pytest.mark.slow
@pytest.mark.parametrize("name", [*ALL, "densenet-bc-40", "simple-cnn"])
def test_sizes_are_those_of_the_small_networks(name: str) -> None:
    filters = filters_of(name)
    assert_sizes(filters, random_bits(filters, 25 if name in ALL else 4))
    parameters, macs = filters.complexity(np.ones((1, filters.genes.n_var), dtype=bool))
    assert parameters[0] == count_parameters(filters.whole)
    assert macs[0] == filters.all_macs == count_macs(filters.whole, filters.shape)


def test_a_layer_that_two_branches_share_goes_with_both() -> None:
    filters = filters_of("shared_stem")
    names = [layer.name for layer in filters.flow.layers]
    for pieces, there in (((0, 1, 1), True), ((1, 0, 1), True), ((0, 0, 1), False)):
        x = np.append(np.ones(filters.genes.n_filters, dtype=bool), np.array(pieces, dtype=bool))
        present = dict(zip(names, filters.present(x).tolist(), strict=True))
        assert present["before.0"] is present["before.1"] is there
        assert ("before.0" in filters.network(x).widths) is there
        assert filters.alive(x)[:4].all() == there


def test_a_population_is_what_its_members_are() -> None:
    filters = filters_of("nested")
    X = random_bits(filters, 7)
    for method in (filters.alive, filters.present):
        found = method(X)
        assert found.dtype == bool
        for x, row in zip(X, found, strict=True):
            assert np.array_equal(method(x), row)
        assert np.array_equal(method(X[:, None])[:, 0], found)
    assert filters.alive(X).shape == (7, filters.flow.count + 1)
    assert filters.alive(X)[:, ALWAYS].all()
    assert filters.present(X).shape == (7, len(filters.flow.layers))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["resnet-18", "googlenet"])
def test_large_networks(name: str) -> None:
    from thop import profile
    from thop.vision.basic_hooks import zero_ops

    filters = filters_of(name)
    X = random_bits(filters, 5)
    everything_off = np.ones((1, filters.genes.n_var), dtype=bool)
    everything_off[:, filters.genes.n_filters :] = False
    X = np.vstack([X[2:], filters.repaired(everything_off)])
    assert_sizes(filters, X)
    x = X[0]
    network, image = filters.network(x), torch.zeros(1, *filters.shape)
    (parameters,), (macs,) = filters.complexity(x[None])
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(image)
    assert counter.get_total_flops() == 2 * macs
    others = dict.fromkeys(
        (nn.BatchNorm2d, nn.AdaptiveAvgPool2d, nn.ReLU, nn.MaxPool2d, nn.AvgPool2d), zero_ops
    )
    found = profile(copy.deepcopy(network), inputs=(image,), custom_ops=others, verbose=False)
    assert found == (macs, parameters)
    for row in X[[0, -1]]:
        filters._verify(row, some_images(filters, 2))


def test_the_whole_is_the_whole_and_unused_layers_are_not_of_it() -> None:
    network = Net(
        lambda net, x: net.head(net.one(x).mean((2, 3))), one=conv(3, 4), unused=conv(3, 100),
        head=nn.Linear(4, CLASSES),
    )  # fmt: skip
    filters = PrunableFilters(network, SHAPE)
    X = np.ones((1, 4), dtype=bool)
    assert filters.complexity(X)[0][0] == count_parameters(filters.network(X[0])) == 137


def test_costs_of_filters() -> None:
    filters = filters_of("chain")
    parameters, macs = filters.filter_costs()
    # A filter of the first layer: 27 weights, its batch norm, and 6 times 9 weights behind it.
    whole = count_parameters(filters.whole)
    np.testing.assert_allclose(parameters, [(27 + 2 + 54) / whole, (36 + 1 + 2 + 20) / whole])
    np.testing.assert_allclose(
        macs, np.array([27 * 64 + 54 * 16, 36 * 16 + 20]) / filters.all_macs
    )  # fmt: skip
