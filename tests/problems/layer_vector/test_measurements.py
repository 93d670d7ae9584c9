"""Measurements equal those of a plain computation."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.optimize import minimize
from torch import nn
from torch.nn.utils import prune

from pymoo_prune import Budget, Data, Front
from pymoo_prune.engines import make_algorithm
from pymoo_prune.measuring import accuracy, count_parameters
from pymoo_prune.search import search
from pymoo_prune.testing import check_problem, sample
from pymoo_prune_problems import LayerVector
from tests.support.layer_vector import (
    CONFIGURATIONS,
    POSITIONS,
    assert_networks_are_what_was_measured,
    every_configuration,
    needs_int8,
    small,
)

pytestmark = pytest.mark.slow


@every_configuration
def test_the_contract(digits: Data, resnet: nn.Module, options: dict[str, Any]) -> None:
    check_problem(small(digits, resnet, **options))


def test_the_contract_with_refits(refitted: LayerVector) -> None:
    check_problem(refitted)


# Measurements equal those of a plain computation.


@every_configuration
def test_networks_are_what_was_measured(
    digits: Data, resnet: nn.Module, options: dict[str, Any]
) -> None:
    problem = small(digits, resnet, **{**options, "precision": "float32"})
    assert_networks_are_what_was_measured(problem, sample(problem))


def test_refitted_networks_are_what_was_measured(refitted: LayerVector) -> None:
    X = sample(refitted)
    X[0], X[1] = refitted.order.counts, 0  # everything, nothing
    assert_networks_are_what_was_measured(refitted, X)


@pytest.mark.parametrize("precision", ["bfloat16", pytest.param("int8", marks=needs_int8)])
def test_the_front_is_measured_in_float32(digits: Data, resnet: nn.Module, precision: Any) -> None:
    exact, fast = (
        small(digits, resnet, recovery="batch-norm", search_images=300, precision=p)
        for p in ("float32", precision)
    )
    X = exact.random(12, np.random.default_rng(0))
    truth = exact.measure(X)["accuracy"]
    quick = fast.measured(X, fast.batch(1))["accuracy"]
    assert not np.array_equal(quick, truth)
    assert np.abs(quick - truth).max() < 0.05
    assert np.array_equal(fast.measured(X)["accuracy"], truth)
    found = search(fast, make_algorithm("nsga2", fast, 6), Budget(generations=2), seed=0)
    assert np.array_equal(found.measurements["accuracy"], exact.measure(found.X)["accuracy"])
    # The same holds for pymoo's own function, without our search.
    engine = NSGA2(pop_size=6, **fast.operators())
    result = minimize(fast, engine, ("n_gen", 2), seed=0)
    front = Front.from_result(fast, result)
    assert np.array_equal(front.columns["accuracy"], exact.measure(front.X)["accuracy"])


@settings(max_examples=5)
@given(st.integers(0, 2**32))
def test_accuracies_are_those_of_the_plain_way(plain: LayerVector, seed: int) -> None:
    """Prunes a copy with torch's own functions, and makes a forward pass."""
    generator = np.random.default_rng(seed)
    shares = generator.uniform(0, 0.9, (2, 8)) * generator.integers(2, size=(2, 8))
    counts = plain.order.uniform(shares)
    measured = plain.measure(counts)["accuracy"]
    split = plain.search_images.split
    for row, pruned in enumerate(counts):
        network = copy.deepcopy(plain.parent)
        for name, amount in zip(plain.order.names, pruned, strict=True):
            prune.l1_unstructured(network.get_submodule(name), "weight", amount=int(amount))
        with torch.no_grad():
            right = network(split.images).argmax(dim=1) == split.labels
        assert measured[row] == int(right.sum()) / len(split)


def test_sizes_by_hand(plain: LayerVector, resnet: nn.Module) -> None:
    counts = [9 * 16, 9 * 256, 9 * 256, 9 * 512, 9 * 1024, 9 * 2048, 9 * 4096, 640]
    others = 2 * (3 * 16 + 2 * 32 + 2 * 64) + 10  # batch norms and biases are never pruned
    assert plain.order.counts.tolist() == counts
    assert count_parameters(resnet) == sum(counts) + others
    X = np.array([[0] * 8, counts, [100, 0, 0, 0, 0, 1000, 0, 640]])
    values = plain.measure(X)
    assert values["parameters"].tolist() == [sum(counts) + others, others, 74_512 + 490 - 1740]
    expected = np.array([0, sum(counts), 1740]) / (sum(counts) + others)
    assert values["sparsity"] == pytest.approx(expected, abs=1e-15)
    macs = sum(n * p for n, p in zip(counts, POSITIONS, strict=True))
    assert values["macs"].tolist() == [macs, 0, macs - 6400 - 4000 - 640]
    assert values["empty_layers"].tolist() == [0, 8, 1]
    for name, value in plain.parent_measurements().items():
        assert values[name][0] == value, name
    assert values["accuracy"][0] == accuracy(resnet, plain.search_images.split)


@every_configuration
def test_neighbours_and_order_change_no_bit(
    digits: Data, resnet: nn.Module, options: dict[str, Any]
) -> None:
    problem = small(digits, resnet, **options)
    X = np.concatenate([sample(problem), problem.random(10, np.random.default_rng(0))])
    batch = problem.batch(1)
    together = problem.measured(X, batch)
    chunked = problem.measured(X[::-1], batch)
    alone = [problem.measured(X[row : row + 1], batch) for row in (3, 12)]
    for name, column in together.items():
        assert np.array_equal(column, chunked[name][::-1]), name
        assert column[[3, 12]].tolist() == [one[name][0] for one in alone], name


@every_configuration
def test_arguments_are_left_as_they_were(
    digits: Data, resnet: nn.Module, options: dict[str, Any], untouched_global_generators: None
) -> None:
    parent = copy.deepcopy(resnet).train()
    weights = copy.deepcopy(parent.state_dict())
    images = digits.validation.images.clone(), digits.train.images.clone()
    problem = small(digits, parent, **options)
    X = sample(problem)
    before = X.copy()
    problem.measure(X)
    problem.network(X[0])
    problem.rivals.at(problem.measure(X))
    search(problem, make_algorithm("random", problem, 4), Budget(generations=2), seed=0)
    assert np.array_equal(X, before)
    assert parent.training
    assert all(p.requires_grad and p.grad is None for p in parent.parameters())
    assert all(torch.equal(weights[name], now) for name, now in parent.state_dict().items())
    assert torch.equal(images[0], digits.validation.images)
    assert torch.equal(images[1], digits.train.images)


def test_batch_norms_see_the_pruned_network(digits: Data, resnet: nn.Module) -> None:
    problem = small(digits, resnet, recovery="batch-norm")
    counts = problem.order.uniform(np.array([0.5]))[0]
    network, images = problem.network(counts), problem.assembly.images
    assert len(images) == 64
    with torch.no_grad():
        seen = network.get_submodule("conv")(images)
    norm: Any = network.get_submodule("norm")
    assert torch.allclose(norm.running_mean, seen.mean(dim=(0, 2, 3)), atol=1e-5)
    assert torch.allclose(norm.running_var, seen.var(dim=(0, 2, 3)), rtol=1e-4)


def test_the_fingerprint_knows_what_measurements_depend_on(
    digits: Data, resnet: nn.Module, plain: LayerVector
) -> None:
    other = copy.deepcopy(resnet)
    with torch.no_grad():
        other.get_submodule("norm").running_mean[0] += 1
    problems = [
        *(small(digits, resnet, **options) for options in CONFIGURATIONS.values()),
        small(digits, other, recovery="none"),
        small(digits, resnet, recovery="none", seed=1),
        small(digits, resnet, recovery="none", search_images=100),
        small(digits, resnet, recovery="none", recovery_images=100),
    ]
    same = [one for one in problems if one.fingerprint == plain.fingerprint]
    assert same == [problems[0], problems[4]]  # constraints are no part of a measurement
    assert len({one.fingerprint for one in problems}) == len(problems) - 1
