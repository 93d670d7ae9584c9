"""Measurements are those of a chromosome's network, and do not depend on other candidates."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pymoo_prune import Budget, Data
from pymoo_prune.engines import make_algorithm
from pymoo_prune.measuring import count_parameters
from pymoo_prune.networks import SimpleCNN
from pymoo_prune.search import search
from pymoo_prune.testing import check_problem, sample
from pymoo_prune_problems import DistilledFilters
from pymoo_prune_problems.distilled_filters.problem import FITNESS
from tests.support.distilled_filters import (
    RECOVERIES,
    STEPS,
    Block,
    assert_networks_are_what_was_measured,
    candidates,
    small,
)
from tests.support.trainings import same

# The contract.

CONFIGURATIONS: dict[str, dict[str, Any]] = {
    **{text: {"recovery": text} for text in RECOVERIES},
    "teacher alone": {"recovery": "steps:1", "alpha": 0, "temperature": 1, "train_images": 100},
    "labels alone": {"recovery": "steps:1", "alpha": 1, "seed": 3},
    "patience": {"recovery": "steps:10", "patience": 1, "train_images": 60},
    "one fitness": {"recovery": "refit", "objectives": FITNESS},
    "bounds": {
        "recovery": "none",
        "objectives": ["accuracy_drop", "macs_removed"],
        "constraints": ["accuracy_drop<=0.3", "macs<=50%"],
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("options", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_the_contract(digits: Data, teacher: SimpleCNN, options: dict[str, Any]) -> None:
    check_problem(small(digits, teacher, **{"search_images": 50, **options}))


@pytest.mark.slow
@pytest.mark.parametrize("recovery", ["none", "refit+batch-norm"])
def test_the_contract_with_branches(digits: Data, residual: nn.Module, recovery: str) -> None:
    problem = small(digits, residual, recovery=recovery, search_images=50)
    assert problem.filters.genes.n_pieces == 3
    check_problem(problem)


# Measurements.


@pytest.mark.slow
@pytest.mark.parametrize("recovery", RECOVERIES)
def test_networks_are_what_was_measured(digits: Data, teacher: SimpleCNN, recovery: str) -> None:
    problem = small(digits, teacher, recovery=recovery)
    assert problem.n_var == 6 + 8 + 12
    assert_networks_are_what_was_measured(problem, candidates(problem))


def test_the_whole_network_is_measured_like_the_parent(plain: DistilledFilters) -> None:
    values = plain.measure(np.ones((1, plain.n_var), dtype=bool))
    assert plain.parent_measurements() == {name: column[0] for name, column in values.items()}
    assert values["sparsity"] == values["macs_removed"] == values["accuracy_drop"] == 0
    assert plain.parent is plain.parent
    assert values["accuracy"] > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("recovery", ["none", "refit+batch-norm+steps:2"])
def test_what_must_be_repaired_is_measured_like_what_it_becomes(
    digits: Data, residual: nn.Module, recovery: str
) -> None:
    problem = small(digits, residual, recovery=recovery)
    genes = problem.filters.genes
    X = problem.random(6, np.random.default_rng(1))
    X[0] = False  # no layer has a filter, and no branch is there
    X[1, : genes.n_filters] = False
    X[2, : genes.sizes[0]] = False
    X[3, genes.n_filters :] = False
    before, repaired = X.copy(), problem.filters.repaired(X)
    assert not np.array_equal(X, repaired)
    assert (genes.counts(repaired) >= 1).all()
    values, expected = problem.measure(X), problem.measure(repaired)
    assert np.array_equal(X, before)
    for name, column in expected.items():
        assert np.array_equal(values[name], column), name
    for name, column in problem.preview.sizes(repaired).items():
        assert np.array_equal(problem.preview.sizes(X)[name], column), name
    assert np.isfinite(problem.preview.features(X)).all()
    for x, other in zip(X, repaired, strict=True):
        assert same(problem.network(x), problem.network(other))


@pytest.mark.parametrize("recovery", ["none", "refit+batch-norm+steps:2"])
def test_branches_go_whole(digits: Data, residual: nn.Module, recovery: str) -> None:
    problem = small(digits, residual, recovery=recovery)
    genes = problem.filters.genes
    assert genes.sizes == (6, 6, 6, 6)  # the sums' shared channels, and each block's own
    X = np.ones((4, problem.n_var), dtype=bool)
    X[1, genes.n_filters + 1] = False
    X[2, genes.n_filters :] = False
    X[3, ::2] = False
    assert_networks_are_what_was_measured(problem, problem.filters.repaired(X))
    one = count_parameters(Block(6))
    whole = count_parameters(residual)
    assert problem.preview.sizes(X)["parameters"].tolist()[:3] == [
        whole,
        whole - one,
        whole - 3 * one,
    ]
    layers = {name for name, _ in problem.network(X[1]).named_modules()}
    assert not any("blocks.1.one" in name or "blocks.1.two" in name for name in layers)
    if recovery == "none":
        stump = copy.deepcopy(residual)
        stump.blocks = nn.ModuleList()
        images = digits.validation.images[:20]
        with torch.no_grad():
            torch.testing.assert_close(problem.network(X[2])(images), stump(images))


def test_what_a_surrogate_looks_at_is_finite_and_has_the_widths(
    digits: Data, residual: nn.Module
) -> None:
    problem = small(digits, residual, recovery="none")
    X, genes = candidates(problem, 5), problem.filters.genes
    features = problem.preview.features(X)
    assert features.shape == (5, len(genes.sizes) + genes.n_pieces + 2)
    assert np.isfinite(features).all()
    np.testing.assert_allclose(np.exp(features[:, :4]), genes.counts(X))
    assert np.array_equal(features[:, 4:7], genes.pieces(X))
    values = problem.preview.sizes(X)
    np.testing.assert_allclose(
        np.exp(features[:, 7:]), np.column_stack([values["parameters"], values["macs"]])
    )


# Seeds, and what is left alone.


@pytest.mark.slow
def test_neighbours_order_and_repetition_change_no_bit(stepped: DistilledFilters) -> None:
    X = stepped.random(18, np.random.default_rng(0))
    X[17] = X[3]
    together = stepped.measure(X)
    backwards = stepped.measured(X[::-1])  # in chunks
    for name, column in together.items():
        assert np.array_equal(column, backwards[name][::-1]), name
        assert column[17] == column[3]
        for row in (3, 12):
            assert column[row] == stepped.measure(X[[row]])[name][0], name
    assert same(stepped.network(X[3]), stepped.network(X[17]))


def test_another_seed_differs_where_it_should(digits: Data, teacher: SimpleCNN) -> None:
    x = candidates(small(digits, teacher, recovery="none"))[2]
    for recovery, equal in (("none", True), ("refit", False), ("steps:1", False)):
        one, other = (small(digits, teacher, recovery=recovery, seed=seed) for seed in (0, 1))
        assert same(one.network(x), other.network(x)) is equal, recovery
        assert not torch.equal(one.search_images.images, other.search_images.images)
        assert one.fingerprint != other.fingerprint
        assert np.array_equal(
            one.preview.sizes(x[None])["macs"], other.preview.sizes(x[None])["macs"]
        )


@pytest.mark.slow
@pytest.mark.usefixtures("untouched_global_generators")
def test_a_seed_gives_the_same_teacher_and_measurements(digits: Data) -> None:
    shares: list[float] = []
    one, again, other = (
        small(digits, None, **STEPS, parent_epochs=0.4, seed=seed, progress=shares.append)
        for seed in (3, 3, 4)
    )
    assert isinstance(one.parent, SimpleCNN)
    assert shares
    assert same(one.parent, again.parent)
    assert not same(one.parent, other.parent)
    assert one.fingerprint == again.fingerprint != other.fingerprint
    X = candidates(one)
    first, second = one.measure(X), again.measure(X)
    for name, column in first.items():
        assert np.array_equal(column, second[name]), name


@pytest.mark.slow
@pytest.mark.usefixtures("untouched_global_generators")
@pytest.mark.parametrize("recovery", ["refit", "refit+batch-norm+steps:2"])
def test_arguments_are_left_as_they_were(digits: Data, residual: nn.Module, recovery: str) -> None:
    parent = copy.deepcopy(residual).train()
    weights = copy.deepcopy(parent.state_dict())
    images = digits.validation.images.clone(), digits.train.images.clone()
    problem = small(digits, parent, recovery=recovery, patience=1)
    X = sample(problem)
    before = X.copy()
    problem.rivals.at(problem.measure(X))
    problem.finished(problem.network(X[0]), images=64, seed=0)
    problem.finished(parent, images=64, seed=0)
    search(problem, make_algorithm("random", problem, 4), Budget(generations=2), seed=0)
    assert problem.parent is not parent
    assert np.array_equal(X, before)
    assert parent.training
    for network in (parent, problem.parent):
        assert all(p.requires_grad and p.grad is None for p in network.parameters())
        assert all(torch.equal(weights[k], now) for k, now in network.state_dict().items())
    assert torch.equal(images[0], digits.validation.images)
    assert torch.equal(images[1], digits.train.images)


@pytest.mark.slow
def test_the_fingerprint_knows_what_measurements_depend_on(
    digits: Data, teacher: SimpleCNN
) -> None:
    other = copy.deepcopy(teacher)
    with torch.no_grad():
        other.get_buffer("features.0.norm.running_mean")[0] += 1
    changes: list[tuple[Data, nn.Module, dict[str, Any]]] = [
        (digits, teacher, {}),
        (digits, teacher, {"recovery": "refit+steps:1"}),
        (digits, teacher, {"recovery": "batch-norm+steps:2"}),
        (digits, teacher, {"recovery_images": 65}),
        (digits, teacher, {"train_images": 500}),
        (digits, teacher, {"search_images": 50}),
        (digits, teacher, {"alpha": 0.4}),
        (digits, teacher, {"temperature": 3.0}),
        (digits, teacher, {"patience": 1}),
        (digits, teacher, {"patience": 2}),
        (digits, teacher, {"seed": 1}),
        (digits, other, {}),
        (replace(digits, train=digits.train.subset(range(900))), teacher, {}),
    ]
    prints = [
        small(data, parent, **{"recovery": "steps:1", **options}).fingerprint
        for data, parent, options in changes
    ]
    assert len(set(prints)) == len(prints)
    for options in (
        {"objectives": FITNESS}, {"constraints": ["macs<=50%"]}, {"smallest": 0.5},
        {"network": "resnet-20", "parent_epochs": 3.0}, {"train_images": 10_000},
    ):  # fmt: skip
        assert small(digits, teacher, recovery="steps:1", **options).fingerprint == prints[0]
