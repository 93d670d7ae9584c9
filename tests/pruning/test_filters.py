"""Filters and branches as chromosomes: refits of what is left, and choices without a search."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pymoo_prune.data import Split
from pymoo_prune.measuring import count_parameters
from pymoo_prune.networks import SlimNetwork
from pymoo_prune.pruning import PrunableFilters
from pymoo_prune.recovery import ChannelRefit
from tests.support.prunable_filters import (
    filters_of,
    random_bits,
)
from tests.support.small_networks import CLASSES, SHAPE, conv, mixed, small, unit

# The refit.


def unfolded(layer: nn.Conv2d, images: Tensor) -> NDArray[np.float64]:
    patches = functional.unfold(images, 3, padding=1, stride=layer.stride)  # type: ignore[arg-type]
    return patches.mT.flatten(0, 1).double().numpy()  # type: ignore[no-any-return]


def refitted() -> tuple[PrunableFilters, ChannelRefit, Split]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = mixed(
            nn.Sequential(
                unit(3, 6), conv(6, 5, bias=False, stride=2), nn.BatchNorm2d(5), nn.ReLU(),
                conv(5, 4, groups=1), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
                nn.Linear(16, CLASSES),
            )
        )  # fmt: skip
        split = Split(torch.randn(90, *SHAPE), torch.zeros(90, dtype=torch.int64))
    filters = PrunableFilters(network, SHAPE)
    refit = ChannelRefit(
        network, filters.refittable(), split, centred=False, positions=1000, ridge=1e-9
    )
    return filters, refit, split


def test_refitted_layers_have_the_least_squares_weights() -> None:
    filters, refit, split = refitted()
    x = np.ones(15, dtype=bool)
    x[[1, 4, 8, 12]] = False
    small = filters.network(x, refit)
    network: Any = filters.whole
    with torch.no_grad():
        rows = unfolded(network[1], network[0](split.images))
    kept = np.repeat(x[:6], 9)
    weight = network[1].weight.detach().flatten(1).double().numpy()
    expected = np.linalg.lstsq(rows[:, kept], rows @ weight.T, rcond=None)[0].T[x[6:11]]
    found = small.network.get_parameter("1.weight").detach().flatten(1).numpy()
    np.testing.assert_allclose(found, expected, atol=2e-5)
    # The plain cut differs, and is further from the parent's outputs.
    gap = rows[:, kept] @ (found - weight[x[6:11]][:, kept]).T
    assert np.abs(gap).max() > 0.05
    # The linear layer has a bias, and reads each channel four times.
    with torch.no_grad():
        inputs = network[:-1](split.images).double().numpy()
    kept = np.repeat(x[11:], 4)
    ones = np.ones((len(inputs), 1))
    weight, bias = (p.detach().double().numpy() for p in network[8].parameters())
    solved = np.linalg.lstsq(
        np.hstack([inputs[:, kept], ones]), inputs @ weight.T + bias, rcond=None
    )[0].T
    last: Any = small.network.get_submodule("8")
    np.testing.assert_allclose(last.weight.detach().numpy(), solved[:, :-1], atol=1e-3)
    np.testing.assert_allclose(last.bias.detach().numpy(), solved[:, -1], atol=1e-3)


def test_layers_that_lost_nothing_that_they_read_keep_their_weights() -> None:
    filters, refit, _ = refitted()
    assert filters.refittable() == ["1", "4", "8"]
    x = np.ones(15, dtype=bool)
    x[[6, 7]] = False  # of the second layer: read by the third
    plain, found = filters.network(x), filters.network(x, refit)
    state = plain.state_dict()
    changed = {
        name for name, value in found.state_dict().items() if not torch.equal(value, state[name])
    }
    assert changed == {"network.4.weight", "network.4.bias"}
    assert found.widths == plain.widths
    parent: Any = filters.whole
    assert torch.equal(found.network.get_parameter("8.weight"), parent[8].weight)


def test_without_statistics_of_a_layer_it_is_cut() -> None:
    filters, _, split = refitted()
    refit = ChannelRefit(filters.whole, ["8"], split, centred=False)
    x = filters.repaired(np.arange(15) % 3 > 0)
    plain, found = filters.network(x).state_dict(), filters.network(x, refit).state_dict()
    changed = {name for name, value in found.items() if not torch.equal(value, plain[name])}
    assert changed == {"network.8.weight", "network.8.bias"}


def test_layers_that_can_be_refitted() -> None:
    assert filters_of("depthwise").refittable() == ["3", "10"]
    assert filters_of("onto_the_image").refittable() == ["back", "one", "three", "two"]
    network = nn.Sequential(
        conv(3, 4), conv(4, 4, dilation=2), conv(4, 140), conv(140, 4, padding_mode="reflect"),
        nn.Conv2d(4, 150, 3), nn.Conv2d(150, 4, 3), nn.Flatten(), nn.LazyLinear(5),
    )  # fmt: skip
    network(torch.zeros(2, 3, 16, 16))
    assert PrunableFilters(network, (3, 16, 16)).refittable() == ["2", "4", "7"]


# Choices without a search.


def by_weight() -> PrunableFilters:
    """Two groups whose filters are of known strength."""
    network = nn.Sequential(conv(3, 4), nn.ReLU(), conv(4, 5), nn.Flatten(), nn.Linear(320, 5))
    with torch.no_grad():
        for layer, sizes in ((network[0], [2, 4, 1, 3]), (network[2], [10, 50, 30, 20, 40])):
            signs = torch.where(torch.arange(layer.weight[0].numel()) % 2 == 0, 1, -1)
            for filter_, size in zip(layer.weight, sizes, strict=True):  # type: ignore[arg-type]
                filter_[...] = (size * signs).reshape(filter_.shape)
    return PrunableFilters(network, SHAPE)


def test_strengths_are_mean_sizes_of_weights() -> None:
    assert by_weight().strengths.tolist() == [2, 4, 1, 3, 10, 50, 30, 20, 40]
    # A filter of several layers has the mean of theirs, a piece that of its layers.
    filters = filters_of("residual")
    network: Any = filters.whole
    norms = {
        name: network.get_submodule(name).weight.detach().abs().mean((1, 2, 3)).numpy()
        for name in ("stem", "a", "b", "second.0")
    }
    expected = [
        *((norms["stem"] + norms["b"] + norms["second.0"]) / 3), *norms["a"],
        (norms["a"].mean() + norms["b"].mean()) / 2, norms["second.0"].mean(),
    ]  # fmt: skip
    np.testing.assert_allclose(filters.strengths, expected, rtol=1e-6)


def test_strengths_of_zeros_and_of_half_precision() -> None:
    network = small("nested")
    with torch.no_grad():
        network.get_parameter("inner.0.weight").zero_()
    filters = PrunableFilters(network, SHAPE)
    assert filters.strengths[filters.genes.n_filters] == 0
    half = PrunableFilters(network.bfloat16(), SHAPE)
    np.testing.assert_allclose(half.strengths, filters.strengths, rtol=0.02)


def test_the_strongest_of_each_group_are_left() -> None:
    filters = by_weight()
    shares = np.array([0, 0.2, 0.5, 0.75, 1])
    found = filters.uniform(shares)
    assert found.astype(int).tolist() == [
        [0, 1, 0, 0, 0, 1, 0, 0, 0],
        [0, 1, 0, 0, 0, 1, 0, 0, 0],
        [0, 1, 0, 1, 0, 1, 0, 0, 1],
        [1, 1, 0, 1, 0, 1, 1, 1, 1],
        [1, 1, 1, 1, 1, 1, 1, 1, 1],
    ]
    assert filters.counts(shares[:, None]).tolist() == [[1, 1], [1, 1], [2, 2], [3, 4], [4, 5]]
    assert filters.counts(np.array([0.25, 0.6])).tolist() == [1, 3]


def test_the_strongest_of_all_are_left() -> None:
    filters = by_weight()
    # Relative to the means of their groups, 2.5 and 30:
    # 0.8, 1.6, 0.4, 1.2 and 1/3, 5/3, 1, 2/3, 4/3.
    found = filters.overall(np.array([0, 2 / 9, 4 / 9, 6 / 9, 1]))
    assert found.astype(int).tolist() == [
        [0, 1, 0, 0, 0, 1, 0, 0, 0],
        [0, 1, 0, 0, 0, 1, 0, 0, 0],
        [0, 1, 0, 1, 0, 1, 0, 0, 1],
        [1, 1, 0, 1, 0, 1, 1, 0, 1],
        [1, 1, 1, 1, 1, 1, 1, 1, 1],
    ]


@pytest.mark.parametrize("name", ["nested", "excitation", "interwoven", "densenet-bc-40"])
@pytest.mark.parametrize("kind", ["uniform", "overall"])
def test_shares_leave_ever_more(name: str, kind: str) -> None:
    filters = filters_of(name)
    shares = np.linspace(0, 1, 21)
    found = getattr(filters, kind)(shares)
    assert found.shape == (21, filters.genes.n_var)
    assert found.dtype == bool
    assert found[-1].all()
    assert filters.genes.pieces(found).all()
    assert (found[1:] >= found[:-1]).all()
    counts = filters.genes.counts(found)
    assert counts.min() == 1
    if kind == "uniform":
        assert (counts[0] == 1).all()
        assert np.array_equal(counts, filters.counts(shares[:, None]))
    else:
        left = found[:, : filters.genes.n_filters].sum(axis=1)
        assert (left >= np.rint(shares * filters.genes.n_filters)).all()
    parameters, macs = filters.complexity(found)
    assert (np.diff(parameters) >= 0).all()
    assert (np.diff(macs) >= 0).all()


def test_the_nearest_in_size() -> None:
    filters = filters_of("nested")
    family = filters.uniform(np.linspace(0, 1, 9))
    sizes = filters.complexity(family)[0] / count_parameters(filters.whole)
    wanted = np.array([1, 0.5, 1e-6, sizes[3] * 1.001, sizes[3] / 1.001, 2])
    found = filters.nearest(family, wanted)
    assert found.dtype == np.int64
    assert found.tolist() == [
        int(np.abs(np.log(sizes / share)).argmin()) for share in wanted
    ]  # fmt: skip
    assert family[found[[0, 5]]].all()
    assert found[2:5].tolist() == [0, 3, 3]
    # As ratios: a half of the wanted size is as far away as twice the wanted size.
    half, twice = filters.complexity(family[[0, 8]])[0] / count_parameters(filters.whole)
    middle = np.sqrt(half * twice)
    assert filters.nearest(family[[0, 8]], np.array([middle * 1.01, middle / 1.01])).tolist() == [
        1, 0
    ]  # fmt: skip


def test_empty_groups_get_their_strongest_filter_back() -> None:
    filters = by_weight()
    x = np.zeros(9, dtype=bool)
    assert np.flatnonzero(filters.repaired(x)).tolist() == [1, 5]
    assert not x.any()
    x[0] = True
    assert np.flatnonzero(filters.repaired(x)).tolist() == [0, 5]
    # Of the alternatives only the strongest comes back.
    deep = filters_of("shared_stem")
    found = deep.repaired(np.zeros((2, deep.genes.n_var), dtype=bool))
    pieces = deep.strengths[deep.genes.n_filters :]
    assert np.flatnonzero(deep.genes.pieces(found)[0]).tolist() == [pieces.argmax()]
    assert deep.genes.counts(found).tolist() == [[1, 1, 1, 1]] * 2


def test_with_branches_all_of_them_are_there() -> None:
    filters = filters_of("nested")
    kept = np.zeros((3, filters.genes.n_filters), dtype=bool)
    found = filters.with_branches(kept)
    assert found.shape == (3, filters.genes.n_var)
    assert filters.genes.pieces(found).all()
    assert not filters.genes.filters(found).any()


# Side effects.


@pytest.mark.usefixtures("untouched_global_generators")
def test_nothing_here_draws_a_global_random_number() -> None:
    filters = PrunableFilters(small("nested"), SHAPE)
    network = filters.network(random_bits(filters, 3)[2])
    assert isinstance(network, SlimNetwork)
    filters.verify(seed=3)


def test_activations_are_not_kept() -> None:
    flow = filters_of("residual").flow
    assert [node.op for node in flow.env] == ["output"]
