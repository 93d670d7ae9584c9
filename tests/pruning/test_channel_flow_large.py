"""Large networks: known numbers of filters, and another library's groups."""

from __future__ import annotations

from collections import Counter
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn
from torchvision import models

from pymoo_prune.networks import named_network
from pymoo_prune.pruning import PrunableFilters
from tests.support.small_networks import mixed


def named(name: str) -> nn.Module:
    return named_network(name, channels=1, classes=10, size=(8, 8))


def mobilenet() -> nn.Module:
    return models.mobilenet_v2(num_classes=10)


def mobilenet_v3() -> nn.Module:
    return models.mobilenet_v3_small(num_classes=10)


def vgg() -> nn.Module:
    network = models.vgg11_bn(num_classes=10, init_weights=False)
    network.classifier = nn.Sequential(nn.Linear(25088, 8), nn.ReLU(), nn.Linear(8, 10))
    return network


@cache
def large(name: str) -> PrunableFilters:
    """Tests share these, and must not change them."""
    others = {"mobilenet": mobilenet, "mobilenet-v3": mobilenet_v3, "vgg": vgg}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if name in others:
            return PrunableFilters(mixed(others[name]()), (3, 32, 32))
        return PrunableFilters(mixed(named(name)), (1, 8, 8))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "filters", "pieces", "alternatives"),
    [
        ("resnet-18", 2880, 8, 0),
        ("googlenet", 7280, 36, 9),
        ("simple-cnn", 352, 0, 0),
        ("mobilenet", 9128, 10, 0),
        ("mobilenet-v3", 4872, 6, 0),
        ("vgg", 2752 + 8, 0, 0),
    ],
)
def test_numbers_of_genes(name: str, filters: int, pieces: int, alternatives: int) -> None:
    genes = large(name).genes
    assert genes.n_filters == filters
    assert genes.n_pieces == pieces
    assert len(genes.alternatives) == alternatives


def test_groups_and_blocks_of_resnet_18() -> None:
    filters = large("resnet-18")
    genes = filters.genes
    # Residual streams of four stages, and the first convolutions of eight blocks.
    assert genes.sizes == (64, 64, 64, 128, 128, 128, 256, 256, 256, 512, 512, 512)
    assert genes.blocks == (0, 1, 2, 3, 3, 4, 5, 5, 6, 7, 7, 8)
    assert genes.piece_blocks == tuple(range(1, 9))
    names = [piece.name for piece in filters.flow.pieces]
    assert names == [f"network.layer{s}.{b}" for s in (1, 2, 3, 4) for b in (0, 1)]
    assert all(piece.residual for piece in filters.flow.pieces)


def test_groups_and_blocks_of_googlenet() -> None:
    filters = large("googlenet")
    genes = filters.genes
    assert len(genes.sizes) == 3 + 9 * 6
    assert genes.alternatives == tuple(tuple(range(4 * k, 4 * k + 4)) for k in range(9))
    assert genes.piece_blocks == tuple(np.repeat(np.arange(3, 12), 4).tolist())
    assert Counter(genes.blocks) == {0: 1, 1: 1, 2: 1, **dict.fromkeys(range(3, 12), 6)}
    assert not any(piece.residual for piece in filters.flow.pieces)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["resnet-18", "googlenet", "mobilenet", "vgg"])
def test_groups_are_those_that_another_library_finds(name: str) -> None:
    import torch_pruning

    filters = large(name)
    network = filters.whole
    graph = torch_pruning.DependencyGraph()
    graph.build_dependency(network, example_inputs=torch.zeros(2, *filters.shape))
    last = filters.flow.layers[-1].name
    kinds = nn.Conv2d, nn.Linear
    expected = set()
    for group in graph.get_all_groups(
        ignored_layers=[network.get_submodule(last)], root_module_types=kinds
    ):
        givers = {
            item.dep.target.name.split(" ")[0]
            for item in group
            if graph.is_out_channel_pruning_fn(item.dep.handler)
            and isinstance(item.dep.target.module, kinds)
            and getattr(item.dep.target.module, "groups", 1) == 1
        }
        expected.add((frozenset(givers), len(group[0].idxs)))
    found = set()
    flow, genes = filters.flow, filters.genes
    for start, size in zip(genes.starts.tolist(), genes.sizes, strict=True):
        givers = {flow.layers[place].name for place in flow.givers[start]}
        found.add((frozenset(givers), size))
    assert len(found) == len(genes.sizes)
    assert found == expected
