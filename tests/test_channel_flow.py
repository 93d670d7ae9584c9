"""Which channels live and die together, in networks of all kinds."""

from __future__ import annotations

import copy
import operator
from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations, prune
from torchvision import models

from pymoo_prune.errors import PruneError
from pymoo_prune.networks import named_network
from pymoo_prune.pruning.channel_flow import ALWAYS, ChannelFlow, repeats
from pymoo_prune.pruning.filters import PrunableFilters
from tests.small_networks import ALL, CLASSES, SHAPE, Net, conv, mixed, small, unit

A, CLASS = ALWAYS, [ALWAYS] * CLASSES
IMAGE = [ALWAYS] * 3

Expected = dict[str, tuple[list[int] | None, list[int]]]


def span(first: int, last: int) -> list[int]:
    return list(range(first, last + 1))


def flow_of(network: nn.Module, shape: tuple[int, ...] = SHAPE) -> ChannelFlow:
    return ChannelFlow(network, shape)


def labels(flow: ChannelFlow) -> Expected:
    return {
        layer.name: (
            None if layer.inputs is None else layer.inputs.tolist(),
            layer.outputs.tolist(),
        )
        for layer in flow.layers
    }


def pieces(flow: ChannelFlow) -> list[tuple[str, tuple[str, int], bool]]:
    return [(piece.name, piece.branch, piece.residual) for piece in flow.pieces]


# Labels of networks that are followed by hand.

LABELS: dict[str, Expected] = {
    "chain": {
        "0": (IMAGE, span(0, 3)),
        "1": (None, span(0, 3)),
        "4": (span(0, 3), span(4, 9)),
        "5": (None, span(4, 9)),
        "9": ([label for label in span(4, 9) for _ in range(4)], CLASS),
    },
    "without_norms": {
        "0": (IMAGE, span(0, 3)),
        "2": (span(0, 3), span(4, 9)),
        "4": (span(4, 9), CLASS),
    },
    "neurons": {
        "1": (IMAGE * 64, span(0, 6)),
        "2": (None, span(0, 6)),
        "4": (span(0, 6), span(7, 10)),
        "6": (span(7, 10), CLASS),
    },
    "bare_norms": {
        "0": (None, IMAGE),
        "1": (IMAGE, span(0, 3)),
        "2": (None, span(0, 3)),
        "6": (None, [label for label in span(0, 3) for _ in range(4)]),
        "7": ([label for label in span(0, 3) for _ in range(4)], span(4, 9)),
        "8": (None, span(4, 9)),
        "9": (span(4, 9), CLASS),
    },
    "residual": {
        "stem": (IMAGE, span(0, 3)),
        "norm": (None, span(0, 3)),
        "a": (span(0, 3), span(4, 9)),
        "norm_a": (None, span(4, 9)),
        "b": (span(4, 9), span(0, 3)),
        "norm_b": (None, span(0, 3)),
        "second.0": (span(0, 3), span(0, 3)),
        "second.1": (None, span(0, 3)),
        "head": (span(0, 3), CLASS),
    },
    "projection": {
        "stem.0": (IMAGE, span(0, 3)),
        "stem.1": (None, span(0, 3)),
        "a.0": (span(0, 3), span(4, 9)),
        "a.1": (None, span(4, 9)),
        "b.0": (span(4, 9), span(10, 14)),
        "b.1": (None, span(10, 14)),
        "shortcut.0": (span(0, 3), span(10, 14)),
        "shortcut.1": (None, span(10, 14)),
        "head": (span(10, 14), CLASS),
    },
    "inception": {
        "stem.0": (IMAGE, span(0, 3)),
        "stem.1": (None, span(0, 3)),
        "one.0": (span(0, 3), [4, 5]),
        "one.1": (None, [4, 5]),
        "two.0.0": (span(0, 3), span(6, 8)),
        "two.0.1": (None, span(6, 8)),
        "two.1.0": (span(6, 8), span(9, 11)),
        "two.1.1": (None, span(9, 11)),
        "left.0": ([4, 5, *span(0, 3), *span(9, 11)], span(12, 14)),
        "left.1": (None, span(12, 14)),
        "right.0": ([4, 5, *span(0, 3), *span(9, 11)], [15, 16]),
        "right.1": (None, [15, 16]),
        "head": (span(12, 16), CLASS),
    },
    "depthwise": {
        "0.0": (IMAGE, span(0, 3)),
        "0.1": (None, span(0, 3)),
        "1.0": (None, span(0, 3)),
        "1.1": (None, span(0, 3)),
        "3": (span(0, 3), span(4, 9)),
        "4": (None, span(4, 9)),
        "5": (None, span(4, 9)),
        "10": (span(4, 9), CLASS),
    },
    "dense": {
        "stem": (IMAGE, span(0, 3)),
        "a.0": (span(0, 3), span(4, 6)),
        "a.1": (None, span(4, 6)),
        "b.0": (span(0, 6), [7, 8]),
        "b.1": (None, [7, 8]),
        "norm": (None, span(0, 8)),
        "head": (span(0, 8), CLASS),
    },
    "excitation": {
        "stem.0": (IMAGE, span(0, 5)),
        "stem.1": (None, span(0, 5)),
        "down": (span(0, 5), [6, 7]),
        "up": ([6, 7], span(0, 5)),
        "squeeze": (span(0, 5), span(8, 10)),
        "widen": (span(8, 10), span(0, 5)),
        "third": (span(0, 5), span(0, 5)),
        "last.0": (span(0, 5), span(11, 14)),
        "last.1": (None, span(11, 14)),
        "head": (span(11, 14), CLASS),
    },
    "nested": {
        "stem.0": (IMAGE, span(0, 3)),
        "stem.1": (None, span(0, 3)),
        "enter.0": (span(0, 3), span(4, 6)),
        "enter.1": (None, span(4, 6)),
        "inner.0": (span(4, 6), span(4, 6)),
        "inner.1": (None, span(4, 6)),
        "beside.0": (span(0, 3), [7, 8]),
        "beside.1": (None, [7, 8]),
        "leave": (span(4, 8), span(0, 3)),
        "head": (span(0, 3), CLASS),
    },
    "shared_stem": {
        "before.0": (IMAGE, span(0, 3)),
        "before.1": (None, span(0, 3)),
        "left.0": (span(0, 3), span(4, 6)),
        "left.1": (None, span(4, 6)),
        "right.0": (span(0, 3), [7, 8]),
        "right.1": (None, [7, 8]),
        "other.0": (IMAGE, span(9, 11)),
        "other.1": (None, span(9, 11)),
        "head": (span(4, 11), CLASS),
    },
    "interwoven": {
        "stem.0": (IMAGE, span(0, 5)),
        "stem.1": (None, span(0, 5)),
        "a.0": (span(0, 5), span(0, 2)),
        "a.1": (None, span(0, 2)),
        "b.0": (span(0, 5), span(3, 5)),
        "b.1": (None, span(3, 5)),
        "c.0": (span(0, 5), [6, 7]),
        "c.1": (None, [6, 7]),
        "d.0": (span(0, 5), [6, 7, 6, 7]),
        "d.1": (None, [6, 7, 6, 7]),
        "a_again.0": ([6, 7, 6, 7], span(8, 10)),
        "a_again.1": (None, span(8, 10)),
        "e.0": (span(8, 10), [11, 12]),
        "e.1": (None, [11, 12]),
        "head": ([11, 12, *span(0, 5), 6, 7, 6, 7], CLASS),
    },
    "onto_the_image": {
        "hidden.0": (IMAGE, span(0, 3)),
        "hidden.1": (None, span(0, 3)),
        "back": (span(0, 3), IMAGE),
        "last.0": (IMAGE, span(4, 7)),
        "last.1": (None, span(4, 7)),
        "one": (span(4, 7), CLASS),
        "three": (span(4, 7), span(8, 13)),
        "two": (span(8, 13), CLASS),
    },
    "signal": {
        "1": (IMAGE, span(0, 3)),
        "2": (None, span(0, 3)),
        "5": (span(0, 3), span(4, 8)),
        "7": ([label for label in span(4, 8) for _ in range(13)], CLASS),
    },
}


@pytest.mark.parametrize("name", ALL)
def test_labels_are_those_that_a_person_finds(name: str) -> None:
    flow = flow_of(small(name))
    assert labels(flow) == LABELS[name]
    assert flow.count == 1 + max(max(outputs) for _, outputs in LABELS[name].values())
    for label, givers in enumerate(flow.givers):
        assert givers == tuple(
            place
            for place, layer in enumerate(flow.layers)
            if layer.inputs is not None and label in layer.outputs
        )


# What the genes of these networks are: groups, blocks, pieces and what they stand in.

GENES: dict[str, tuple[tuple[int, ...], list[tuple[str, tuple[str, int], bool]], list[Any]]] = {
    "chain": ((4, 6), [], []),
    "without_norms": ((4, 6), [], []),
    "neurons": ((7, 4), [], []),
    "bare_norms": ((4, 6), [], []),
    "residual": ((4, 6), [("a", ("add", 0), True), ("second", ("add_1", 1), True)], []),
    "projection": ((4, 6, 5), [("a.0", ("add", 0), True)], []),
    "inception": (
        (4, 2, 3, 3, 3, 2),
        [
            ("one", ("cat", 0), False),
            ("two", ("cat", 2), False),
            ("left", ("cat_1", 0), False),
            ("right", ("cat_1", 1), False),
        ],
        [(2, 3)],
    ),
    "depthwise": ((4, 6), [], []),
    "dense": ((4, 3, 2), [("a", ("cat", 1), False), ("b", ("cat_1", 1), False)], []),
    "excitation": ((6, 2, 3, 4), [], []),
    "nested": (
        (4, 3, 2),
        [
            ("inner", ("add", 1), True),
            ("enter.0", ("cat", 0), False),
            ("beside", ("cat", 1), False),
            ("enter.0", ("add_1", 1), True),
        ],
        [(1, 2)],
    ),
    "shared_stem": (
        (4, 3, 2, 3),
        [
            ("left", ("cat", 0), False),
            ("right", ("cat", 1), False),
            ("other", ("cat", 2), False),
        ],
        [(0, 1, 2)],
    ),
    "interwoven": (
        (3, 3, 2, 3, 2),
        [
            ("a.0", ("add", 0), True),
            ("c", ("add_1", 0), True),
            ("a_again.0", ("cat_2", 0), False),
        ],
        [],
    ),
    "onto_the_image": (
        (4, 4, 6),
        [("hidden.0", ("add", 1), True), ("three", ("add_1", 1), True)],
        [],
    ),
    "signal": ((4, 5), [], []),
}


@pytest.mark.parametrize("name", ALL)
def test_genes_are_those_that_a_person_finds(name: str) -> None:
    filters = PrunableFilters(small(name), SHAPE)
    sizes, found, alternatives = GENES[name]
    assert filters.genes.sizes == sizes
    assert pieces(filters.flow) == found
    assert list(filters.genes.alternatives) == alternatives
    assert filters.genes.n_pieces == len(found)


def test_blocks_are_the_largest_modules_that_are_no_containers() -> None:
    class Block(nn.Module):
        def __init__(self, inputs: int) -> None:
            super().__init__()
            self.one, self.two = unit(inputs, 4), unit(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            return x + self.two(self.one(x))  # type: ignore[no-any-return]

    class Body(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = unit(3, 4)
            self.blocks = nn.Sequential(Block(4), nn.Sequential(Block(4)))
            self.head = nn.Linear(4, CLASSES)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.blocks(self.stem(x)).mean((2, 3)))  # type: ignore[no-any-return]

    # Around it stands a module that holds everything: it is no block.
    genes = PrunableFilters(Net(lambda net, x: net.body(x), body=Body()), SHAPE).genes
    assert genes.sizes == (4, 4, 4)
    assert genes.blocks == (0, 1, 2)
    assert genes.piece_blocks == (1, 2)


def test_positions_taps_and_vectors_are_noted() -> None:
    found = {
        layer.name: (layer.taps, layer.positions, layer.vectors)
        for name in ("chain", "depthwise", "bare_norms", "signal")
        for layer in flow_of(small(name)).layers
        if (name, layer.name) not in {("chain", "1"), ("bare_norms", "1"), ("signal", "1")}
    }
    assert found["0.0"] == found["1.0"] == (9, 64, 0)
    assert found["3"] == (1, 64, 1)
    flows = {name: {x.name: x for x in flow_of(small(name)).layers} for name in ("chain", "signal")}
    assert (flows["chain"]["4"].taps, flows["chain"]["4"].positions) == (9, 16)
    assert (flows["chain"]["9"].taps, flows["chain"]["9"].positions) == (1, 1)
    assert flows["chain"]["0"].vectors == 0
    assert flows["chain"]["1"].vectors == 2
    assert flows["signal"]["1"].positions == 30
    assert flows["signal"]["5"].taps == 3
    norms = {layer.name: layer for layer in flow_of(small("bare_norms")).layers}
    assert [norms[name].vectors for name in ("0", "2", "6", "8")] == [2, 0, 2, 0]


def test_repeats_count_labels() -> None:
    found = repeats(np.array([0, 2, 2, ALWAYS, ALWAYS, ALWAYS]), 4)
    assert found.tolist() == [1, 0, 2, 0, 3]


# Calls of all kinds.


def with_call(call: Callable[[Tensor], Tensor], width: int = 6) -> nn.Module:
    """A convolution, the call, and a layer that reads what comes out."""
    example = call(torch.zeros(2, width, 8, 8)).flatten(1).shape[1]
    layers = {"call": call} if isinstance(call, nn.Module) else {}
    return Net(
        lambda net, x: net.head(torch.flatten(getattr(net, "call", call)(net.conv(x)), 1)),
        conv=conv(3, width), head=nn.Linear(example, CLASSES), **layers,
    )  # fmt: skip


CHANNELWISE: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": functional.relu,
    "relu in place": lambda x: functional.relu(x, inplace=True),
    "torch.relu": torch.relu,
    "torch.relu_": torch.relu_,
    ".relu_": lambda x: x.relu_(),
    "relu6": functional.relu6,
    "leaky_relu": lambda x: functional.leaky_relu(x, 0.2),
    "elu": functional.elu,
    "gelu": functional.gelu,
    "silu": functional.silu,
    "mish": functional.mish,
    "sigmoid": torch.sigmoid,
    ".sigmoid": lambda x: x.sigmoid(),
    "tanh": torch.tanh,
    ".tanh": lambda x: x.tanh(),
    "hardtanh": functional.hardtanh,
    "hardswish": functional.hardswish,
    "hardsigmoid": functional.hardsigmoid,
    "dropout": lambda x: functional.dropout(x, training=False),
    "dropout2d": lambda x: functional.dropout2d(x, training=False),
    "max_pool2d": lambda x: functional.max_pool2d(x, 2),
    "torch.max_pool2d": lambda x: torch.max_pool2d(x, 2),
    "avg_pool2d": lambda x: functional.avg_pool2d(x, 2),
    "adaptive_avg_pool2d": lambda x: functional.adaptive_avg_pool2d(x, (2, 1)),
    "adaptive_max_pool2d": lambda x: functional.adaptive_max_pool2d(x, 2),
    "interpolate": lambda x: functional.interpolate(x, scale_factor=2, mode="bilinear"),
    "pad": lambda x: functional.pad(x, (1, 2, 0, 1), value=3.0),
    "mean": lambda x: x.mean((2, 3)),
    "mean of a list": lambda x: x.mean([2, 3]),
    "mean with keywords": lambda x: torch.mean(x, dim=(-1, -2), keepdim=True),
    "means one by one": lambda x: x.mean(3).mean(2),
    "squeeze": lambda x: functional.adaptive_avg_pool2d(x, 1).squeeze(3).squeeze(-1),
    "squeeze of axes": lambda x: torch.squeeze(functional.adaptive_avg_pool2d(x, 1), (2, 3)),
    "unsqueeze": lambda x: x.mean((2, 3)).unsqueeze(-1),
    "places": lambda x: x[:, :, ::2, 1:3],
    "places from the end": lambda x: x[..., 1:],
    "one place": lambda x: x[:, :, 0, 0],
    "negative": lambda x: -x,
    "clone": lambda x: x.contiguous().clone().detach(),
    "numbers": lambda x: 2 * x / 3 + 1 - x * 0.5,
    "number in place": lambda x: x.add_(1).mul_(2),
    "flatten(1)": lambda x: x.flatten(1),
    "flatten(start_dim=1)": lambda x: torch.flatten(x, start_dim=1),
    "view": lambda x: x.view(x.size(0), -1),
    "view of the image": lambda x: x.view(-1, x.shape[1], 64),
    "view of a shape": lambda x: x.view(x.shape[0], -1),
    "reshape": lambda x: torch.reshape(x, (x.size(0), -1)),
    "pixels in a row": lambda x: x.view(x.size(0), x.size(1), -1),
    "flatten(2)": lambda x: x.flatten(2).mean(-1),
    "quotient of channels": lambda x: x / (x + 5),
    "square": lambda x: x * x,
    "sum with itself": lambda x: torch.add(x, other=x.tanh(), alpha=2),
}


@pytest.mark.parametrize("name", CHANNELWISE)
def test_channels_pass_through_calls(name: str) -> None:
    filters = PrunableFilters(with_call(CHANNELWISE[name]), SHAPE)
    assert filters.genes.sizes == (6,)
    assert filters.genes.n_pieces == 0
    read = filters.flow.layers[1].inputs
    assert read is not None
    assert np.array_equal(read, np.repeat(np.arange(6), len(read) // 6))


MODULES: list[nn.Module] = [
    nn.Identity(), nn.ReLU(), nn.ReLU(inplace=True), nn.ReLU6(), nn.LeakyReLU(), nn.ELU(),
    nn.SELU(), nn.CELU(), nn.GELU(), nn.SiLU(), nn.Mish(), nn.Sigmoid(), nn.Tanh(), nn.Hardtanh(),
    nn.Hardswish(), nn.Hardsigmoid(), nn.Softplus(), nn.Dropout(), nn.Dropout2d(), nn.MaxPool2d(2),
    nn.AvgPool2d(2), nn.AdaptiveAvgPool2d(1), nn.AdaptiveMaxPool2d(2), nn.ZeroPad2d(1),
    nn.ReflectionPad2d(1), nn.ReplicationPad2d(2), nn.Upsample(scale_factor=2), nn.Flatten(),
    nn.Flatten(2),
]  # fmt: skip


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_channels_pass_through_modules(module: nn.Module) -> None:
    filters = PrunableFilters(with_call(module), SHAPE)
    assert filters.genes.sizes == (6,)


@pytest.mark.parametrize("name", ["mean", "squeeze", "view", "add", "cat", "getitem", "size"])
def test_modules_may_have_any_names(name: str) -> None:
    network = Net(
        lambda net, x: net.head(getattr(net, name)(net.conv(x)).flatten(1)), conv=conv(3, 4),
        head=nn.Linear(4, CLASSES), **{name: nn.AdaptiveAvgPool2d(1)},
    )  # fmt: skip
    assert PrunableFilters(network, SHAPE).genes.sizes == (4,)


SUMS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "+": operator.add,
    "+=": operator.iadd,
    "torch.add": torch.add,
    "torch.add with a keyword": lambda x, y: torch.add(x, other=y),
    "torch.add with a factor": lambda x, y: torch.add(x, y, alpha=3),
    ".add": lambda x, y: x.add(y),
    ".add_": lambda x, y: x.add_(y),
    "-": operator.sub,
    "*": operator.mul,
    "*=": operator.imul,
    "torch.mul": torch.mul,
    ".mul": lambda x, y: x.mul(y),
    "/": lambda x, y: x / (y.sigmoid() + 1),
}
"""Whose first operand may stand alone, where branches can go."""
PLAIN = {"+", "+=", "torch.add", ".add"}


@pytest.mark.parametrize("name", SUMS)
def test_sums_and_products_unite_channels(name: str) -> None:
    network = Net(
        lambda net, x: net.head(SUMS[name](net.one(x), net.two(x)).mean((2, 3))),
        one=conv(3, 4), two=conv(3, 4), head=nn.Linear(4, CLASSES),
    )  # fmt: skip
    filters = PrunableFilters(network, SHAPE)
    assert filters.genes.sizes == (4,)
    assert filters.flow.givers == [(0, 1)] * 4
    # With a factor, what is left of a sum would not be an operand.
    assert filters.genes.n_pieces == (1 if name in PLAIN else 0)


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


# Pieces.


def test_everything_but_the_image_can_go() -> None:
    # As in networks that improve images: what is left gives what it takes.
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
        assert pieces(flow_of(network)) == [("long", ("add", int(swap)), True)]


def test_branches_that_others_read_stay() -> None:
    def run(net: Any, x: Tensor) -> Tensor:
        one, two = net.one(x), net.two(x)
        return net.head(net.next(torch.cat([one, two], 1)).mean((2, 3)) + one.mean((2, 3)))

    network = Net(run, one=conv(3, 4), two=conv(3, 3), next=conv(7, 4), head=nn.Linear(4, CLASSES))
    found = pieces(flow_of(network))
    assert ("two", ("cat", 1), False) in found
    assert not any(branch == ("cat", 0) for _, branch, _ in found)


def test_branches_whose_channels_others_give_too_stay() -> None:
    # A concatenation's operand takes its channels with it: the shortcut's would go as well.
    def run(net: Any, x: Tensor) -> Tensor:
        x = net.stem(x)
        both = torch.cat([net.one(x), net.two(x)], 1) + x
        return net.head(both.mean((2, 3)))

    network = Net(run, stem=conv(3, 5), one=conv(5, 2), two=conv(5, 3), head=nn.Linear(5, CLASSES))
    assert pieces(flow_of(network)) == [("one", ("add", 0), True)]


def test_branches_that_give_the_images_channels_stay_in_a_concatenation() -> None:
    def run(net: Any, x: Tensor) -> Tensor:
        return net.head(torch.cat([net.back(x) + x, net.other(x)], 1).mean((2, 3)))

    network = Net(run, back=conv(3, 3), other=conv(3, 2), head=nn.Linear(5, CLASSES))
    assert pieces(flow_of(network)) == [("back", ("add", 0), True), ("other", ("cat", 1), False)]


def test_branches_that_give_what_the_network_gives_stay_in_a_concatenation() -> None:
    network = Net(
        lambda net, x: torch.cat([net.two(net.one(x)) + x, x], 1), one=conv(3, 4), two=conv(4, 3)
    )
    assert pieces(flow_of(network)) == [("one", ("add", 0), True)]


@pytest.mark.parametrize("inplace", [False, True])
def test_branches_that_overwrite_what_others_read_stay(inplace: bool) -> None:
    # Without the branch, the shortcut would not be what its ReLU made of it.
    def run(net: Any, x: Tensor) -> Tensor:
        x = net.stem(x)
        return net.head((net.branch(x) + x).mean((2, 3)))

    network = Net(
        run, stem=conv(3, 4), branch=nn.Sequential(nn.ReLU(inplace), conv(4, 4)),
        head=nn.Linear(4, CLASSES),
    )  # fmt: skip
    assert PrunableFilters(network, SHAPE).genes.n_pieces == int(not inplace)


# What is refused, and how.


def head(net: Any, x: Tensor) -> Tensor:
    return net.head(x.mean((2, 3)))  # type: ignore[no-any-return]


def read_by_head(run: Callable[[Any, Tensor], Tensor], width: int, **layers: nn.Module) -> Net:
    return Net(lambda net, x: head(net, run(net, x)), **layers, head=nn.Linear(width, CLASSES))


class Twice(nn.Module):
    """Two layers with one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.one, self.two = conv(3, 4), conv(4, 4), conv(4, 4)
        self.two.weight = self.one.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.two(self.one(self.stem(x))).mean((2, 3))  # type: ignore[no-any-return]


class Scaled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.mean = conv(3, 4), nn.Parameter(torch.ones(4, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) * self.mean  # type: ignore[no-any-return]


class Inner(nn.Module):
    """Something that is asked of a tensor in a module of a module."""

    def __init__(self, call: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.call, self.conv = call, conv(3, 4)

    def forward(self, x: Tensor) -> Any:
        return self.call(self.conv(x))


def inside(call: Callable[[Tensor], Any]) -> Net:
    stage = nn.Sequential(nn.Identity(), Inner(call))
    return Net(lambda net, x: net.stage(x), stage=stage)


def shortcut_of_zeros(net: Any, x: Tensor) -> Tensor:
    x = net.stem(x)
    return functional.pad(x, (0, 0, 0, 0, 1, 1)) + net.wide(x)  # type: ignore[no-any-return]


def undecided(net: Any, x: Tensor) -> Tensor:
    return net.conv(x) if x.sum() > 0 else x  # type: ignore[no-any-return]


def weightless(net: nn.Module) -> nn.Module:
    prune.l1_unstructured(net.one, "weight", 0.5)  # type: ignore[arg-type]
    return net


ABOUT = "moves channels about"
REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "grouped": (
        lambda: nn.Sequential(conv(3, 4), conv(4, 6, groups=2)),
        "in '1' there is a convolution with 2 groups",
    ),
    "depthwise with a factor": (
        lambda: nn.Sequential(conv(3, 4), conv(4, 8, groups=4)),
        "in '1' there is a convolution with 4 groups",
    ),
    "transposed": (
        lambda: nn.Sequential(conv(3, 4), nn.ConvTranspose2d(4, 6, 2)),
        "in '1' there is a transposed convolution",
    ),
    "used twice": (
        lambda: Net(
            lambda net, x: net.same(net.same(net.stem(x))), stem=conv(3, 4), same=conv(4, 4)
        ),
        "in 'same' there is a layer that is used twice",
    ),
    "norm used twice": (
        lambda: Net(
            lambda net, x: net.norm(net.two(net.norm(net.one(x)))),
            one=conv(3, 4), two=conv(4, 4), norm=nn.BatchNorm2d(4),
        ),
        "in 'norm' there is a layer that is used twice",
    ),
    "shared weight": (Twice, "in 'two' there is a layer that shares its weights with 'one'"),
    "masked weight": (
        lambda: weightless(Net(lambda net, x: net.one(x), one=conv(3, 4))),
        "in 'one' there is a layer whose weights are computed from others",
    ),
    "parametrized weight": (
        lambda: nn.Sequential(parametrizations.weight_norm(conv(3, 4))),
        "in '0' there is a layer whose weights are computed from others",
    ),
    "slice": (lambda: inside(lambda x: x[:, :2]), "in 'stage.1' there is getitem"),
    "choice": (lambda: inside(lambda x: x[:, 1:].relu()), f"in 'stage.1' there is .* {ABOUT}"),
    "order": (
        lambda: inside(lambda x: x[:, ::-1] if x is None else x[:, [3, 1, 2, 0]]),
        "in 'stage.1' there is a choice of channels",
    ),
    "new axis": (lambda: inside(lambda x: x[None]), f"in 'stage.1' there is .* {ABOUT}"),
    "chunk": (
        lambda: inside(lambda x: torch.cat(x.chunk(2, 1), 1)),
        r"in 'stage.1' there is chunk\(\), which gives more than one tensor",
    ),
    "split": (
        lambda: inside(lambda x: torch.split(x, 2, 1)[0]),
        r"in 'stage.1' there is split\(\), which gives more than one tensor",
    ),
    "sorted values": (
        lambda: inside(lambda x: x.max(3).values),
        r"in 'stage.1' there is max\(\), which gives more than one tensor",
    ),
    "mean of channels": (lambda: inside(lambda x: x.mean(1)), rf"mean\(\), which {ABOUT}"),
    "mean of channels in a square": (
        # Eight channels, and eight rows where they were.
        lambda: nn.Sequential(conv(3, 8), Net(lambda net, x: x.mean(-3))),
        rf"in '1' there is mean\(\), which {ABOUT}",
    ),
    "mean of all": (lambda: inside(lambda x: x.mean()), rf"mean\(\), which {ABOUT}"),
    "squeeze of whatever": (
        # With one filter left, its axis would go as well.
        lambda: inside(lambda x: functional.adaptive_avg_pool2d(x, 1).squeeze()),
        rf"in 'stage.1' there is squeeze\(\), which {ABOUT}",
    ),
    "squeeze of channels": (
        lambda: inside(lambda x: x.squeeze(dim=1)), rf"squeeze\(\), which {ABOUT}"
    ),
    "permute": (
        lambda: inside(lambda x: x.permute(0, 2, 3, 1)), r"permute\(\), which is not known"
    ),
    "softmax": (lambda: inside(lambda x: x.softmax(1)), r"softmax\(\), which is not known"),
    "layer norm": (
        lambda: nn.Sequential(conv(3, 4), nn.LayerNorm([4, 8, 8])),
        "in '1' there is a LayerNorm, which is not known",
    ),
    "group norm": (
        lambda: nn.Sequential(conv(3, 4), nn.GroupNorm(2, 4)),
        "in '1' there is a GroupNorm, which is not known",
    ),
    "attention": (
        lambda: Net(
            lambda net, x: net.attention(x := net.conv(x).flatten(2), x, x)[0],
            conv=conv(3, 4), attention=nn.MultiheadAttention(64, 2),
        ),
        "in 'attention' there is a MultiheadAttention, which gives more than one tensor",
    ),
    "tokens": (
        lambda: nn.Sequential(conv(3, 4), nn.Flatten(2), nn.Linear(64, 5)),
        "in '2' there is a linear layer that reads more than flat vectors",
    ),
    "pixels": (
        lambda: nn.Sequential(conv(3, 4), nn.Linear(8, 8)),
        "in '1' there is a linear layer that reads more than flat vectors",
    ),
    "images side by side": (
        lambda: inside(lambda x: torch.cat([x, x])),
        "in 'stage.1' there is a concatenation along another axis",
    ),
    "rows side by side": (
        lambda: inside(lambda x: torch.cat((x, x), dim=2)),
        "in 'stage.1' there is a concatenation along another axis",
    ),
    "broadcast channels": (
        # Channels would meet columns, and images rows.
        lambda: inside(lambda x: functional.adaptive_avg_pool2d(x, (2, 4)) * x.mean((2, 3))),
        r"in 'stage.1' there is mul\(\) of different numbers of channels",
    ),
    "one channel on all": (
        lambda: Net(lambda net, x: net.map(x) * net.all(x), map=conv(3, 1), all=conv(3, 4)),
        r"in 'Net' there is mul\(\) of different numbers of channels",
    ),
    "numbers of the shape": (
        lambda: inside(lambda x: x / x.size(1)),
        r"in 'stage.1' there is truediv\(\) of size, which is no tensor with channels",
    ),
    "own tensor": (
        Scaled, "in 'Scaled' there is 'mean', a tensor that belongs to no layer",
    ),
    "fresh tensor": (
        lambda: inside(lambda x: x + torch.ones_like(x)), r"ones_like\(\), which is not known"
    ),
    "flat over images": (
        lambda: inside(lambda x: x.flatten(0, 1).relu()),
        r"flatten\(\), which is not a flat vector an image",
    ),
    "zeros for shortcuts": (
        lambda: read_by_head(shortcut_of_zeros, 6, stem=conv(3, 4), wide=conv(4, 6)),
        rf"in 'Net' there is pad\(\), which {ABOUT}",
    ),
    "result thrown away": (
        lambda: inside(lambda x: (x.relu_(), x)[1]),
        r"in 'stage.1' there is relu_\(\) in place, whose result is not used",
    ),
    "sum thrown away": (
        lambda: inside(lambda x: (x.add_(x.sigmoid()), x)[1]),
        r"in 'stage.1' there is add_\(\) in place, whose result is not used",
    ),
    "tuple": (lambda: inside(lambda x: (x, x)), "the network gives a tuple, not one tensor"),
    "dictionary": (lambda: inside(lambda x: {"out": x}), "the network gives a dict, not one"),
    "nothing": (lambda: Net(lambda net, x: None, conv=conv(3, 4)), "the network gives a NoneType"),
    "control flow": (
        lambda: Net(undecided, conv=conv(3, 3)),
        "channels through a Net cannot be followed, because torch.fx cannot trace it: .*control",
    ),
    "nothing to learn": (lambda: nn.Sequential(nn.Flatten()), "has no filters that could be"),
    "only classes": (
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(192, 5)),
        "a Sequential has no filters that could be pruned",
    ),
    "residual on classes": (
        lambda: Net(lambda net, x: net.one(x := x.flatten(1)) + net.two(x),
                    one=nn.Linear(192, 5), two=nn.Linear(192, 5)),
        "a Net has no filters that could be pruned",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_followed_is_refused_by_name(name: str) -> None:
    build, message = REFUSED[name]
    network = build().eval()
    before = copy.deepcopy(network.state_dict())
    with pytest.raises(PruneError, match=message):
        PrunableFilters(network, SHAPE)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_shortcuts_padded_with_zeros_are_refused_by_name() -> None:
    network = named_network("resnet-8", channels=3, classes=10, size=(8, 8))
    with pytest.raises(PruneError, match=r"in 'stages.1.0' there is pad\(\), which moves channels"):
        PrunableFilters(network, (3, 8, 8))


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 1, 1), (3,), (3, 8)])
def test_images_that_do_not_fit_are_refused(shape: tuple[int, ...]) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 5))
    message = rf"the network cannot take an image of shape \({', '.join(map(str, shape))}"
    with pytest.raises(PruneError, match=message):
        ChannelFlow(network, shape)


@pytest.mark.parametrize(
    ("view", "message"),
    [
        (lambda x: x.view(-1, 256), r"'stage.1' there is view\(\) with a number .* written out"),
        (lambda x: x.view(x.size(0), 256), r"view\(\) with a number .* written out: take -1, or"),
        (lambda x: x.reshape((-1, 256)), r"reshape\(\) with a number of channels or values that"),
        (lambda x: torch.reshape(x, (2, 4, -1)), r"reshape\(\) with a number of channels"),
        # What is not seen at once shows when a small network is run.
        (lambda x: torch.reshape(x, shape=(-1, 256)), "network with fewer filters cannot be run"),
    ],
)  # fmt: skip
def test_sizes_that_are_written_out_are_refused(
    view: Callable[[Tensor], Tensor], message: str
) -> None:
    network = inside(view)
    network.run = lambda net, x: net.head(net.stage(x).flatten(1))
    network.head = nn.Linear(256, CLASSES)
    with pytest.raises(PruneError, match=message):
        PrunableFilters(network, SHAPE)


def test_the_images_own_size_may_be_written_out() -> None:
    network = Net(
        lambda net, x: net.head(net.hidden(x.view(-1, 192)).relu()), hidden=nn.Linear(192, 6),
        head=nn.Linear(6, CLASSES),
    )  # fmt: skip
    assert PrunableFilters(network, SHAPE).genes.sizes == (6,)


def test_networks_of_which_a_graph_is_something_else_are_refused() -> None:
    def run(net: Any, x: Tensor) -> Tensor:
        x = before = net.stem(x)
        x += net.branch(x)  # torch.fx sees a new tensor
        return net.head((x * before).mean((2, 3)))

    network = Net(run, stem=conv(3, 4), branch=conv(4, 4), head=nn.Linear(4, CLASSES))
    with pytest.raises(PruneError, match=r"torch.fx makes something else of it, perhaps"):
        PrunableFilters(network, SHAPE)


# The network is left alone, and training mode makes no difference.


@pytest.mark.usefixtures("untouched_global_generators")
@pytest.mark.parametrize("name", ["residual", "inception", "bare_norms"])
def test_the_network_is_left_as_it_was(name: str) -> None:
    network = small(name).train()
    frozen = next(part for part in network.modules() if isinstance(part, nn.BatchNorm2d))
    frozen.eval()
    network.get_parameter(next(iter(network.state_dict()))).requires_grad_(requires_grad=False)
    modes = [part.training for part in network.modules()]
    state = {key: value.clone() for key, value in network.state_dict().items()}
    places = {key: value.data_ptr() for key, value in network.state_dict().items()}
    wanted = [parameter.requires_grad for parameter in network.parameters()]
    filters = PrunableFilters(network, SHAPE)
    filters.network(filters.repaired(np.zeros(filters.genes.n_var, dtype=bool)))
    assert [part.training for part in network.modules()] == modes
    assert [parameter.requires_grad for parameter in network.parameters()] == wanted
    assert all(parameter.grad is None for parameter in network.parameters())
    for key, value in network.state_dict().items():
        assert torch.equal(value, state[key])
        assert value.data_ptr() == places[key]
    for part in network.modules():
        assert not part._forward_hooks
        assert not part._forward_pre_hooks


def test_a_network_in_training_mode_has_the_same_graph() -> None:
    def run(net: Any, x: Tensor) -> Tensor:
        x = net.conv(x)
        if net.training:
            x = x.relu()
        return head(net, functional.dropout(x, training=net.training))

    network = Net(run, conv=conv(3, 4), head=nn.Linear(4, CLASSES))
    flows = [flow_of(network.train()), flow_of(network.eval())]
    graphs = [[node.name for node in flow.graph.nodes] for flow in flows]
    assert graphs[0] == graphs[1] == ["x", "conv", "dropout", "mean", "head", "output"]
    PrunableFilters(network.train(), SHAPE)


def test_double_precision_is_no_trouble() -> None:
    PrunableFilters(small("residual").double(), SHAPE)


# Large networks: known numbers, and another library's groups.


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
    """Nobody may change them."""
    others = {"mobilenet": mobilenet, "mobilenet-v3": mobilenet_v3, "vgg": vgg}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if name in others:
            return PrunableFilters(mixed(others[name]()), (3, 32, 32))
        return PrunableFilters(mixed(named(name)), (1, 8, 8))


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
