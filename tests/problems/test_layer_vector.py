from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.optimize import minimize
from torch import nn
from torch.nn.utils import prune

from pymoo_prune import (
    Budget,
    Data,
    Front,
    PrunedWeightsPerAccuracyDrop,
    PruneError,
    find_problem,
)
from pymoo_prune.complexity import count_parameters
from pymoo_prune.engines import make_algorithm
from pymoo_prune.evaluation import accuracy
from pymoo_prune.genome import Array
from pymoo_prune.inference import supports_int8
from pymoo_prune.networks import CifarResNet
from pymoo_prune.search import StoredEvaluator, search
from pymoo_prune.testing import check_problem, sample
from pymoo_prune.training import Recipe, trained
from pymoo_prune_problems import LayerVector
from pymoo_prune_problems.layer_vector import train_parent
from pymoo_prune_problems.layer_vector_reproduction import Iteration, reduced
from tests.tiny_problem import threads

PWAD = PrunedWeightsPerAccuracyDrop()
POSITIONS = [64, 64, 64, 16, 16, 4, 4, 1]
"""Pixels that come out of each layer of a resnet-8, of 8×8 images."""


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    with threads(1):
        yield


@pytest.fixture(scope="module")
def resnet(digits: Data) -> nn.Module:
    return train_parent(digits, "resnet-8", 3)


def small(data: Data, parent: nn.Module, **options: Any) -> LayerVector:
    return LayerVector(
        data, parent=parent, **{"search_images": 200, "recovery_images": 64, **options}
    )


@pytest.fixture(scope="module")
def plain(digits: Data, resnet: nn.Module) -> LayerVector:
    """Without recovery, as the paper measures."""
    return small(digits, resnet, recovery="none")


@pytest.fixture(scope="module")
def refitted(digits: Data, resnet: nn.Module) -> LayerVector:
    return small(digits, resnet)


needs_int8 = pytest.mark.skipif(not supports_int8(), reason="no int8 kernels here")
RACING: dict[str, Any] = {"recovery": "none", "objectives": PWAD, "racing": True}
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "none": {"recovery": "none"},
    "levels": {"recovery": "none", "levels": 8},
    "thresholds": {"encoding": "thresholds", "recovery": "batch-norm"},
    "steps": {"recovery": "batch-norm+steps:1", "search_images": 50},
    "constrained": {"recovery": "none", "constraints": ["accuracy_drop<=0.1", "macs<=50%"]},
    "racing": {**RACING, "search_images": 300},
}
every_configuration = pytest.mark.parametrize(
    "options",
    [
        *(pytest.param(options, id=name) for name, options in CONFIGURATIONS.items()),
        pytest.param({"recovery": "batch-norm", "precision": "int8"}, id="int8", marks=needs_int8),
    ],
)


@every_configuration
def test_the_contract(digits: Data, resnet: nn.Module, options: dict[str, Any]) -> None:
    check_problem(small(digits, resnet, **options))


def test_the_contract_with_refits(refitted: LayerVector) -> None:
    check_problem(refitted)


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
    one = train_parent(digits, "resnet-8", 0.1, seed=1, progress=shares.append)
    two = train_parent(digits, "resnet-8", 0.1, seed=1)
    other = train_parent(digits, "resnet-8", 0.1, seed=2)
    assert shares == sorted(shares)
    assert isinstance(one, CifarResNet)
    weights = [network.get_parameter("conv.weight") for network in (one, two, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert count_parameters(train_parent(digits, "feed-forward", 0.01)) == 108_132 - 90 * 257


# Measurements are what a plain computation gives.


def zeros(network: nn.Module) -> int:
    return sum(int((p == 0).sum()) for p in network.parameters() if p.ndim > 1)


def nonzero(network: nn.Module, layers: Sequence[str]) -> list[int]:
    weights = [network.get_parameter(f"{name}.weight") for name in layers]
    return [int(torch.count_nonzero(weight)) for weight in weights]


def assert_networks_are_what_was_measured(problem: LayerVector, X: Array) -> None:
    values = problem.measure(X)
    counts = problem.encoding.decode(X)
    full, split = count_parameters(problem.parent), problem.whole.split
    layers = problem.order.names
    for row, x in enumerate(X):
        network = problem.network(x)
        left = nonzero(network, layers)
        assert np.array_equal(problem.order.counts - left, counts[row])
        assert values["accuracy"][row] == accuracy(network, split)
        drop = accuracy(problem.parent, split) - accuracy(network, split)
        assert values["accuracy_drop"][row] == drop
        assert values["parameters"][row] == full - zeros(network)
        assert values["sparsity"][row] == pytest.approx(zeros(network) / full, abs=1e-15)
        assert values["macs"][row] == sum(n * p for n, p in zip(left, POSITIONS, strict=True))
        assert values["empty_layers"][row] == left.count(0)
        assert not network.training


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
    assert not np.array_equal(fast.measure(X)["accuracy"], truth)
    assert np.abs(fast.measure(X)["accuracy"] - truth).max() < 0.05
    assert np.array_equal(fast.measured_finally(X)["accuracy"], truth)
    found = search(fast, make_algorithm("nsga2", fast, 6), Budget(generations=2), seed=0)
    assert np.array_equal(found.measurements["accuracy"], exact.measure(found.X)["accuracy"])
    # And where pymoo's own function is called, without our search.
    engine = NSGA2(pop_size=6, **fast.operators())
    result = minimize(fast, engine, ("n_gen", 2), seed=0)
    front = Front.from_result(fast, result)
    assert np.array_equal(front.columns["accuracy"], exact.measure(front.X)["accuracy"])


@settings(max_examples=5)
@given(st.integers(0, 2**32))
def test_accuracies_are_those_of_the_plain_way(plain: LayerVector, seed: int) -> None:
    """torch's own pruning of a copy, and a forward pass."""
    generator = np.random.default_rng(seed)
    shares = generator.uniform(0, 0.9, (2, 8)) * generator.integers(2, size=(2, 8))
    counts = plain.order.uniform(shares)
    measured = plain.measure(counts)["accuracy"]
    split = plain.whole.split
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
    assert values["accuracy"][0] == accuracy(resnet, plain.whole.split)


@every_configuration
def test_neighbours_and_order_change_no_bit(
    digits: Data, resnet: nn.Module, options: dict[str, Any]
) -> None:
    problem = small(digits, resnet, **options)
    X = np.concatenate([sample(problem), problem.random(10, np.random.default_rng(0))])
    together = problem.measure(X)
    chunked = problem.measured(X[::-1], problem.batch(1))
    alone = [problem.measure(X[row : row + 1]) for row in (3, 12)]
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
    problem.baselines(problem.measure(X))
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


# The paper's metric, and races.


def test_candidates_stand_in_the_order_of_eq_8(digits: Data, resnet: nn.Module) -> None:
    problem = small(digits, resnet, recovery="none", objectives=PWAD)
    X = np.concatenate(
        [
            problem.order.uniform(np.linspace(0.01, 0.9, 12)),
            problem.random(12, np.random.default_rng(1)),
        ]
    )
    values, F = problem.measure(X), problem.score(problem.measure(X))["F"][:, 0]
    images, before = problem.whole.split, round(problem.parent_measurements()["accuracy"] * 200)
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
    assert problem.racing is not None
    assert list(problem.racing.slices) == [256, 44]
    X = problem.random(6, np.random.default_rng(0))
    parts = [problem.measure_on(X, number)["accuracy"] for number in (0, 1)]
    whole = problem.measure(X)["accuracy"]
    assert np.allclose((256 * parts[0] + 44 * parts[1]) / 300, whole)
    # Whoever does not race sees all of them: pymoo's own functions, for example.
    assert np.array_equal(problem.measured(X, problem.batch(1))["accuracy"], whole)
    result = minimize(problem, GA(pop_size=6, **problem.operators()), ("n_gen", 2), seed=0)
    accuracies = result.pop.get("accuracy").astype(float)
    assert np.array_equal(accuracies, problem.measure(result.pop.get("X"))["accuracy"])


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


# What it is compared with.


@pytest.mark.parametrize("recovery", ["none", "batch-norm", "batch-norm+steps:1"])
def test_baselines_are_magnitude_pruning_at_the_fronts_sparsities(
    digits: Data, resnet: nn.Module, recovery: str
) -> None:
    problem = small(digits, resnet, recovery=recovery)
    wanted = np.array([0.0, 0.5, 0.9, 0.99])
    front = {"sparsity": wanted}
    globally, uniformly = problem.baselines(front)
    assert (globally.name, uniformly.name) == (
        "global magnitude pruning",
        "uniform magnitude pruning",
    )
    sizes = np.concatenate([problem.order.weights[k].flatten().abs() for k in range(8)])
    full, prunable = count_parameters(resnet), len(sizes)
    sparsities = np.unique(np.quantile(wanted, np.linspace(0, 1, 12)))
    weights = [f"{name}.weight" for name in problem.order.names]
    for baseline, exact in ((globally, 1), (uniformly, 8)):
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
            # Repaired as the search's candidates are.
            counts = problem.order.counts - nonzero(network, problem.order.names)
            own = problem.network(counts)
            assert all(
                torch.equal(value, own.state_dict()[name])
                for name, value in network.state_dict().items()
            )
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
    assert plain.notes(X) == [
        "Network 1 has no weight left in conv, linear.",
        "Network 2 has no weight left in stages.1.0.conv1.",
    ]


# Pruning what is pruned already.


@pytest.fixture(scope="module")
def pruned(plain: LayerVector) -> nn.Module:
    """Half of its weights are gone, the smallest of each layer; nothing is retrained."""
    return plain.network(plain.order.uniform(np.array([0.5]))[0])


@pytest.mark.parametrize("recovery", ["none", "refit+batch-norm"])
def test_a_second_iteration_counts_what_is_left(
    digits: Data, plain: LayerVector, pruned: nn.Module, recovery: str
) -> None:
    problem = small(digits, pruned, recovery=recovery, levels=8)
    left = plain.order.counts - plain.order.uniform(np.array([0.5]))[0]
    assert problem.order.counts.tolist() == left.tolist()
    assert problem.xu.tolist() == left.tolist()
    full = count_parameters(pruned)
    before = zeros(pruned)
    assert problem.parent_measurements()["sparsity"] == pytest.approx(before / full, abs=1e-15)
    assert problem.parent_measurements()["parameters"] == full - before
    gone = {name: p == 0 for name, p in pruned.named_parameters() if p.ndim > 1}
    X = sample(problem)
    X[0], X[-1] = 0, left
    assert_networks_are_what_was_measured(problem, X)
    for x in X:
        network = problem.network(x)
        assert zeros(network) == before + x.sum()
        for name, zero in gone.items():
            assert (network.get_parameter(name)[zero] == 0).all()
    (baseline, _) = problem.baselines({"sparsity": np.array([0.75])})
    assert zeros(baseline.networks[0]) == round(0.75 * full)


def test_half_of_a_half_is_three_quarters(
    digits: Data, plain: LayerVector, pruned: nn.Module
) -> None:
    again = small(digits, pruned, recovery="none")
    twice = again.network(again.order.uniform(np.array([0.5]))[0])
    once = plain.network(plain.order.uniform(np.array([0.75]))[0])
    for (name, one), other in zip(once.named_parameters(), twice.parameters(), strict=True):
        assert torch.equal(one, other), name


def test_pruning_and_retraining_again_and_again(digits: Data, resnet: nn.Module) -> None:
    weights = copy.deepcopy(resnet.state_dict())
    generations: list[int] = []
    iterations: list[Iteration] = list(
        reduced(
            digits,
            resnet,
            budget=Budget(generations=2),
            epochs=(0.2, 0.3),
            on_generation=lambda step: generations.append(step.generation),
            search_images=50,
            recovery_images=16,
        )
    )
    assert generations == [1, 2, 1, 2]
    assert [one.number for one in iterations] == [1, 2]
    assert [one.epochs for one in iterations] == pytest.approx([0.2, 0.5])
    full = count_parameters(resnet)
    for one in iterations:
        assert one.sparsity == pytest.approx(zeros(one.network) / full, abs=1e-12)
        assert one.pepe == pytest.approx(100 * one.sparsity / one.epochs)
        assert one.accuracy == accuracy(one.network, digits.test)
        assert one.generations == 2
        assert min(one.search_seconds, one.retrain_seconds) > 0
        assert one.compact_key == ()  # no layer of a resnet-8 is that small
    first, second = iterations
    # Each takes around 50 to 80 % of what it finds.
    assert 0.4 < first.sparsity < 0.9
    assert 0.4 < (second.sparsity - first.sparsity) / (1 - first.sparsity) < 0.9
    for (name, one), other in zip(
        first.network.named_parameters(), second.network.parameters(), strict=True
    ):
        if one.ndim > 1:
            assert (other[one == 0] == 0).all(), name
            assert not torch.equal(one[other != 0], other[other != 0]), name  # it was retrained
    assert all(torch.equal(weights[name], now) for name, now in resnet.state_dict().items())


@pytest.mark.parametrize("epochs", [(), (0,), (2, 0), (1, -1)])
def test_iterations_need_epochs(digits: Data, resnet: nn.Module, epochs: Sequence[float]) -> None:
    with pytest.raises(PruneError, match="every iteration needs a number of epochs above 0"):
        next(reduced(digits, resnet, budget=Budget(generations=1), epochs=epochs))


# Networks that it takes, and those that it does not.


class Choosy(nn.Module):
    """Looks at values in its forward pass: it cannot be traced."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3, stride=2)
        self.linear = nn.Linear(72, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu(self.conv(images)).flatten(1)
        return self.linear(hidden if hidden.sum() > 0 else -hidden)  # type: ignore[no-any-return]


def sequential() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, stride=2), nn.ReLU(), nn.Dropout(0.2), nn.Flatten(), nn.Linear(72, 10)
    )


@pytest.mark.parametrize("make", [sequential, Choosy])
@pytest.mark.parametrize("recovery", ["none", "refit+batch-norm"])
def test_a_users_own_module_can_be_the_parent(digits: Data, make: Any, recovery: str) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        parent = trained(make(), digits.train, images=3_000, recipe=Recipe(learning_rate=0.01))
    problem = small(digits, parent, recovery=recovery, levels=6)
    check_problem(problem)
    assert problem.order.counts.tolist() == [72, 720]
    X = sample(problem)
    split = problem.whole.split
    expected = [accuracy(problem.network(x), split) for x in X]
    assert problem.measure(X)["accuracy"].tolist() == expected
    assert max(expected) > 0.5


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
    assert accuracy(front[0].network(), problem.whole.split) == front.columns["accuracy"][0]


class Dictionary(Choosy):
    def forward(self, images: torch.Tensor) -> Any:
        return {"logits": super().forward(images)}


class Clips(Choosy):
    def forward(self, images: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return super().forward(images)


def damaged() -> nn.Module:
    network = sequential()
    with torch.no_grad():
        network.get_parameter("4.weight")[0, 0] = float("nan")
    return network


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CifarResNet(8, 3, 10), r"cannot take the images of digits, \(1, 8, 8\)"),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(49, 10)), "cannot take the images"),
        (Clips, "cannot take the images .*lengths"),
        (Dictionary, "gives a dict, not one tensor"),
        (lambda: CifarResNet(8, 1, 7), r"gives \(7,\) values an image, .*10 classes"),
        (
            lambda: nn.Sequential(nn.Flatten(), nn.AdaptiveAvgPool1d(10)),
            "a Sequential has nothing to prune",
        ),
        (damaged, "layer '4' has weights that are not finite"),
    ],
)
def test_parents_that_do_not_fit(digits: Data, make: Any, message: str) -> None:
    with torch.random.fork_rng(devices=[]), pytest.raises(PruneError, match=message):
        small(digits, make(), recovery="none")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"network": "resnet-9"}, "unknown network 'resnet-9'.*Did you mean 'resnet-"),
        ({"parent_epochs": 0}, "parent_epochs must be above 0, but they are 0"),
        ({"parent_epochs": -1}, "parent_epochs must be above 0"),
        ({"encoding": "count"}, "unknown encoding 'count'.*Did you mean 'counts'"),
        ({"recovery": "refitt"}, "recovery 'refitt' is not known.*'batch-norm'.*'steps:K'"),
        ({"recovery": "batch-norm+refit"}, "joined by a plus in this order"),
        ({"search_images": 0}, "search_images must be at least 1.*are 0, 256 and None"),
        ({"recovery_images": -1}, "are 1000, -1 and None"),
    ],
)
def test_options_that_cannot_be_are_refused_before_anything_is_trained(
    digits: Data, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], message: str
) -> None:
    monkeypatch.delattr("pymoo_prune_problems.layer_vector.trained")
    with pytest.raises(PruneError, match=message):
        LayerVector(digits, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "int9"}, "unknown precision 'int9'.*Did you mean 'int8'"),
        ({"levels": 1}, "levels at least 2, but they are 200, 64 and 1"),
        ({"objectives": ["accuracy", "sparsty"]}, "Did you mean 'sparsity'"),
        ({"constraints": ["sparsity>0.5"]}, "must read like"),
    ],
)
def test_options_that_cannot_be(
    digits: Data, resnet: nn.Module, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(PruneError, match=message):
        small(digits, resnet, recovery="none", **options)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros((1, 8)), "counts must be integers, but they are float64"),
        (np.zeros((1, 8), dtype=bool), "counts must be integers, but they are bool"),
        (np.zeros((1, 7), dtype=int), r"must be \(n, 8\), a column a layer, not \(1, 7\)"),
        (np.zeros(8, dtype=int), r"must be \(n, 8\)"),
        (np.array([[0] * 8, [0, -1, *[0] * 6]]), "candidate 1 prunes -1 .*'stages.0.0.conv1'"),
        (np.array([[*[0] * 7, 641]]), "candidate 0 prunes 641 .*'linear', which has 640"),
    ],
)
def test_chromosomes_that_cannot_be(plain: LayerVector, X: Array, message: str) -> None:
    with pytest.raises(PruneError, match=message):
        plain.measure(X)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros((1, 8)), r"thresholds must .*\(n, 9\).*not \(1, 8\)"),
        (np.full((1, 9), np.nan), "thresholds must be finite"),
        (np.full((2, 9), np.inf), "thresholds must be finite"),
    ],
)
def test_thresholds_that_cannot_be(digits: Data, resnet: nn.Module, X: Array, message: str) -> None:
    problem = small(digits, resnet, recovery="none", encoding="thresholds")
    with pytest.raises(PruneError, match=message):
        problem.measure(X)


def test_the_papers_algorithm_needs_counts_and_one_objective(
    digits: Data, resnet: nn.Module, plain: LayerVector
) -> None:
    with pytest.raises(PruneError, match="needs encoding 'counts'"):
        small(digits, resnet, recovery="none", encoding="thresholds").algorithm()
    with pytest.raises(PruneError, match="needs one objective, but the problem has 2"):
        search(plain, plain.algorithm(), Budget(generations=3), seed=0)
