"""Groups of filters that keep multiples of a number, by the kind of their layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pymoo_prune import PruneError
from pymoo_prune.data import Split
from pymoo_prune.networks import SimpleCNN
from pymoo_prune.pruning import ChannelFlow, PrunableFilters, RemovalOrders, group_steps
from pymoo_prune.recovery import ChannelRefit
from tests.support.prunable_filters import Bits, assert_sizes

SIZE = (1, 8, 8)


def network(widths: tuple[int, ...] = (8, 12, 3), hidden: int = 10) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return SimpleCNN(1, 10, SIZE[1:], widths=widths, hidden=hidden).eval()


def filters_of(multiple_of: Any, parent: nn.Module | None = None) -> PrunableFilters:
    return PrunableFilters(network() if parent is None else parent, SIZE, multiple_of)


class Mixed(nn.Module):
    """A sum of a convolution's filters and a linear layer's neurons."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.pool = nn.Conv2d(1, 24, 3), nn.AdaptiveAvgPool2d(1)
        self.line, self.last = nn.Linear(64, 24), nn.Linear(24, 10)

    def forward(self, images: Tensor) -> Tensor:
        summed = self.pool(self.conv(images)).flatten(1) + self.line(images.flatten(1))
        return self.last(summed)  # type: ignore[no-any-return]


# Steps.


@pytest.mark.parametrize(
    ("multiple_of", "steps"),
    [
        (1, ()),
        ({}, ()),
        ({"linear": 1, "attention": 4}, ()),
        (4, (4, 4, 4, 4)),
        (np.int64(4), (4, 4, 4, 4)),
        ({"convolution": 4}, (4, 4, 4, 1)),
        ({"convolution": 4, "linear": 5}, (4, 4, 4, 5)),
        ({"linear": 5, "attention": 1}, (1, 1, 1, 5)),
    ],
)
def test_the_step_of_a_group_is_its_kinds_number(multiple_of: Any, steps: tuple[int, ...]) -> None:
    assert group_steps(ChannelFlow(network(), SIZE), multiple_of) == steps
    assert filters_of(multiple_of).genes.steps == steps


def test_without_numbers_the_genes_are_the_same() -> None:
    assert filters_of({"convolution": 1}).genes == PrunableFilters(network(), SIZE).genes


def test_a_group_of_two_kinds_keeps_multiples_of_both_numbers() -> None:
    assert group_steps(ChannelFlow(Mixed(), SIZE), {"convolution": 4, "linear": 6}) == (12,)


def test_depthwise_convolutions_follow_the_layers_that_give_their_filters() -> None:
    layers = nn.Sequential(
        nn.Conv2d(1, 12, 3), nn.Conv2d(12, 12, 3, groups=12), nn.Flatten(), nn.Linear(192, 10)
    )
    assert filters_of(4, layers).genes.widths[0].tolist() == [4, 8, 12]


@pytest.mark.parametrize(
    ("multiple_of", "fragment"),
    [
        (0, "whole number of at least 1, or such numbers by kind .*but it is 0$"),
        (-8, "at least 1.*but it is -8"),
        (8.0, "must be a whole number.*but it is 8.0"),
        (0.5, "must be a whole number.*but it is 0.5"),
        (True, "must be a whole number.*but it is True"),
        ("8", "must be a whole number.*but it is '8'"),
        (None, "must be a whole number.*but it is None"),
        ([8], r"must be a whole number.*but it is \[8\]"),
        ({"convolution": 0}, "at least 1.*but it is {'convolution': 0}"),
        ({"linear": 2.5}, "at least 1.*but it is {'linear': 2.5}"),
        ({"conv": 8}, "unknown kind of filters in multiple_of 'conv'.*Did you mean 'convolution'"),
        ({8: 8}, "unknown kind of filters in multiple_of '8'; there are: attention, convolution"),
        (12, "smaller than the largest group .* largest has 12 .*'features.1.conv'.* it is 12"),
        (64, "smaller than the largest group of filters, or all of them stay whole.* it is 64"),
        ({"linear": 10}, "of kind 'linear' must be .*largest has 10 .'hidden.*but it is 10"),
        ({"convolution": 4, "linear": 16}, "of kind 'linear' must be smaller .*but it is 16"),
    ],
)
def test_numbers_that_cannot_be(multiple_of: Any, fragment: str) -> None:
    with pytest.raises(PruneError, match=fragment):
        filters_of(multiple_of)


# Chromosomes without a search.


def allowed(filters: PrunableFilters, X: Bits) -> bool:
    counts = filters.genes.counts(X).T
    return all(
        set(own.tolist()) <= set(widths.tolist())
        for own, widths in zip(counts, filters.genes.widths, strict=True)
    )


def test_all_choices_keep_the_rule() -> None:
    filters = filters_of({"convolution": 4, "linear": 5})
    shares = np.linspace(0, 1, 50)
    for X in (filters.uniform(shares), filters.overall(shares)):
        assert allowed(filters, X)
        assert len(np.unique(X, axis=0)) >= 4
        assert X[-1].all()
    counts = filters.counts(shares[:, None])
    assert [sorted(set(own.tolist())) for own in counts.T] == [[4, 8], [4, 8, 12], [3], [5, 10]]
    generator = np.random.default_rng(0)
    X = filters.repaired(generator.random((200, filters.genes.n_var)) < generator.random((200, 1)))
    assert allowed(filters, X)
    assert_sizes(filters, X[:10])


def test_the_largest_weights_are_left() -> None:
    filters, plain = filters_of(4), filters_of(1)
    X = filters.uniform(np.array([0.5]))
    order = np.argsort(-plain.strengths[:8])[:4]
    assert np.flatnonzero(X[0, :8]).tolist() == sorted(order.tolist())


def orders_of(filters: PrunableFilters) -> RemovalOrders:
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(60, *SIZE, generator=generator)
    split = Split(images, torch.zeros(60, dtype=torch.int64))
    return RemovalOrders(
        filters, ChannelRefit(filters.whole, filters.refittable(), split, centred=False)
    )


def test_prices_choose_among_multiples() -> None:
    parent = network()
    filters, plain = filters_of({"convolution": 4, "linear": 5}, parent), filters_of(1, parent)
    orders, any_number = orders_of(filters), orders_of(plain)
    prices = np.logspace(-5, 3, 60)
    costs = np.broadcast_to(filters.filter_costs()[0], (60, 4))
    found = orders.worth(prices, costs)
    for group, widths in enumerate(filters.genes.widths):
        assert set(found[:, group].tolist()) <= set(widths.tolist())
        # The best of all, by hand.
        losses, size = any_number.losses[group], filters.genes.sizes[group]
        for price, count in zip(prices, found[:, group].tolist(), strict=True):
            total = {
                width: losses[size - width] ** 1.5 + price * costs[0, group] * width
                for width in widths.tolist()
            }
            assert total[count] == pytest.approx(min(total.values()), rel=1e-12)
    assert len(np.unique(found, axis=0)) >= 4


def test_filters_that_are_missed_most_come_back_and_the_others_go() -> None:
    filters = filters_of(4)
    orders = orders_of(filters)
    x = np.ones(filters.genes.n_var, dtype=bool)
    weakest = int(np.flatnonzero(orders.ranks[:8] == 0)[0])
    latest = int(np.flatnonzero(orders.ranks[:8] == 7)[0])
    x[:8] = False
    x[[weakest, (weakest + 1) % 8]] = True
    kept = np.flatnonzero(orders.repaired(x)[:8])
    others = [g for g in np.argsort(-orders.ranks[:8]) if not x[g]][:2]
    assert sorted(kept.tolist()) == sorted([weakest, (weakest + 1) % 8, *others])
    x[:8] = True
    x[[latest, *(g for g in range(8) if orders.ranks[g] == 6)]] = False  # six of eight are left
    x[int(np.flatnonzero(orders.ranks[:8] == 5)[0])] = False  # five of eight: the weakest goes
    assert np.flatnonzero(orders.repaired(x)[:8]).tolist() == [
        g for g in range(8) if 1 <= orders.ranks[g] <= 4
    ]


def test_networks_are_verified_without_filters_of_every_group(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    verified: list[Bits] = []
    monkeypatch.setattr(PrunableFilters, "_verify", lambda _, x, images: verified.append(x))
    filters = filters_of(6)
    lost = filters.genes.counts(np.stack(verified)).min(axis=0)
    assert (lost < filters.genes.sizes).all()
