"""What needs no search: neurons kept in an order, with a refit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from pymoo_prune import Data
from pymoo_prune.chromosomes import Array
from pymoo_prune.data import balanced
from pymoo_prune.measuring import accuracy, count_macs, count_parameters
from pymoo_prune.networks import FeedForward
from pymoo_prune.pruning import l1_order
from pymoo_prune_problems import EComp
from pymoo_prune_problems.ecomp import REFITTED
from tests.support.ecomp import IN_BATCHES, WEIGHTS, random_parent

SHARES = np.array([0.1, 0.2, 0.45, 0.7, 1.0])
OPTIONS: dict[str, dict[str, Any]] = {
    "refit": {},
    "no refit": {"recovery": "none"},
    "steps": {"recovery": "refit+steps:2"},
    "batches": IN_BATCHES,
    "the paper's": {**WEIGHTS, "search_split": "train", "search_images": 120},
}
orders = pytest.mark.parametrize("name", REFITTED)


def same(one: FeedForward, other: FeedForward) -> bool:
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[k], theirs[k]) for k in mine)


def mask(problem: EComp, name: str, widths: Sequence[int]) -> Array:
    """The keep-mask with the first neurons of each layer's order."""
    parts = []
    for order, width in zip(problem.rivals.orders[name], widths, strict=True):
        part = np.zeros(len(order), dtype=bool)
        part[order[:width]] = True
        parts.append(part)
    return np.concatenate(parts)


def first(problem: EComp, name: str, layer: int) -> list[int]:
    """The neurons of a layer in the order that a name promises, computed plainly."""
    parent = problem.parent
    rows = balanced(problem.data_set.train.labels, problem.REFIT_IMAGES, problem.seed)
    hidden = problem.data_set.train.subset(rows).images.flatten(1)
    with torch.no_grad():
        for linear in parent.linear_layers[: layer + 1]:
            hidden = parent.activate(linear(hidden))
    weights, _ = parent.arrays()
    if name == "L1 pruning":
        return l1_order(weights[layer]).tolist()
    assert name == "most active neurons"
    activity = hidden.double().mean(dim=0).numpy() * np.linalg.norm(weights[layer + 1], axis=0)
    return np.argsort(-activity, kind="stable").tolist()


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@orders
def test_the_refit_is_that_of_candidates(
    digits: Data, balanced_parent: FeedForward, options: dict[str, Any], name: str
) -> None:
    problem = EComp(digits, parent=balanced_parent, **options)
    refitted = EComp(digits, parent=balanced_parent, recovery="refit")
    baseline = problem.rivals.refitted(name, SHARES)
    assert baseline.name == f"{name} with refit"
    for network in baseline.networks:
        assert isinstance(network, FeedForward)
        assert same(network, refitted.network(mask(problem, name, network.widths)))


@orders
def test_sizes_are_those_asked_for_and_those_counted(
    digits: Data, balanced_parent: FeedForward, name: str
) -> None:
    problem = EComp(digits, parent=balanced_parent)
    baseline = problem.rivals.refitted(name, SHARES)
    assert (32 * baseline.sizes["width"]).tolist() == [3, 6, 14, 22, 32]
    for place, network in enumerate(baseline.networks):
        assert isinstance(network, FeedForward)
        assert min(network.widths) >= 1
        own = {quantity: column[place] for quantity, column in baseline.sizes.items()}
        assert own["width"] == sum(network.widths) / 32
        assert own["parameters"] == count_parameters(network)
        assert own["macs"] == count_macs(network, digits.shape)
        assert own["sparsity"] == 1 - own["parameters"] / count_parameters(balanced_parent)


@pytest.mark.parametrize("name", REFITTED[:2])
def test_orders_are_what_their_names_say(
    digits: Data, balanced_parent: FeedForward, name: str
) -> None:
    problem = EComp(digits, parent=balanced_parent)
    for layer, order in enumerate(problem.rivals.orders[name]):
        assert order.tolist() == first(problem, name, layer)


@orders
def test_widths_are_the_best_on_the_search_images(digits: Data, name: str) -> None:
    problem = EComp(digits, parent=random_parent((24, 12)), search_images=200)
    baseline = problem.rivals.refitted(name, SHARES)
    unequal = 0
    for network, share in zip(baseline.networks, SHARES, strict=True):
        assert isinstance(network, FeedForward)
        total = round(36 * share)
        alike = [round(total * 2 / 3), total - round(total * 2 / 3)]
        plain = accuracy(problem.network(mask(problem, name, alike)), problem.batches.pool)
        assert accuracy(network, problem.batches.pool) >= plain
        unequal += list(network.widths) != alike
    assert unequal > 0


def test_the_smallest_rival_has_a_neuron_a_layer_and_the_largest_all(
    digits: Data, balanced_parent: FeedForward
) -> None:
    problem = EComp(digits, parent=balanced_parent)
    small, large = problem.rivals.refitted(REFITTED[0], np.array([0.0, 0.01, 1.0])).networks
    assert isinstance(small, FeedForward)
    assert isinstance(large, FeedForward)
    assert (small.widths, large.widths) == ((1, 1), (16, 16))


@orders
def test_the_same_seed_gives_the_same_rivals(
    digits: Data, balanced_parent: FeedForward, name: str
) -> None:
    one, again = (EComp(digits, parent=balanced_parent, seed=3) for _ in range(2))
    for mine, theirs in zip(
        one.rivals.refitted(name, SHARES).networks,
        again.rivals.refitted(name, SHARES).networks,
        strict=True,
    ):
        assert isinstance(mine, FeedForward)
        assert isinstance(theirs, FeedForward)
        assert same(mine, theirs)
