"""Channels that live and die together, in networks small enough to follow by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from pymoo_prune.pruning import ChannelFlow, PrunableFilters
from pymoo_prune.pruning.channel_labels import ALWAYS, repeats
from tests.support.channel_labels import Expected, labels, span
from tests.support.small_networks import ALL, CLASSES, SHAPE, Net, conv, small

CLASS = [ALWAYS] * CLASSES
IMAGE = [ALWAYS] * 3


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
def test_labels_are_those_found_by_hand(name: str) -> None:
    flow = ChannelFlow(small(name), SHAPE)
    assert labels(flow) == LABELS[name]
    assert flow.count == 1 + max(max(outputs) for _, outputs in LABELS[name].values())
    for label, givers in enumerate(flow.givers):
        assert givers == tuple(
            place
            for place, layer in enumerate(flow.layers)
            if layer.inputs is not None and label in layer.outputs
        )


NUMBERS = {
    "chain": {
        "0": (9, 64, 0), "1": (0, 0, 2), "4": (9, 16, 1), "5": (0, 0, 2), "9": (1, 1, 1),
    },
    "depthwise": {
        "0.0": (9, 64, 0), "0.1": (0, 0, 2), "1.0": (9, 64, 0), "1.1": (0, 0, 2),
        "3": (1, 64, 1), "4": (9, 64, 1), "5": (0, 0, 2), "10": (1, 1, 1),
    },
    "bare_norms": {
        "0": (0, 0, 2), "1": (9, 64, 1), "2": (0, 0, 0), "6": (0, 0, 2), "7": (1, 1, 1),
        "8": (0, 0, 0), "9": (1, 1, 1),
    },
    "signal": {"1": (5, 30, 1), "2": (0, 0, 2), "5": (3, 13, 1), "7": (1, 1, 1)},
}  # fmt: skip
"""Taps, positions and vectors of each layer."""


@pytest.mark.parametrize("name", NUMBERS)
def test_positions_taps_and_vectors_are_noted(name: str) -> None:
    layers = ChannelFlow(small(name), SHAPE).layers
    assert {one.name: (one.taps, one.positions, one.vectors) for one in layers} == NUMBERS[name]


def test_repeats_count_labels() -> None:
    found = repeats(np.array([0, 2, 2, ALWAYS, ALWAYS, ALWAYS]), 4)
    assert found.tolist() == [1, 0, 2, 0, 3]


# The network is not changed, and training mode makes no difference.


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
        x = functional.dropout(x, training=net.training)
        return net.head(x.mean((2, 3)))  # type: ignore[no-any-return]

    network = Net(run, conv=conv(3, 4), head=nn.Linear(4, CLASSES))
    flows = [ChannelFlow(network.train(), SHAPE), ChannelFlow(network.eval(), SHAPE)]
    graphs = [[node.name for node in flow.graph.nodes] for flow in flows]
    assert graphs[0] == graphs[1] == ["x", "conv", "dropout", "mean", "head", "output"]
    PrunableFilters(network.train(), SHAPE)


def test_double_precision_is_no_trouble() -> None:
    filters = PrunableFilters(small("residual").double(), SHAPE)
    assert filters.genes.sizes == (4, 6)
    X = np.ones(filters.genes.n_var, dtype=bool)
    X[[0, 5]] = False
    images = torch.linspace(-1, 1, 384, dtype=torch.float64).view(2, *SHAPE)
    single = PrunableFilters(small("residual"), SHAPE)
    with torch.no_grad():
        found, expected = filters.network(X)(images), single.network(X)(images.float())
    assert found.dtype == torch.float64
    torch.testing.assert_close(found.float(), expected)
