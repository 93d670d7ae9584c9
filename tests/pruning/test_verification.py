"""Errors in channels and graphs that the comparison with masked networks finds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from pymoo_prune.errors import PruneError
from pymoo_prune.pruning import PrunableFilters
from pymoo_prune.pruning.channel_labels import ALWAYS, LabelSets
from pymoo_prune.pruning.channel_rules import ChannelRules
from tests.support.prunable_filters import (
    Bits,
    assert_sizes,
    filters_of,
    outputs,
    random_bits,
    some_images,
)
from tests.support.small_networks import CLASSES, SHAPE, Net, conv, small

Call = Callable[[Any, Tensor], Tensor]


def test_a_wrong_order_of_channels_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = ChannelRules._moved

    def wrong(rules: ChannelRules, node: fx.Node, *rest: Any) -> Any:
        found = right(rules, node, *rest)
        return found.flip(1) if node.target is torch.cat else found

    monkeypatch.setattr(ChannelRules, "_moved", wrong)
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
        if labels.flatten().tolist() == first:
            filters.flow.channels[node] = torch.full([1] * labels.ndim, ALWAYS)
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


# A network whose code names a type, and the type that it is compared in.
TYPED: dict[str, tuple[Call, torch.dtype]] = {
    "of the image": (lambda net, x: net.next(net.one(x.float())), torch.float32),
    "of channels": (lambda net, x: net.next(net.one(x).float().relu()), torch.float32),
    "of outputs": (lambda net, x: net.next(net.one(x)).to(torch.float32), torch.float32),
    "for a while": (
        lambda net, x: net.next((y := net.one(x)).float().softmax(-1).type_as(y)), torch.float32
    ),
    "double": (lambda net, x: net.next(net.one(x)).double(), torch.float64),
    "of numbers": (lambda net, x: net.next((y := net.one(x)) * (y > 0).float()), torch.float64),
}  # fmt: skip


@pytest.mark.parametrize("name", TYPED)
def test_a_network_that_names_a_type_is_compared_in_its_own(name: str) -> None:
    call, dtype = TYPED[name]
    network = Net(lambda net, x: call(net, x).flatten(1), one=conv(3, 4), next=conv(4, 5))
    filters = PrunableFilters(network, SHAPE)
    assert filters.comparison.dtype == dtype
    assert filters.genes.sizes == (4,)
    X = random_bits(filters, 4)
    assert_sizes(filters, X)
    images = some_images(filters).to(dtype)
    for x in X:
        small, masked = filters.network(x).to(dtype), filters.masked(x).outputs(images)["output"]
        torch.testing.assert_close(outputs(small, images), masked, rtol=1e-5, atol=1e-5)


def test_errors_are_found_in_a_networks_own_type_too() -> None:
    call, _ = TYPED["of channels"]
    network = Net(lambda net, x: call(net, x).flatten(1), one=conv(3, 4), next=conv(4, 5))
    filters = PrunableFilters(network, SHAPE)
    (first, _) = filters.flow.layers
    first.outputs[[0, 3]] = first.outputs[[3, 0]]
    with pytest.raises(PruneError, match="without them, layer 'one' does not give what"):
        filters.verify()


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
