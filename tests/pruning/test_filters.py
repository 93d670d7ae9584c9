"""Filters and branches: the networks without them, and the sizes of these networks."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from pymoo_prune.data import Split
from pymoo_prune.errors import PruneError
from pymoo_prune.measuring import count_macs, count_parameters
from pymoo_prune.networks import SlimNetwork, named_network
from pymoo_prune.pruning import ChannelFlow, PrunableFilters
from pymoo_prune.pruning.channel_labels import ALWAYS, LabelSets
from pymoo_prune.recovery import ChannelRefit
from tests.support.small_networks import ALL, CLASSES, SHAPE, Net, conv, mixed, small, unit

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


# Small networks are the parent without channels.


def blind(filters: PrunableFilters, x: Bits) -> nn.Module:
    """The parent, in which no layer reads channels that are gone: no graph, no masks, no slices."""
    network, alive = double(filters.whole), filters.alive(x)
    with torch.no_grad():
        for layer in filters.flow.layers:
            if layer.inputs is not None:
                module: Any = network.get_submodule(layer.name)
                module.weight[:, torch.from_numpy(~alive[layer.inputs])] = 0
    return network


@pytest.mark.parametrize("name", ALL)
def test_small_networks_are_the_parent_that_does_not_read_what_is_gone(name: str) -> None:
    filters = filters_of(name)
    images = some_images(filters)
    everything = np.ones(filters.genes.n_pieces, dtype=bool)
    whole, others = outputs(double(filters.whole), images), 0
    for row in random_bits(filters, 12):
        x = np.append(filters.genes.filters(row), everything)
        expected = outputs(blind(filters, x), images)
        others += bool((expected != whole).any())
        for found in (
            outputs(double(filters.network(x)), images),
            filters.masked(x).outputs(images)["output"],
        ):
            torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    assert others >= 6


def of_residual(net: Any, x: Tensor, first: bool, second: bool) -> Tensor:
    x = functional.relu(net.norm(net.stem(x)))
    if first:
        x = x + net.norm_b(net.b(functional.relu(net.norm_a(net.a(x)))))
    x = functional.relu(x)
    return net.head((x + net.second(x) if second else x).mean((2, 3)))  # type: ignore[no-any-return]


def of_projection(net: Any, x: Tensor, main: bool) -> Tensor:
    x = net.stem(x)
    x = (net.b(net.a(x)) if main else 0) + net.shortcut(x)
    return net.head(x.relu().mean((2, 3)))  # type: ignore[no-any-return]


def of_inception(net: Any, x: Tensor, one: bool, two: bool, left: bool, right: bool) -> Tensor:
    x = net.stem(x)
    x = torch.cat(
        [one * net.one(x), functional.max_pool2d(x, 3, 1, 1), two * net.two(x)], 1
    )  # fmt: skip
    x = torch.cat([left * net.left(x), right * net.right(x)], 1)
    return net.head(x.mean((2, 3)))  # type: ignore[no-any-return]


def of_nested(net: Any, x: Tensor, inner: bool, enter: bool, beside: bool, all_: bool) -> Tensor:
    x = net.stem(x)
    entered = net.enter(x)
    entered = entered + inner * net.inner(entered)
    both = torch.cat([enter * entered, beside * net.beside(x)], 1)
    return net.head((x + net.leave(both) if all_ else x).mean((2, 3)))  # type: ignore[no-any-return]


def of_shared_stem(net: Any, x: Tensor, left: bool, right: bool, other: bool) -> Tensor:
    both = net.before(x)
    x = torch.cat([left * net.left(both), right * net.right(both), other * net.other(x)], 1)
    return net.head(x.mean((2, 3)))  # type: ignore[no-any-return]


def of_dense(net: Any, x: Tensor, a: bool, b: bool) -> Tensor:
    x = net.stem(x)
    x = torch.cat([x, a * net.a(x)], 1)
    x = torch.cat([x, b * net.b(x)], 1)
    # The batch norm shifts zeros, so dead channels are masked behind it too.
    live = torch.tensor([True] * 4 + [a] * 3 + [b] * 2).reshape(1, -1, 1, 1)
    return net.head((net.norm(x).relu() * live).mean((2, 3)))  # type: ignore[no-any-return]


def of_the_image(net: Any, x: Tensor, back: bool, two: bool) -> Tensor:
    x = net.last(x + net.back(net.hidden(x)) if back else x).mean((2, 3))
    return net.one(x) + (net.two(net.three(x).relu()) if two else 0)  # type: ignore[no-any-return]


BY_HAND: dict[str, Callable[..., Tensor]] = {
    "residual": of_residual,
    "projection": of_projection,
    "inception": of_inception,
    "nested": of_nested,
    "shared_stem": of_shared_stem,
    "dense": of_dense,
    "onto_the_image": of_the_image,
}


@pytest.mark.parametrize("name", BY_HAND)
def test_networks_without_branches_are_those_written_by_hand(name: str) -> None:
    filters = filters_of(name)
    genes, images = filters.genes, some_images(filters)
    whole = outputs(double(filters.whole), images)
    for bits in np.ndindex(*[2] * genes.n_pieces):
        x = np.append(np.ones(genes.n_filters, dtype=bool), np.array(bits, dtype=bool))
        if not np.array_equal(x, filters.repaired(x)):
            continue  # one alternative must stay
        with torch.no_grad():
            expected = BY_HAND[name](double(filters.whole), images, *genes.pieces(x).tolist())
        for found in (
            outputs(double(filters.network(x)), images),
            filters.masked(x).outputs(images)["output"],
        ):
            torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
        assert sum(bits) != genes.n_pieces - 1 or float((expected - whole).abs().max()) > 1e-6


@pytest.mark.parametrize("name", [*ALL, "densenet-bc-40", "simple-cnn"])
def test_everything_that_is_left_is_what_it_is_with_masks(name: str) -> None:
    filters = filters_of(name)
    images = some_images(filters, 2)
    for x in random_bits(filters, 25 if name in ALL else 4):
        filters._verify(x, images)  # raises an error otherwise


@given(st.data())
@settings(max_examples=30)
def test_any_chromosome_can_be_built(data: st.DataObject) -> None:
    filters = filters_of(data.draw(st.sampled_from(["nested", "interwoven", "inception"])))
    bits = data.draw(st.lists(st.booleans(), min_size=filters.genes.n_var,
                              max_size=filters.genes.n_var))  # fmt: skip
    x = filters.repaired(np.array(bits))
    filters._verify(x, some_images(filters, 2))
    assert_sizes(filters, x[None])


# Sizes.


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


# Verification.


def test_a_wrong_order_of_channels_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = ChannelFlow._joined
    monkeypatch.setattr(ChannelFlow, "_joined", lambda *args: right(*args)[::-1].copy())
    network = Net(
        lambda net, x: net.head(
            net.next(torch.cat([net.one(x), net.two(x)], 1)).mean((2, 3))
        ),
        one=conv(3, 4), two=conv(3, 4), next=conv(8, 3), head=nn.Linear(3, CLASSES),
    )  # fmt: skip
    with pytest.raises(PruneError, match="without them, layer 'next' does not give what it gives"):
        PrunableFilters(network, SHAPE)


def test_sums_that_unite_nothing_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LabelSets, "unite", lambda *args: None)
    with pytest.raises(PruneError, match=r"with fewer filters cannot be run|does not give"):
        PrunableFilters(small("residual"), SHAPE)


def test_labels_that_are_changed_are_found() -> None:
    filters = PrunableFilters(small("dense"), SHAPE)
    (norm,) = [layer for layer in filters.flow.layers if layer.name == "norm"]
    norm.outputs[[0, 5]] = norm.outputs[[5, 0]]
    with pytest.raises(PruneError, match="without them, layer 'norm' does not give what"):
        filters.verify()


@pytest.mark.parametrize(("name", "layer"), [("chain", "4"), ("inception", "one.0")])
def test_channels_that_only_seem_dead_are_found(name: str, layer: str) -> None:
    # The batch norm behind a dead channel shifts zeros; its output must not be read.
    filters = PrunableFilters(small(name), SHAPE)
    first = filters.flow.layers[0].outputs.tolist()
    for node, labels in filters.flow.channels.items():
        if labels.tolist() == first:
            filters.flow.channels[node] = np.full(len(labels), ALWAYS)
    with pytest.raises(PruneError, match=f"without them, layer '{layer}' does not give what"):
        filters.verify()


def test_each_layer_is_put_to_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    # Even where a group has only two filters, and chance would often leave both.
    network = Net(
        lambda net, x: net.head(net.next(net.one(x)).mean((2, 3))), one=conv(3, 2),
        next=conv(2, 2), head=nn.Linear(2, CLASSES),
    )  # fmt: skip
    filters = PrunableFilters(network, SHAPE)
    tested: list[Bits] = []
    monkeypatch.setattr(filters, "_verify", lambda x, _: tested.append(x))
    for seed in range(20):
        filters.verify(seed)
        assert filters.genes.counts(tested[-2]).tolist() == [1, 1]
    deep = filters_of("nested")
    seen: list[Bits] = []
    with monkeypatch.context() as patch:
        patch.setattr(deep, "_verify", lambda x, _: seen.append(x))
        deep.verify()
    assert deep.present(seen[0]).all()
    assert len(seen) == 2


def test_layers_that_are_not_what_they_seem_are_found() -> None:
    class Standardised(nn.Conv2d):
        """Its weights depend on how many inputs there are."""

        def forward(self, x: Tensor) -> Tensor:
            weight = self.weight / self.weight.flatten(1).std(dim=1).reshape(-1, 1, 1, 1)
            return functional.conv2d(x, weight, self.bias, padding=1)

    network = nn.Sequential(conv(3, 6), Standardised(6, 4, 3), nn.Flatten(), nn.Linear(256, 5))
    with pytest.raises(PruneError, match="without them, layer '1' does not give what it gives"):
        PrunableFilters(network, SHAPE)


def test_quotients_of_dead_channels_are_dead() -> None:
    network = Net(
        lambda net, x: net.head(net.next((y := net.one(x).relu() + 0) / (y + y)).mean((2, 3))),
        one=conv(3, 4), next=conv(4, 3), head=nn.Linear(3, CLASSES),
    )  # fmt: skip
    with torch.no_grad():
        network.one.bias.fill_(10)  # type: ignore[union-attr, operator]
    filters = PrunableFilters(network, SHAPE)
    assert not any(
        values.isnan().any()
        for values in filters.masked(np.arange(7) > 2).outputs(some_images(filters)).values()
    )


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
