"""The order in which removed filters are missed least."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pymoo_prune.data import Data, Split
from pymoo_prune.networks import FeedForward
from pymoo_prune.pruning import (
    ChannelLayer,
    PrunableFilters,
    RemovalOrders,
    least_missed_order,
    removal,
)
from pymoo_prune.pruning.channel_labels import ALWAYS
from pymoo_prune.recovery import ChannelRefit, DenseRefit
from pymoo_prune.recovery.moments import MOST_INPUTS
from pymoo_prune.training import Recipe, trained
from tests.support.small_networks import ALL, CLASSES, SHAPE, Net, conv, mixed, small, unit

Floats = NDArray[np.float64]


def statistics(
    filters: PrunableFilters, split: Split, names: list[str] | None = None, **options: Any
) -> ChannelRefit:
    names = filters.refittable() if names is None else names
    options = {"centred": False, "positions": 1000, **options}
    return ChannelRefit(filters.whole, names, split, **options)


def random_split(n: int = 70, seed: int = 0) -> Split:
    images = torch.randn(n, *SHAPE, generator=torch.Generator().manual_seed(seed))
    return Split(images, torch.zeros(n, dtype=torch.int64))


# Comparison with a loop that solves from scratch each time.


def least_squares_loss(gram: Floats, weight: Floats, gone: list[int], ridge: float) -> float:
    """The least loss that the remaining weights can reach.

    The minimum of (w - v) G (w - v), where G has the ridge on its diagonal and v is 0 where inputs
    are gone.
    """
    full = gram + ridge * np.eye(len(gram))
    left = np.setdiff1d(np.arange(len(gram)), gone)
    change = np.zeros_like(weight)  # v - w
    change[gone] = -weight[gone]
    if len(left):
        change[left] = np.linalg.solve(
            full[np.ix_(left, left)], -full[np.ix_(left, gone)] @ change[gone]
        )
    return float((change * (full @ change)).sum())


def brute_force(
    readers: list[tuple[Floats, Floats, list[list[int]], float]], size: int
) -> tuple[list[int], list[float]]:
    """Order and losses if each time the filter goes whose absence costs least."""
    order: list[int] = []
    losses = [0.0]

    def loss(gone: list[int]) -> float:
        found = []
        for gram, weight, columns, ridge in readers:
            power = float((weight * (gram @ weight)).sum())
            places = [place for filter_ in gone for place in columns[filter_]]
            found.append(least_squares_loss(gram, weight, places, ridge) / power)
        return float(np.mean(found))

    while len(order) < size - 1:
        costs = {k: loss([*order, k]) for k in range(size) if k not in order}
        best = min(costs, key=costs.__getitem__)
        order.append(best)
        losses.append(costs[best])
    return [*order, *(k for k in range(size) if k not in order)], losses


def reader(
    refit: ChannelRefit, network: nn.Module, name: str, columns: list[list[int]]
) -> tuple[Floats, Floats, list[list[int]], float]:
    gram = refit.grams[name]
    ridge = float((gram.ridged - gram.products).diagonal().mean())
    weight = network.get_parameter(f"{name}.weight").detach().flatten(1).double().T
    return gram.products.numpy(), weight.numpy(), columns, ridge


def assert_same(orders: RemovalOrders, group: int, expected: tuple[list[int], list[float]]) -> None:
    genes = orders.filters.genes
    start, size = genes.starts[group], genes.sizes[group]
    ranks = orders.ranks[start : start + size]
    assert np.argsort(ranks).tolist() == expected[0]
    np.testing.assert_allclose(orders.losses[group], expected[1], rtol=1e-6, atol=1e-12)


def correlated(width: int, seed: int = 0) -> Net:
    """A convolution of correlated filters, before a linear layer."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = mixed(
            Net(
                lambda net, x: net.head(net.one(x).mean((2, 3))), one=unit(3, width),
                head=nn.Linear(width, CLASSES),
            )
        )  # fmt: skip
    weight: Any = network.one[0].weight  # type: ignore[union-attr, index]
    with torch.no_grad():
        weight += weight.mean(dim=0)
    return network  # type: ignore[return-value]


@pytest.mark.slow
@pytest.mark.parametrize("width", [1, 2, 4, 6])
@pytest.mark.parametrize("ridge", [1e-6, 0.05, 1.0])
@pytest.mark.parametrize("centred", [False, True])
def test_a_linear_layers_inputs_go_as_a_loop_finds(width: int, ridge: float, centred: bool) -> None:
    network = correlated(width)
    filters = PrunableFilters(network, SHAPE)
    refit = statistics(filters, random_split(), ridge=ridge, centred=centred)
    orders = RemovalOrders(filters, refit)
    assert sorted(orders.ranks.tolist()) == list(range(width))
    columns = [[k] for k in range(width)]
    assert_same(orders, 0, brute_force([reader(refit, network, "head", columns)], width))


def test_filters_of_several_readers_and_several_taps_go_as_a_loop_finds() -> None:
    network = small("nested")
    filters = PrunableFilters(network, SHAPE)
    refit = statistics(filters, random_split())
    orders = RemovalOrders(filters, refit)

    def taps(first: int, n: int, size: int = 9) -> list[list[int]]:
        return [list(range(size * k, size * k + size)) for k in range(first, first + n)]

    stem = [
        reader(refit, network, "enter.0", taps(0, 4)),
        reader(refit, network, "beside.0", taps(0, 4)),
        reader(refit, network, "head", taps(0, 4, 1)),
    ]
    assert_same(orders, 0, brute_force(stem, 4))
    inner = [
        reader(refit, network, "inner.0", taps(0, 3)),
        reader(refit, network, "leave", taps(0, 3)),
    ]
    assert_same(orders, 1, brute_force(inner, 3))
    assert_same(orders, 2, brute_force([reader(refit, network, "leave", taps(3, 2))], 2))


def test_filters_of_flattened_pixels_go_as_a_loop_finds() -> None:
    network = small("chain")
    filters = PrunableFilters(network, SHAPE)
    refit = statistics(filters, random_split())
    pixels = [list(range(4 * k, 4 * k + 4)) for k in range(6)]
    expected = brute_force([reader(refit, network, "9", pixels)], 6)
    assert_same(RemovalOrders(filters, refit), 1, expected)


def test_filters_that_are_read_twice_by_one_layer_go_as_a_loop_finds() -> None:
    def run(net: Any, x: Tensor) -> Tensor:
        x = net.stem(x)
        halves = torch.cat([x, x], 1) + net.wide(x)
        return net.head(torch.cat([halves, net.other(x)], 1).mean((2, 3)))

    network = mixed(
        Net(run, stem=unit(3, 4), wide=unit(4, 8), other=unit(4, 2), head=nn.Linear(10, CLASSES))
    )
    filters = PrunableFilters(network, SHAPE)
    refit = statistics(filters, random_split())
    orders = RemovalOrders(filters, refit)
    taps = [list(range(9 * k, 9 * k + 9)) for k in range(4)]
    readers = [
        reader(refit, network, "wide.0", taps),
        reader(refit, network, "other.0", taps),
        reader(refit, network, "head", [[k, k + 4] for k in range(4)]),
    ]
    assert_same(orders, 0, brute_force(readers, 4))


def test_groups_that_are_read_in_part() -> None:
    layer = ChannelLayer("", np.array([6, 3, 6, 7, 3, 3]), np.array([ALWAYS]), 2, 1, 0, "")
    columns = removal._columns(layer, np.array([3, 6, 7, 8]))
    assert columns.tolist() == [
        [2, 3, 8, 9, 10, 11], [0, 1, 4, 5, -1, -1], [6, 7, -1, -1, -1, -1], [-1] * 6
    ]  # fmt: skip
    generator = np.random.default_rng(0)
    rows = generator.standard_normal((50, 12)) @ generator.standard_normal((12, 12))
    gram, weight = rows.T @ rows / 50, generator.standard_normal((12, 3))
    power = float((weight * (gram @ weight)).sum())
    tensors = torch.from_numpy(np.linalg.inv(gram)), torch.from_numpy(weight)
    order, losses = removal._taken_apart([removal._Reader(*tensors, columns, power)], 4, 1)
    places = [[place for place in row if place >= 0] for row in columns.tolist()]
    expected = brute_force([(gram, weight, places, 0.0)], 4)
    assert order.tolist() == expected[0]
    assert order[0] == 3  # no layer reads it
    np.testing.assert_allclose(losses, expected[1], rtol=1e-6, atol=1e-9)


def test_a_network_whose_groups_are_read_in_part() -> None:
    # The first filters of a group are added to one branch, the others to another.
    def run(net: Any, x: Tensor) -> Tensor:
        x = net.stem(x)
        both = torch.cat([net.a(x), net.b(x)], 1) + x
        return net.head(torch.cat([net.c(net.a_again(both)), both], 1).mean((2, 3)))

    network = mixed(
        Net(
            run, stem=unit(3, 5), a=unit(5, 2), b=unit(5, 3), a_again=unit(5, 2), c=unit(2, 2),
            head=nn.Linear(7, CLASSES),
        )
    )  # fmt: skip
    filters = PrunableFilters(network, SHAPE)
    assert filters.genes.sizes[:2] == (2, 3)
    refit = statistics(filters, random_split())
    orders = RemovalOrders(filters, refit)
    for group, (first, size) in enumerate([(0, 2), (2, 3)]):
        each = range(first, first + size)
        taps = [list(range(9 * k, 9 * k + 9)) for k in each]
        readers = [reader(refit, network, f"{name}.0", taps) for name in ("a", "b", "a_again")]
        readers.append(reader(refit, network, "head", [[2 + k] for k in each]))
        assert_same(orders, group, brute_force(readers, size))


# Properties.


@pytest.fixture(scope="module")
def nets() -> dict[str, tuple[PrunableFilters, RemovalOrders]]:
    found = {}
    for name in ALL:
        filters = PrunableFilters(small(name), SHAPE)
        orders = RemovalOrders(filters, statistics(filters, random_split()))
        found[name] = filters, orders
    return found


@pytest.mark.parametrize("name", ALL)
def test_orders_are_orders(nets: Any, name: str) -> None:
    filters, orders = nets[name]
    genes = filters.genes
    assert orders.ranks.shape == (genes.n_filters,)
    assert len(orders.losses) == len(genes.sizes)
    for start, size, losses in zip(genes.starts, genes.sizes, orders.losses, strict=True):
        assert sorted(orders.ranks[start : start + size].tolist()) == list(range(size))
        assert losses.shape == (size,)
        assert losses[0] == 0
        assert (np.diff(losses) >= 0).all()
        assert np.isfinite(losses).all()
        assert losses[-1] < 1.2  # all of it, and the ridge


@pytest.mark.parametrize("copies", [1, 3])
def test_copies_go_first(copies: int) -> None:
    network: Any = correlated(6, seed=3)
    with torch.no_grad():
        for k in range(copies):
            network.one[0].weight[k + 1] = network.one[0].weight[0]
            for value in (
                network.one[1].weight, network.one[1].bias, network.one[1].running_mean,
                network.one[1].running_var,
            ):  # fmt: skip
                value[k + 1] = value[0]
    filters = PrunableFilters(network, SHAPE)
    orders = RemovalOrders(filters, statistics(filters, random_split(), ridge=1e-5))
    (losses,) = orders.losses
    gone = np.flatnonzero(orders.ranks < copies)
    assert set(gone.tolist()) < set(range(copies + 1))
    assert losses[copies] < 1e-4
    assert losses[copies + 1] > 10 * losses[copies]


def test_dead_filters_go_before_all_others() -> None:
    network: Any = correlated(5)
    with torch.no_grad():
        network.one[1].weight[2], network.one[1].bias[2] = 0, -1
        network.head.weight[:, 4] = 0  # no layer reads it
    filters = PrunableFilters(network, SHAPE)
    orders = RemovalOrders(filters, statistics(filters, random_split(), ridge=1e-9))
    assert set(np.flatnonzero(orders.ranks < 2).tolist()) == {2, 4}
    np.testing.assert_allclose(orders.losses[0][:3], 0, atol=1e-6)


def test_losses_are_what_a_refitted_layer_loses() -> None:
    network: Any = correlated(6)
    filters = PrunableFilters(network, SHAPE)
    split = random_split()
    refit = statistics(filters, split, ridge=1e-9)
    orders = RemovalOrders(filters, refit)
    with torch.no_grad():
        wanted = network(split.images)
        power = float((wanted - wanted.mean(dim=0)).square().sum())
        for count in range(1, 7):
            kept = orders.latest(np.array([[count]]))
            found = filters.network(kept[0], refit)(split.images)
            lost = float((found - wanted).square().sum()) / power
            assert lost == pytest.approx(orders.losses[0][6 - count], rel=1e-2, abs=1e-6)


def test_the_order_is_better_than_that_of_weights_and_of_chance(digits: Data) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        start = nn.Sequential(
            unit(1, 16), unit(16, 16, stride=2), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
            nn.Linear(64, 10),
        )  # fmt: skip
    network = trained(start, digits.train, images=4000, recipe=Recipe(learning_rate=5e-3))
    filters = PrunableFilters(network, digits.shape)
    split = digits.train.subset(range(200))
    refit = statistics(filters, split)
    orders = RemovalOrders(filters, refit)
    with torch.no_grad():
        wanted = network(split.images)

        def gap(kept: Any) -> float:
            found = filters.network(kept, refit)(split.images)
            return float((found - wanted).square().mean())

        counts = np.array([[6, 6]])
        best = gap(orders.latest(counts)[0])
        generator = np.random.default_rng(0)
        chance = [
            gap(filters.genes.ranks(generator.random(32)) < 6) for _ in range(5)
        ]  # fmt: skip
        assert best < 0.8 * min(chance)
        assert best < gap(filters.uniform(np.array([6 / 16]))[0])


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_several_filters_may_go_at_once(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removal, "STEPS", steps)
    filters = PrunableFilters(correlated(7), SHAPE)
    refit = statistics(filters, random_split())
    orders = RemovalOrders(filters, refit)
    monkeypatch.setattr(removal, "STEPS", 32)
    one_by_one = RemovalOrders(filters, refit)
    (losses,), (best,) = orders.losses, one_by_one.losses
    step = max(1, 7 // steps)
    assert losses[0] == 0
    assert (np.diff(losses) > 0).all()
    columns = [[k] for k in range(7)]
    gram, weight, _, ridge = reader(refit, filters.whole, "head", columns)
    power = float((weight * (gram @ weight)).sum())
    order = np.argsort(orders.ranks)
    for k in {*range(0, 7, step), 6}:  # after each step; the last one may be shorter
        expected = least_squares_loss(gram, weight, order[:k].tolist(), ridge) / power
        assert losses[k] == pytest.approx(expected, rel=1e-6)
    # The first filters that go are the same: up to there, both choose alike.
    assert set(order[:1]) == set(np.argsort(one_by_one.ranks)[:1])
    assert best[1] <= losses[1] * (1 + 1e-9)
    # Within a step, the loss grows evenly.
    for k in range(0, 6, step):
        inside = losses[k : min(k + step, 6) + 1]
        np.testing.assert_allclose(np.diff(inside), np.diff(inside)[0], rtol=1e-6)


# Counts.


class Fixed(RemovalOrders):
    """Given orders and losses."""

    def __init__(self, filters: PrunableFilters) -> None:
        self.filters = filters
        self.ranks = np.array([2, 0, 3, 1, 5, 4, 0, 1, 3, 2])
        self.losses = [np.array([0, 0.1, 0.1, 0.5]), np.array([0, 0, 0.2, 0.3, 0.3, 0.9])]


@pytest.fixture(scope="module")
def fixed() -> Fixed:
    return Fixed(PrunableFilters(small("chain"), SHAPE))


def test_those_that_go_last_are_left(fixed: Fixed) -> None:
    found = fixed.latest(np.array([[4, 6], [2, 3], [1, 1]]))
    assert found.astype(int).tolist() == [
        [1] * 10, [1, 0, 1, 0, 1, 1, 0, 0, 1, 0], [0, 0, 1, 0, 1, 0, 0, 0, 0, 0]
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["nested", "excitation", "interwoven"])
def test_of_many_sizes_each_has_the_filters_of_all_smaller_ones(nets: Any, name: str) -> None:
    filters, orders = nets[name]
    sizes = filters.genes.sizes
    drawn = np.random.default_rng(0).integers(1, sizes, (20, len(sizes)), endpoint=True)
    counts = np.sort(drawn, axis=0)
    before = counts.copy()
    found = orders.latest(counts)
    assert np.array_equal(counts, before)
    assert np.array_equal(filters.genes.counts(filters.with_branches(found)), counts)
    assert (found[:-1] <= found[1:]).all()


def test_filters_are_worth_what_they_cost(fixed: Fixed) -> None:
    prices = np.logspace(-4, 2, 60)
    for costs in ([1.0, 1.0], [0.1, 3.0]):
        each = np.broadcast_to(costs, (60, 2))
        counts = fixed.worth(prices, each)
        assert counts.shape == (60, 2)
        for price, row in zip(prices, counts, strict=True):
            total = {
                left: sum(
                    losses[len(losses) - n] ** 1.5 + price * cost * n
                    for losses, cost, n in zip(fixed.losses, costs, left, strict=True)
                )
                for left in itertools.product(range(1, 5), range(1, 7))
            }
            assert total[tuple(row.tolist())] == pytest.approx(min(total.values()))
        assert (np.diff(counts, axis=0) <= 0).all()
        assert counts[-1].tolist() == [1, 1]
    # Filters that cost nothing and are missed stay.
    assert fixed.worth(np.zeros(1), np.ones((1, 2)))[0].tolist() == [4, 6]


# Layers without statistics.


def test_layers_without_statistics_go_by_their_weights() -> None:
    network: Any = correlated(6)
    filters = PrunableFilters(network, SHAPE)
    orders = RemovalOrders(filters, statistics(filters, random_split(), []))
    sizes = network.head.weight.detach().double().square().sum(dim=0).numpy()
    assert np.argsort(orders.ranks).tolist() == np.argsort(sizes).tolist()
    np.testing.assert_allclose(
        orders.losses[0], np.append(0, np.sort(sizes)[:-1].cumsum()) / sizes.sum(), rtol=1e-6
    )


def test_filters_that_no_layer_reads_are_not_missed() -> None:
    network = Net(
        lambda net, x: net.head(net.one(x)[:, :4].mean((2, 3))), one=conv(3, 7),
        head=nn.Linear(4, CLASSES),
    )  # fmt: skip
    filters = PrunableFilters(network, SHAPE)
    orders = RemovalOrders(filters, statistics(filters, random_split()))
    unread = filters.genes.sizes.index(3)
    assert orders.losses[unread].tolist() == [0, 0, 0]
    assert orders.losses[1 - unread][-1] > 0
    prices, costs = np.array([1e-6]), np.stack(filters.filter_costs()[:1])
    assert orders.worth(prices, costs)[0, unread] == 1


def test_layers_that_are_too_large_go_by_their_weights() -> None:
    network = mixed(
        nn.Sequential(
            conv(3, 4), nn.ReLU(), conv(4, 140), nn.ReLU(), conv(140, 5), nn.AdaptiveAvgPool2d(1),
            nn.Flatten(), nn.Linear(5, CLASSES),
        )
    )  # fmt: skip
    assert MOST_INPUTS < 140 * 9
    filters = PrunableFilters(network, SHAPE)
    refit = statistics(filters, random_split(10))
    assert set(refit.grams) == {"2", "7"}
    orders = RemovalOrders(filters, refit)
    sizes = network.get_parameter("4.weight").detach().double().square().sum(dim=(0, 2, 3)).numpy()
    # 140 // 32 go at once.
    order = np.argsort(orders.ranks[4:144])
    assert order.tolist() == np.argsort(sizes, kind="stable").tolist()
    losses = orders.losses[1]
    expected = np.append(0, np.sort(sizes).cumsum()) / sizes.sum()
    steps = [*range(0, 140, 4), 139]
    np.testing.assert_allclose(losses[steps], expected[steps], rtol=1e-6, atol=1e-12)


def test_groups_of_several_layers_without_statistics() -> None:
    # Where one layer reads several groups, each is ordered by its own weights.
    filters = PrunableFilters(small("inception"), SHAPE)
    orders = RemovalOrders(filters, statistics(filters, random_split(), []))
    weight = filters.whole.get_parameter("head.weight").detach().double().square().sum(dim=0)
    left, right = weight[:3].numpy(), weight[3:].numpy()
    assert np.argsort(orders.ranks[12:15]).tolist() == np.argsort(left).tolist()
    assert np.argsort(orders.ranks[15:17]).tolist() == np.argsort(right).tolist()
    whole = float(weight.sum())
    np.testing.assert_allclose(orders.losses[5], [0, right.min() / whole], rtol=1e-6)


def test_statistics_are_left_as_they_were() -> None:
    filters = PrunableFilters(small("nested"), SHAPE)
    refit = statistics(filters, random_split())
    before = {name: gram.inverse.clone() for name, gram in refit.grams.items()}
    weights = {name: value.clone() for name, value in filters.whole.state_dict().items()}
    first, second = RemovalOrders(filters, refit), RemovalOrders(filters, refit)
    assert np.array_equal(first.ranks, second.ranks)
    for one, two in zip(first.losses, second.losses, strict=True):
        assert np.array_equal(one, two)
    for name, gram in refit.grams.items():
        assert torch.equal(gram.inverse, before[name])
    for name, value in filters.whole.state_dict().items():
        assert torch.equal(value, weights[name])


def test_neurons_go_as_a_loop_of_refits_finds(digits: Data) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = FeedForward(64, (9, 7), 10).eval()
    refit = DenseRefit(network, digits.train)
    for layer, width in enumerate((9, 7)):
        left, gone = list(range(width)), []
        while left:
            rest = {k: np.array([n for n in left if n != k], dtype=np.intp) for k in left}
            # With the first neurons alone, the others may come in any order.
            losses = {
                k: refit.losses(layer, np.array([*some, *set(range(width)) - {*some}]))[
                    len(some) - 1
                ]
                if len(some)
                else 1.0
                for k, some in rest.items()
            }
            gone.append(min(losses, key=losses.__getitem__))
            left.remove(gone[-1])
        assert least_missed_order(refit, layer).tolist() == gone[::-1]
