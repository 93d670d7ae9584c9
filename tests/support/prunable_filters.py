"""Filters of networks, chromosomes and images for tests of filter pruning."""

from __future__ import annotations

import copy
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pymoo_prune.measuring import count_macs, count_parameters
from pymoo_prune.networks import named_network
from pymoo_prune.pruning import PrunableFilters
from tests.support.small_networks import ALL, SHAPE, mixed, small

Bits = NDArray[np.bool_]


@cache
def filters_of(name: str) -> PrunableFilters:
    """The filters of a small network, or of one of the zoo; tests must not change them."""
    if name in ALL:
        return PrunableFilters(small(name), SHAPE)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = mixed(named_network(name, channels=1, classes=10, size=(8, 8)))
    return PrunableFilters(network, (1, 8, 8))


def random_bits(filters: PrunableFilters, n: int, seed: int = 0) -> Bits:
    """Many and few filters, many and few branches, everything, and nothing."""
    generator, genes = np.random.default_rng(seed), filters.genes
    X = generator.random((n, genes.n_var)) < generator.uniform(0, 1, (n, 1))
    pieces = generator.random((n, genes.n_pieces)) < generator.uniform(0, 1, (n, 1))
    X[:, genes.n_filters :] = pieces
    X[0], X[1] = True, False
    return filters.repaired(X)


def some_images(filters: PrunableFilters, n: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(n, *filters.shape, generator=generator, dtype=torch.float64)


def double(network: nn.Module) -> nn.Module:
    return copy.deepcopy(network).double().eval()


def outputs(network: nn.Module, images: Tensor) -> Tensor:
    with torch.no_grad():
        return network(images)  # type: ignore[no-any-return]


def assert_sizes(filters: PrunableFilters, X: Bits) -> None:
    parameters, macs = filters.complexity(X)
    assert parameters.shape == macs.shape == (len(X),)
    for x, p, m in zip(X, parameters, macs, strict=True):
        network = filters.network(x)
        assert count_parameters(network) == p
        assert count_macs(network, filters.shape) == m
        widths = filters.widths(x)
        assert widths == {
            name: both[1] for name, both in network.widths.items() if len(both) == 2
        }  # fmt: skip
