"""The paper's metric, races, fronts, and the baselines of fronts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.optimize import minimize
from torch import nn

from pymoo_prune import Budget, Data, Front, PruneError, find_problem
from pymoo_prune.engines import make_algorithm
from pymoo_prune.measuring import accuracy, count_parameters
from pymoo_prune.networks import CifarResNet
from pymoo_prune.pruning import least_loss
from pymoo_prune.search import StoredEvaluator, search
from pymoo_prune_problems import LayerVector
from tests.support.layer_vector import (
    POSITIONS,
    PWAD,
    RACING,
    nonzero,
    small,
    train_resnet,
    zeros,
)

# The paper's settings.


def test_the_paper_preset_is_the_papers_search() -> None:
    preset = find_problem("layer-vector").presets["paper"]
    assert preset.options["recovery"] == "none"
    assert (preset.algorithm, preset.pop_size) == ("own", 40)
    assert (preset.generations, preset.seconds) == (None, 7200)
    assert preset.objectives == PWAD


def test_the_parent_is_trained_by_seed_alone(
    digits: Data, untouched_global_generators: None
) -> None:
    shares: list[float] = []
    one = train_resnet(digits, 0.1, seed=1, progress=shares.append)
    two = train_resnet(digits, 0.1, seed=1)
    other = train_resnet(digits, 0.1, seed=2)
    assert shares == sorted(shares)
    assert isinstance(one, CifarResNet)
    weights = [network.get_parameter("conv.weight") for network in (one, two, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    named = LayerVector(digits, network="feed-forward", parent_epochs=0.01, recovery="none")
    assert count_parameters(named.parent) == 108_132 - 90 * 257


# The paper's metric, and races.


@pytest.mark.slow
def test_candidates_stand_in_the_order_of_eq_8(digits: Data, resnet: nn.Module) -> None:
    problem = small(digits, resnet, recovery="none", objectives=PWAD)
    X = np.concatenate(
        [
            problem.order.uniform(np.linspace(0.01, 0.9, 12)),
            problem.random(12, np.random.default_rng(1)),
        ]
    )
    values, F = problem.measure(X), problem.score(problem.measure(X))["F"][:, 0]
    images, before = (
        problem.search_images.split,
        round(problem.parent_measurements()["accuracy"] * 200),
    )
    assert len(images) == 200
    lost = before - np.rint(values["accuracy"] * 200).astype(int)
    assert (lost > 0).any()
    assert (lost <= 0).any()
    for one in range(len(X)):
        for other in range(len(X)):
            if lost[one] > 0 >= lost[other]:
                assert F[other] < F[one]  # negative is better than positive
            elif lost[one] > 0 and lost[other] > 0:
                # n_pruned / (acc_ori - acc_pruned), in whole numbers: a/b > c/d is ad > cb.
                better = int(X[one].sum() * lost[other] - X[other].sum() * lost[one])
                assert (
                    np.isclose(F[one], F[other])
                    if better == 0
                    else (F[one] < F[other]) == (better > 0)
                )


def test_a_race_sees_all_images_in_slices(digits: Data, resnet: nn.Module) -> None:
    problem = small(digits, resnet, **RACING, search_images=300)
    assert problem.approximation.racing is not None
    assert list(problem.approximation.racing.slices) == [256, 44]
    X = problem.random(6, np.random.default_rng(0))
    parts = [problem.approximation.measure(X, number)["accuracy"] for number in (0, 1)]
    whole = problem.measure(X)["accuracy"]
    assert np.allclose((256 * parts[0] + 44 * parts[1]) / 300, whole)
    # Without a race all images are seen, for example by pymoo's own functions.
    assert np.array_equal(problem.measured(X, problem.batch(1))["accuracy"], whole)
    result = minimize(problem, GA(pop_size=6, **problem.operators()), ("n_gen", 2), seed=0)
    accuracies = result.pop.get("accuracy").astype(float)
    assert np.array_equal(accuracies, problem.measure(result.pop.get("X"))["accuracy"])


@pytest.mark.slow
def test_several_objectives_do_not_race(digits: Data, resnet: nn.Module) -> None:
    options: dict[str, Any] = {"recovery": "none", "search_images": 300}
    one, other = (small(digits, resnet, racing=racing, **options) for racing in (False, True))
    found = [
        search(p, make_algorithm("nsga2", p, 6), Budget(generations=3), seed=0)
        for p in (one, other)
    ]
    assert np.array_equal(found[0].X, found[1].X)
    for name, column in found[0].measurements.items():
        assert np.array_equal(column, found[1].measurements[name]), name


@pytest.mark.slow
def test_a_raced_population_is_sorted_nearly_as_if_all_had_seen_everything(
    digits: Data, resnet: nn.Module
) -> None:
    problem = small(digits, resnet, **RACING, search_images=359)
    algorithm = problem.algorithm()
    algorithm.setup(
        problem, termination=("n_gen", 2), seed=0, evaluator=StoredEvaluator(problem, None)
    )
    algorithm.next()
    places = algorithm.pop.get("place").astype(int)
    assert sorted(places) == list(range(40))
    F = problem.goals.F(problem.measure(algorithm.pop.get("X")))[:, 0]
    survivors = set(np.flatnonzero(places < 20))
    assert len(survivors & set(np.argsort(F)[:20])) >= 16


# Baselines.


@pytest.mark.slow
@pytest.mark.parametrize("recovery", ["none", "batch-norm", "batch-norm+steps:1"])
def test_baselines_are_closed_forms_at_the_fronts_sparsities(
    digits: Data, resnet: nn.Module, recovery: str
) -> None:
    problem = small(digits, resnet, recovery=recovery)
    wanted = np.array([0.0, 0.5, 0.9, 0.99])
    front = {"sparsity": wanted}
    uniformly, globally, lamp, erk, least = problem.rivals.at(front)
    assert [one.name for one in (uniformly, globally, lamp, erk, least)] == [
        "uniform magnitude pruning", "global magnitude pruning", "LAMP", "ERK", "least loss",
    ]  # fmt: skip
    sizes = np.concatenate([problem.order.weights[k].flatten().abs() for k in range(8)])
    full, prunable = count_parameters(resnet), len(sizes)
    sparsities = np.unique(np.quantile(wanted, np.linspace(0, 1, 12)))
    weights = [f"{name}.weight" for name in problem.order.names]
    for baseline, exact in ((globally, 1), (uniformly, 8), (lamp, 1), (erk, 9)):
        assert len(baseline.networks) == len(sparsities)
        gone = [zeros(network) for network in baseline.networks]
        assert np.abs(gone - sparsities * full).max() <= exact / 2 + 1e-6
        assert baseline.sizes["parameters"].tolist() == [full - n for n in gone]
        assert baseline.sizes["sparsity"] == pytest.approx(np.array(gone) / full, abs=1e-15)
        macs = [
            sum(n * p for n, p in zip(nonzero(one, problem.order.names), POSITIONS, strict=True))
            for one in baseline.networks
        ]
        assert baseline.sizes["macs"].tolist() == macs
        for network in baseline.networks:
            # The baselines get the same repair as the search's candidates.
            counts = problem.order.counts - nonzero(network, problem.order.names)
            own = problem.network(counts)
            assert all(
                torch.equal(value, own.state_dict()[name])
                for name, value in network.state_dict().items()
            )
    # Levels are coarse: the least loss is at the next sparser choice of them.
    assert (least.sizes["sparsity"] >= sparsities[: len(least.networks)] - 1e-9)[:-1].all()
    for network, pruned in zip(globally.networks, sparsities * full, strict=True):
        mask = np.concatenate([(network.get_parameter(n) != 0).flatten() for n in weights])
        if 0 < pruned < prunable:
            assert sizes[mask].min() >= sizes[~mask].max()
    for network, pruned in zip(uniformly.networks, sparsities * full, strict=True):
        shares = 1 - nonzero(network, problem.order.names) / problem.order.counts
        assert np.abs(shares - pruned / prunable).max() <= 0.5 / 144 + 1e-9


def test_random_candidates_cover_the_sparsities(plain: LayerVector) -> None:
    X = plain.random(200, np.random.default_rng(0))
    sparsities = 1 - plain.order.complexity(X)[0] / plain.order.all_parameters
    assert sparsities.min() < 0.2
    assert sparsities.max() > 0.97


def test_layers_without_a_weight_are_named(plain: LayerVector) -> None:
    X = plain.order.uniform(np.array([0.5, 0.5, 0.5]))
    X[1, [0, 7]] = plain.order.counts[[0, 7]]
    X[2, 3] = plain.order.counts[3]
    assert plain.illustration.notes(X) == [
        "Network 1 has no weight left in conv, linear.",
        "Network 2 has no weight left in stages.1.0.conv1.",
    ]


# Other engines, and the needs of the paper's algorithm.


@pytest.mark.slow
def test_nsga2_finds_a_front_that_keeps_a_bound(digits: Data, resnet: nn.Module) -> None:
    problem = small(
        digits,
        resnet,
        recovery="batch-norm",
        search_images=100,
        objectives=["accuracy", "sparsity", "macs"],
        constraints=["accuracy_drop<=0.2"],
    )
    engine = NSGA2(pop_size=16, **problem.operators())
    result = minimize(problem, engine, ("n_gen", 4), seed=1)
    assert result.F.shape[1] == 3
    assert (result.G <= 0).all()
    front = Front.from_result(problem, result)
    assert (front.columns["accuracy_drop"] <= 0.2).all()
    assert front.columns["sparsity"].max() > 0.2
    assert (np.diff(front.columns["parameters"]) >= 0).all()
    assert accuracy(front[0].network(), problem.search_images.split) == front.columns["accuracy"][0]


def test_the_papers_algorithm_needs_counts_and_one_objective(
    digits: Data, resnet: nn.Module, plain: LayerVector
) -> None:
    with pytest.raises(PruneError, match="needs encoding 'counts'"):
        small(digits, resnet, recovery="none", encoding="thresholds").algorithm()
    with pytest.raises(PruneError, match="needs one objective, but the problem has 2"):
        search(plain, plain.algorithm(), Budget(generations=3), seed=0)


@pytest.mark.slow
def test_the_least_loss_has_the_power_that_diverges_least(digits: Data, resnet: nn.Module) -> None:
    problem = small(digits, resnet, recovery="refit+batch-norm", levels=12)
    sparsities = np.array([0.5, 0.9, 0.95])
    found = problem.rivals.counts("least loss", sparsities)
    asked = problem.with_goals(("divergence", "sparsity"))
    losses = problem.assembly.losses(problem.levels.pruned)
    gone = sparsities * problem.order.all_parameters / problem.order.counts.sum()
    several = least_loss(problem.levels, losses, gone)
    best = np.min([asked.measured(each)["divergence"] for each in several], axis=0)
    assert asked.measured(found)["divergence"] == pytest.approx(best, rel=1e-6)
    powers = [
        int((several[:, place] == row).all(axis=1).argmax()) for place, row in enumerate(found)
    ]
    assert all((several[power, i] == found[i]).all() for i, power in enumerate(powers))
