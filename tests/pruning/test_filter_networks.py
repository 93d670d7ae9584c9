"""Small networks: the parent without some of its channels and branches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from pymoo_prune.pruning import PrunableFilters
from tests.support.prunable_filters import (
    Bits,
    assert_sizes,
    double,
    filters_of,
    outputs,
    random_bits,
    some_images,
)
from tests.support.small_networks import ALL

pytestmark = pytest.mark.slow


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
