"""Branches that can be dropped, and branches that must stay."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pymoo_prune.pruning import ChannelFlow, PrunableFilters
from tests.support.channel_labels import labels, pieces, span
from tests.support.small_networks import CLASSES, SHAPE, Net, conv, unit


def test_lists_of_branches_are_joined() -> None:
    def run(net: Any, x: Tensor) -> Tensor:
        return net.head(torch.concat([branch(x) for branch in net.branches], 1).mean((2, 3)))

    branches = nn.ModuleList(conv(3, width) for width in (2, 3))
    filters = PrunableFilters(Net(run, branches=branches, head=nn.Linear(5, CLASSES)), SHAPE)
    assert filters.genes.sizes == (2, 3)
    assert filters.genes.alternatives == ((0, 1),)


def test_a_concatenation_with_itself_has_nothing_to_drop() -> None:
    network = Net(
        lambda net, x: net.head(net.next(torch.cat([x := net.one(x), x], 1)).mean((2, 3))),
        one=conv(3, 4), next=conv(8, 3), head=nn.Linear(3, CLASSES),
    )  # fmt: skip
    flow = PrunableFilters(network, SHAPE).flow
    assert labels(flow)["next"][0] == [*span(0, 3), *span(0, 3)]
    assert flow.pieces == []


def test_what_is_computed_for_nothing_is_not_there() -> None:
    def run(net: Any, x: Tensor) -> Tensor:
        net.unused(x).relu()
        return net.head(net.one(x).mean((2, 3)))

    network = Net(
        run, unused=conv(3, 7), one=conv(3, 4), never=conv(3, 3), head=nn.Linear(4, CLASSES)
    )
    filters = PrunableFilters(network, SHAPE)
    assert [layer.name for layer in filters.flow.layers] == ["one", "head"]
    whole = filters.network(np.ones(4, dtype=bool))
    parameters, macs = filters.complexity(np.ones((1, 4), dtype=bool))
    assert parameters[0] == sum(p.numel() for p in whole.parameters()) == 4 * 28 + CLASSES * 5
    assert macs[0] == filters.all_macs == 4 * 27 * 64 + CLASSES * 4


def test_everything_but_the_image_can_go() -> None:
    # As in networks that improve images: without the branch, the output is the image.
    network = Net(lambda net, x: x + net.two(net.one(x)), one=unit(3, 4), two=conv(4, 3))
    filters = PrunableFilters(network, SHAPE)
    x = np.array([True] * 4 + [False])
    images = torch.randn(2, *SHAPE)
    assert torch.equal(filters.network(x)(images), images)
    assert filters.complexity(x[None]) == (0, 0)
    assert filters.alive(x).tolist() == [False] * 4 + [True]


def test_of_a_sum_the_longer_operand_can_go() -> None:
    for swap in (False, True):

        def run(net: Any, x: Tensor, swap: bool = swap) -> Tensor:
            long, short = net.long(x), net.short(x)
            return net.head((short + long if swap else long + short).mean((2, 3)))

        network = Net(
            run, long=nn.Sequential(unit(3, 4), unit(4, 4)), short=conv(3, 4),
            head=nn.Linear(4, CLASSES),
        )  # fmt: skip
        assert pieces(ChannelFlow(network, SHAPE)) == [("long", ("add", int(swap)), True)]


def test_branches_that_others_read_stay() -> None:
    def run(net: Any, x: Tensor) -> Tensor:
        one, two = net.one(x), net.two(x)
        return net.head(net.next(torch.cat([one, two], 1)).mean((2, 3)) + one.mean((2, 3)))

    network = Net(run, one=conv(3, 4), two=conv(3, 3), next=conv(7, 4), head=nn.Linear(4, CLASSES))
    found = pieces(ChannelFlow(network, SHAPE))
    assert ("two", ("cat", 1), False) in found
    assert not any(branch == ("cat", 0) for _, branch, _ in found)


def test_branches_whose_channels_others_give_too_stay() -> None:
    # An operand of a concatenation takes its channels along: here also those of the shortcut.
    def run(net: Any, x: Tensor) -> Tensor:
        x = net.stem(x)
        both = torch.cat([net.one(x), net.two(x)], 1) + x
        return net.head(both.mean((2, 3)))

    network = Net(run, stem=conv(3, 5), one=conv(5, 2), two=conv(5, 3), head=nn.Linear(5, CLASSES))
    assert pieces(ChannelFlow(network, SHAPE)) == [("one", ("add", 0), True)]


def test_branches_that_give_the_images_channels_stay_in_a_concatenation() -> None:
    def run(net: Any, x: Tensor) -> Tensor:
        return net.head(torch.cat([net.back(x) + x, net.other(x)], 1).mean((2, 3)))

    network = Net(run, back=conv(3, 3), other=conv(3, 2), head=nn.Linear(5, CLASSES))
    assert pieces(ChannelFlow(network, SHAPE)) == [
        ("back", ("add", 0), True),
        ("other", ("cat", 1), False),
    ]


def test_branches_that_give_what_the_network_gives_stay_in_a_concatenation() -> None:
    network = Net(
        lambda net, x: torch.cat([net.two(net.one(x)) + x, x], 1), one=conv(3, 4), two=conv(4, 3)
    )
    assert pieces(ChannelFlow(network, SHAPE)) == [("one", ("add", 0), True)]


@pytest.mark.parametrize("inplace", [False, True])
def test_branches_that_overwrite_what_others_read_stay(inplace: bool) -> None:
    # The branch's ReLU changes the shortcut too, so the shortcut needs the branch.
    def run(net: Any, x: Tensor) -> Tensor:
        x = net.stem(x)
        return net.head((net.branch(x) + x).mean((2, 3)))

    network = Net(
        run, stem=conv(3, 4), branch=nn.Sequential(nn.ReLU(inplace), conv(4, 4)),
        head=nn.Linear(4, CLASSES),
    )  # fmt: skip
    assert PrunableFilters(network, SHAPE).genes.n_pieces == int(not inplace)
