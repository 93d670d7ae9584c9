"""Measurements equal those of a plain computation, and do not depend on other candidates."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.ecomp import reference as ecomp_reference
from pymoo_prune import Data, Front, Split
from pymoo_prune.chromosomes import digests
from pymoo_prune.measuring import accuracy, count_parameters
from pymoo_prune.networks import FeedForward
from pymoo_prune.testing import check_problem, sample
from pymoo_prune_problems import EComp
from pymoo_prune_problems.ecomp import train_feed_forward
from tests.support.ecomp import (
    IN_BATCHES,
    WEIGHTS,
    every_configuration,
    found_by,
    random_parent,
    recombined,
)
from tests.support.tiny_problem import threads


@pytest.mark.slow
@every_configuration
def test_the_contract(digits: Data, balanced_parent: FeedForward, options: dict[str, Any]) -> None:
    check_problem(EComp(digits, parent=balanced_parent, **options))


def test_the_contract_with_one_objective(digits: Data, balanced_parent: FeedForward) -> None:
    fitness = EComp.fitness(1, 2, 1)
    check_problem(EComp(digits, parent=balanced_parent, objectives=fitness, **IN_BATCHES))


# Measurements equal those of a plain computation.


@pytest.mark.slow
@pytest.mark.parametrize("widths", [(16, 16), (24,), (32, 32, 32)])
def test_measurements_equal_those_of_one_network_at_a_time(
    digits: Data, widths: tuple[int, ...]
) -> None:
    parent = train_feed_forward(digits, widths, 20_000)
    problem = EComp(digits, parent=parent, encoding="weights", batch_size=100, search_images=200)
    X = recombined(problem)
    modules = [ecomp_reference.build(g.weights, g.biases) for (g,) in X]
    reference_parent = ecomp_reference.build(*parent.arrays())
    for batch in (0, 1):
        split = problem.batches[batch]
        measured = problem.approximation.measure(X, batch)
        expected = ecomp_reference.measure(modules, reference_parent, split.images, split.labels)
        correct = [
            int((module(split.images).argmax(1) == split.labels).sum()) for module in modules
        ]
        assert np.array_equal(measured["accuracy"], np.array(correct) / 100)
        assert np.allclose(measured["accuracy"], expected.accuracy, atol=1e-6)
        # The target for two hidden layers is 5e-6; losses add up over the layers.
        error = np.abs(measured["similarity_loss"] - expected.similarity_loss).max()
        assert error < max(5e-6, 2.5e-6 * len(widths))
        assert np.allclose(measured["width"], expected.width, rtol=1e-15)
        assert measured["similarity_loss"].min() > 1e-3


def test_similarity_takes_the_first_hundred_images_and_accuracy_all(
    digits: Data, balanced_parent: FeedForward
) -> None:
    problem = EComp(digits, parent=balanced_parent, encoding="weights", search_images=180)
    X = sample(problem)
    pool = problem.batches[0]
    assert len(pool) == 180
    modules = [ecomp_reference.build(g.weights, g.biases) for (g,) in X]
    reference_parent = ecomp_reference.build(*balanced_parent.arrays())
    few = ecomp_reference.measure(modules, reference_parent, pool.images[:100], pool.labels[:100])
    measured = problem.measure(X)
    assert np.abs(measured["similarity_loss"] - few.similarity_loss).max() < 5e-6
    assert measured["accuracy"].tolist() == [accuracy(module, pool) for module in modules]


@every_configuration
def test_networks_are_what_was_measured(
    digits: Data, balanced_parent: FeedForward, options: dict[str, Any]
) -> None:
    problem = EComp(digits, parent=balanced_parent, **options)
    X = sample(problem)
    values, split = problem.measured(X, 0), problem.batches[0]
    full = count_parameters(balanced_parent)
    parent_accuracy = accuracy(balanced_parent, split)
    for row, x in enumerate(X):
        network = problem.network(x)
        linears = [layer for layer in network if isinstance(layer, nn.Linear)]
        macs = sum(layer.in_features * layer.out_features for layer in linears)
        hidden = sum(layer.out_features for layer in linears[:-1])
        assert values["accuracy"][row] == accuracy(network, split)
        assert values["accuracy_drop"][row] == parent_accuracy - values["accuracy"][row]
        assert values["parameters"][row] == count_parameters(network)
        assert values["sparsity"][row] == 1 - count_parameters(network) / full
        assert values["macs"][row] == macs
        assert values["width"][row] == hidden / 32
        assert not network.training


@pytest.mark.parametrize("widths", [(24,), (16, 16), (20, 12, 8)])
def test_the_small_network_is_the_masked_full_one(digits: Data, widths: tuple[int, ...]) -> None:
    parent = random_parent(widths)
    problem = EComp(digits, parent=parent, recovery="none")
    images = digits.validation.images[:60]
    for x in problem.random(6, np.random.default_rng(0)):
        hidden, masks = images.flatten(1), np.split(x, np.cumsum(widths)[:-1])
        layers = parent.linear_layers
        with torch.no_grad():
            for layer, mask in zip(layers[:-1], masks, strict=True):
                hidden = torch.relu(layer(hidden)) * torch.from_numpy(mask)
            masked = layers[-1](hidden)
            slim = problem.network(x)(images)
        assert torch.allclose(slim, masked, atol=1e-5)


def test_the_whole_parent_loses_nothing(digits: Data, balanced_parent: FeedForward) -> None:
    problem = EComp(digits, parent=balanced_parent, recovery="none")
    values = problem.measure(np.ones((1, 32), dtype=bool))
    expected = {
        "accuracy": accuracy(balanced_parent, problem.batches[0]),
        "accuracy_drop": 0,
        "parameters": count_parameters(balanced_parent),
        "sparsity": 0,
        "macs": 64 * 16 + 16 * 16 + 16 * 10,
        "width": 1,
    }
    parent = problem.parent_measurements()
    for name, value in expected.items():
        assert values[name][0] == value == parent[name], name
    assert abs(values["similarity_loss"][0]) < 1e-6
    assert parent["similarity_loss"] == 0


def test_refitting_pays(digits: Data, balanced_parent: FeedForward) -> None:
    plain = EComp(digits, parent=balanced_parent, recovery="none")
    refitted = EComp(digits, parent=balanced_parent)
    X = plain.random(30, np.random.default_rng(0))
    assert refitted.measure(X)["accuracy"].mean() > plain.measure(X)["accuracy"].mean() + 0.05


# A measurement depends on the candidate alone.


@pytest.mark.slow
@every_configuration
def test_neighbours_and_order_change_no_bit(
    digits: Data, balanced_parent: FeedForward, options: dict[str, Any]
) -> None:
    problem = EComp(digits, parent=balanced_parent, **options)
    X = recombined(problem) if options.get("encoding") == "weights" else sample(problem)
    X = np.concatenate([X, X[:3]])
    together = problem.measure(X)
    for row in range(len(X)):
        alone = problem.measure(X[row : row + 1])
        for name, column in together.items():
            assert column[row] == alone[name][0], (name, row)
    for name, column in problem.measured(X[::-1]).items():
        assert np.array_equal(column[::-1], together[name]), name


def test_threads_change_nothing_but_last_bits(digits: Data, balanced_parent: FeedForward) -> None:
    for options in (WEIGHTS, {}):
        problem = EComp(digits, parent=balanced_parent, **options)
        X = sample(problem)
        one = problem.measure(X)
        with threads(2):
            two = EComp(digits, parent=balanced_parent, **options).measure(X)
        for name in problem.quantities:
            tolerance = 1.5 / len(problem.batches[0]) if "accuracy" in name else 2e-6
            assert np.abs(one[name] - two[name]).max() <= tolerance, name


def test_a_view_that_was_dropped_is_made_again_alike(
    digits: Data, balanced_parent: FeedForward
) -> None:
    problem = EComp(digits, parent=balanced_parent, **IN_BATCHES)
    X = sample(problem)
    first = problem.approximation.measure(X, 0)
    for batch in (1, 2, 3):
        problem.approximation.measure(X, batch)
    again = problem.approximation.measure(X, 0)
    for name, column in first.items():
        assert np.array_equal(column, again[name]), name


@pytest.mark.slow
@every_configuration
def test_arguments_are_left_as_they_were(
    digits: Data, options: dict[str, Any], untouched_global_generators: None
) -> None:
    parent = train_feed_forward(digits, (12, 12), 500)
    parent.train()
    weights = copy.deepcopy(parent.state_dict())
    images = digits.validation.images.clone(), digits.train.images.clone()
    problem = EComp(digits, parent=parent, **options)
    X = sample(problem)
    names = digests(X)
    contents = copy.deepcopy(X) if X.dtype == bool else None
    problem.measure(X)
    problem.measure(X)
    front = Front.from_candidates(problem, X, problem.measured(X)).finish(images=100)
    problem.rivals.at(front.columns)
    found_by(problem, 2)
    assert digests(X) == names
    assert contents is None or np.array_equal(contents, X)
    assert parent.training
    assert all(p.requires_grad and p.grad is None for p in parent.parameters())
    assert all(torch.equal(weights[name], now) for name, now in parent.state_dict().items())
    assert torch.equal(images[0], digits.validation.images)
    assert torch.equal(images[1], digits.train.images)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, IN_BATCHES, {"recovery": "refit+steps:2"}])
def test_a_search_never_sees_the_test_images(
    digits: Data, balanced_parent: FeedForward, options: dict[str, Any]
) -> None:
    generator = torch.Generator().manual_seed(0)
    garbage = Split(
        torch.rand(digits.test.images.shape, generator=generator), digits.test.labels.flip(0)
    )
    real = found_by(EComp(digits, parent=balanced_parent, **options))
    blind = found_by(EComp(replace(digits, test=garbage), parent=balanced_parent, **options))
    assert digests(real.X) == digests(blind.X)
    for name, column in real.measurements.items():
        assert np.array_equal(column, blind.measurements[name]), name


def test_trained_candidates_depend_on_the_seed_and_on_nothing_else(
    digits: Data, balanced_parent: FeedForward
) -> None:
    X = sample(EComp(digits, parent=balanced_parent))

    def weights(seed: int) -> torch.Tensor:
        options: dict[str, Any] = {"recovery": "steps:3", "seed": seed}
        problem = EComp(digits, parent=balanced_parent, **options)
        return problem.network(X[3]).get_parameter("1.weight")

    first = weights(0)
    torch.rand(7)
    assert torch.equal(first, weights(0))
    assert not torch.equal(first, weights(1))
