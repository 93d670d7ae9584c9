"""The layer vector's genetic algorithm and its rules, on accuracies that are known exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import nn

from pymoo_prune import Budget, Data, Front, PrunedWeightsPerAccuracyDrop
from pymoo_prune.chromosomes import Array
from pymoo_prune.engines import make_algorithm
from pymoo_prune.objectives import Measurements
from pymoo_prune.operators import CountMutation, TruncationSelection, uniform_counts
from pymoo_prune.operators.crossover import exchange
from pymoo_prune.pruning import SearchImages
from pymoo_prune.search import Found, Step, Store, search
from pymoo_prune.surrogates import prescreen
from pymoo_prune.training import Recipe, trained
from pymoo_prune_problems import LayerVector
from pymoo_prune_problems.layer_vector import RuleGuidedGA, Rules

PWAD = PrunedWeightsPerAccuracyDrop()


class Known(LayerVector):
    """Accuracy falls by the square of the share that a layer loses, most in the first layer."""

    PRICES = np.array([4096, 1, 2, 8])

    def _measured(self, X: Array, images: SearchImages, *, exact: bool = False) -> Measurements:
        counts = self.encoding.decode(X)
        thousandths = counts * 1000 // self.order.counts
        drop = (self.PRICES * thousandths**2).sum(axis=1) / (self.PRICES.sum() * 1_000_000)
        return {"accuracy": 1 - drop, "accuracy_drop": drop, **self._sizes(counts)}


def known(data: Data, **options: Any) -> Known:
    """Layers of 8, 2,304, 18,432 and 640 weights: the first has less than 0.1 % of them."""
    layers = [
        *(nn.Conv2d(1, 8, 1), nn.ReLU(), nn.Conv2d(8, 32, 3), nn.ReLU()),
        *(nn.Conv2d(32, 64, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        nn.Linear(64, 10),
    ]
    generator = np.random.default_rng(1)
    with torch.no_grad():
        for layer in layers[:5:2] + layers[-1:]:
            values = generator.normal(size=layer.weight.shape) / layer.weight[0].numel() ** 0.5
            layer.weight.copy_(torch.from_numpy(values.astype(np.float32)))
            layer.bias.zero_()
    given = {"recovery": "none", "objectives": PWAD, "search_images": 10, "recovery_images": 10}
    return Known(data, parent=nn.Sequential(*layers), **{**given, **options})


@pytest.fixture(scope="module")
def problem(digits: Data) -> Known:
    return known(digits)


@dataclass(frozen=True)
class Generation:
    X: Array
    F: Array
    run: int
    done: float


def recorded(
    problem: LayerVector, budget: Budget, *, seed: int = 0, **options: Any
) -> tuple[RuleGuidedGA, list[Generation]]:
    """A search, and all of its generations."""
    algorithm = RuleGuidedGA(problem.order, problem.levels, **options)
    found: list[Generation] = []

    def note(step: Step) -> None:
        off, pop = algorithm.off, algorithm.pop
        assert np.array_equal(pop.get("X"), off.get("X"))  # the old population is replaced
        X, F = off.get("X").copy(), off.get("F")[:, 0].copy()
        found.append(Generation(X, F, algorithm.run_number, step.done))

    search(problem, algorithm, budget, seed=seed, on_generation=note)
    return algorithm, found


def by_hand(problem: LayerVector, generations: list[Generation]) -> Rules:
    """Rules of the ten best that differ, from all that a run evaluated."""
    seen: dict[tuple[int, ...], float] = {}
    for generation in generations:
        for x, fitness in zip(generation.X.tolist(), generation.F, strict=True):
            seen.setdefault(tuple(x), fitness)
    best = np.array(sorted(seen, key=lambda x: seen[x])[:10])
    counts = problem.order.counts
    small = counts * 1000 < problem.order.all_parameters
    spared = (5 * best < counts).all(axis=0)
    return Rules(best.sum(axis=0) / len(best), small & spared, counts)


def assert_same_rules(one: Rules, other: Rules) -> None:
    assert np.allclose(one.mean, other.mean, rtol=1e-14)
    assert np.array_equal(one.compact_key, other.compact_key)


# The paper's examples, and its rules.


def test_the_papers_constants() -> None:
    ga = RuleGuidedGA
    assert (ga.POPULATION, ga.INITIAL_SHARES, ga.SURVIVORS, ga.BEST) == (40, (0.5, 0.8), 0.5, 10)
    assert (ga.MUTATION_RATE, ga.MUTATION_SHARES) == (0.025, (0.0, 0.9))
    assert (ga.RUNS, ga.RUN_SECONDS) == (2, 3600)
    assert (ga.COMPACT_SHARE, ga.KEY_PRUNED, ga.JITTER) == (0.001, 0.2, 0.05)


def test_the_papers_examples_of_crossover_and_mutation() -> None:
    parents = np.array([[[60, 110, 90]], [[70, 145, 105]]])
    bits: Any = SimpleNamespace(random=lambda shape: np.array([[0.1, 0.9, 0.1]]))  # [1, 0, 1]
    assert exchange(parents, bits)[0].tolist() == [[60, 145, 90]]
    draws: Any = SimpleNamespace(
        random=lambda shape: np.array([[0.9, 0.01, 0.9]]),
        integers=lambda low, high, shape, endpoint: np.array([[1, 175, 1]]),
    )
    mutation = CountMutation([100, 200, 150])
    assert mutation._do(None, parents[0], random_state=draws).tolist() == [[60, 175, 90]]


@st.composite
def best_of_a_run(draw: st.DrawFn) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Layers around the bounds of the rules, and the counts that the best prune of them."""
    parameters = draw(st.integers(1_000, 3_000_000))
    edge = parameters // 1000
    sizes = st.sampled_from([1, 4, 5, 35, edge, edge + 1]) | st.integers(1, 2_000_000)
    counts = draw(st.lists(sizes, min_size=1, max_size=5))
    rows = st.tuples(
        *(st.sampled_from([0, c // 5, max(c // 5 - 1, 0), c]) | st.integers(0, c) for c in counts)
    )
    best = draw(st.lists(rows, min_size=1, max_size=10))
    return np.array(best), np.array(counts), parameters


@given(best_of_a_run())
def test_compact_key_layers_are_small_and_spared_by_all(
    drawn: tuple[NDArray[np.int64], NDArray[np.int64], int],
) -> None:
    best, counts, parameters = drawn
    rules = Rules.derive(best, counts, parameters)
    for layer, size in enumerate(counts.tolist()):
        small = 1000 * size < parameters
        spared = all(5 * pruned < size for pruned in best[:, layer].tolist())
        assert rules.compact_key[layer] == (small and spared)
    assert np.allclose(rules.mean, best.sum(axis=0) / len(best))
    rounded = np.where(rules.compact_key, 0, [round(float(m)) for m in rules.mean])
    assert np.array_equal(rules.strategy, rounded)
    assert np.issubdtype(rules.strategy.dtype, np.integer)


@given(best_of_a_run(), st.integers(0, 2**32))
def test_a_guided_population_lies_around_the_average(
    drawn: tuple[NDArray[np.int64], NDArray[np.int64], int], seed: int
) -> None:
    best, counts, parameters = drawn
    rules = Rules.derive(best, counts, parameters)
    X = rules.initial(40, np.random.default_rng(seed))
    assert X.shape == (40, len(counts))
    assert_guided(X, rules)


def assert_guided(X: Array, rules: Rules) -> None:
    """Eq. 10 and 11, clipped, with compact-key layers unpruned."""
    counts, key = rules.counts, rules.compact_key
    assert (X[:, key] == 0).all()
    low, high = rules.mean - 0.05 * counts - 0.5, rules.mean + 0.05 * counts + 0.5
    assert (np.where(key, 0, low.clip(0)).astype(int) <= X).all()
    assert (high.clip(max=counts) >= X).all()


def test_the_jitter_fills_its_interval() -> None:
    counts = np.array([10_000, 50_000])
    rules = Rules.derive(np.array([[5_000, 0], [6_000, 0]]), counts, 60_010)
    X = rules.initial(2_000, np.random.default_rng(0))
    assert abs(X[:, 0].mean() - 5_500) < 20
    assert abs(X[:, 0].std() - 1_000 / 12**0.5) < 10
    assert np.ptp(X[:, 0]) > 990
    assert abs((X[:, 1] == 0).mean() - 0.5) < 0.05  # what would be negative is 0
    assert not rules.compact_key.any()  # spared, but not small


# The genetic algorithm.


def test_two_runs_the_second_guided_by_the_first(
    problem: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: list[tuple[Array, Array, Array]] = []
    original = TruncationSelection._do

    def spy(self: Any, problem: Any, pop: Any, *args: Any, **kwargs: Any) -> Array:
        parents = original(self, problem, pop, *args, **kwargs)
        chosen.append((pop.get("X"), pop.get("F")[:, 0], parents))
        return parents

    monkeypatch.setattr(TruncationSelection, "_do", spy)
    algorithm, generations = recorded(problem, Budget(generations=60))
    counts = problem.order.counts
    assert [len(g.X) for g in generations] == [40] * 60
    assert [g.run for g in generations] == [0] * 30 + [1] * 30

    first = generations[0].X / counts
    assert (first >= 0.5).all()
    assert (first <= 0.8).all()
    assert np.ptp(first[:, 1:], axis=0).min() > 0.25

    # Parents are from the better half of the generation before; none mates with itself.
    assert len(chosen) == 58
    old, young = [*generations[:29], *generations[30:59]], [*generations[1:30], *generations[31:]]
    strange = 0
    for before, after, (X, F, parents) in zip(old, young, chosen, strict=True):
        assert np.array_equal(X, before.X)
        assert parents.shape == (40, 2)
        assert set(parents.flat) <= set(np.argsort(F, kind="stable")[:20].tolist())
        assert (parents[:, 0] != parents[:, 1]).all()
        one, other = X[parents[:, 0]], X[parents[:, 1]]
        strange += int(((one != after.X) & (other != after.X)).sum())
    share = strange / (58 * 40 * 4)  # mutations; some give a count that a parent has
    assert 0.018 < share < 0.028

    rules = by_hand(problem, generations[:30])
    assert rules.compact_key.tolist() == [True, False, False, False]  # otherwise this tests nothing
    assert_guided(generations[30].X, rules)
    assert np.ptp(generations[30].X[:, 1:] / counts[1:], axis=0).min() > 0.05
    assert all((g.X[:, 0] == 0).all() for g in generations[30:])
    assert any((g.X[:, 0] > 0).any() for g in generations[25:30])  # there it was not forbidden

    # In the end rules are from the second run alone.
    assert_same_rules(algorithm.rules(), by_hand(problem, generations[30:]))
    assert algorithm.rules().strategy[0] == 0


def test_one_run_knows_no_rules(problem: Known) -> None:
    algorithm, generations = recorded(problem, Budget(generations=8), runs=1)
    assert {g.run for g in generations} == {0}
    assert not algorithm.mating.mutation.frozen.any()
    assert_same_rules(algorithm.rules(), by_hand(problem, generations))


def test_a_surrogate_may_choose_the_children_of_both_runs(problem: Known) -> None:
    algorithm = prescreen(RuleGuidedGA(problem.order), warm_up=20)
    found = search(problem, algorithm, Budget(generations=6), seed=0)
    assert found.last.generation == 6
    assert algorithm.run_number == 1


def test_three_runs(problem: Known) -> None:
    _, generations = recorded(problem, Budget(generations=9), runs=3)
    assert [g.run for g in generations] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert_guided(generations[6].X, by_hand(problem, generations[3:6]))


def test_evaluations_and_time_are_halved_too(
    problem: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, generations = recorded(problem, Budget(evaluations=240))
    assert [g.run for g in generations] == [0, 0, 0, 1, 1, 1]
    ticks = count()
    clock = SimpleNamespace(perf_counter=lambda: float(next(ticks)))  # a second a look
    monkeypatch.setattr("pymoo_prune.search.budget.time", clock)
    algorithm, generations = recorded(problem, Budget(seconds=10))
    assert [g.done for g in generations] == pytest.approx(np.arange(1, 11) / 10)
    assert [g.run for g in generations] == [0] * 5 + [1] * 5
    assert_guided(generations[5].X, by_hand(problem, generations[:5]))
    assert_same_rules(algorithm.rules(), by_hand(problem, generations[5:]))


def test_a_seed_says_everything(problem: Known, untouched_global_generators: None) -> None:
    runs = [recorded(problem, Budget(generations=6), seed=seed)[1] for seed in (3, 3, 4)]
    for one, same, other in zip(*runs, strict=True):
        assert np.array_equal(one.X, same.X)
        assert not np.array_equal(one.X, other.X)


def test_levels_are_kept_to(digits: Data) -> None:
    problem = known(digits, levels=9)
    _, generations = recorded(problem, Budget(generations=8))
    assert problem.levels is not None
    for generation in generations:
        for genes, levels in zip(generation.X.T, problem.levels.pruned.T, strict=True):
            assert set(genes) <= set(levels)


# Resuming.


class KilledError(Exception):
    """The power failed."""


def killed_at(generation: int) -> Callable[[Step], None]:
    def on_generation(step: Step) -> None:
        if step.generation == generation:
            raise KilledError

    return on_generation


def stored(
    problem: LayerVector, path: Path, budget: Budget, on_generation: Any = None
) -> tuple[Found, Rules]:
    store = Store(path, tuple(problem.quantities), problem.fingerprint)
    algorithm = RuleGuidedGA(problem.order, problem.levels)
    try:
        found = search(problem, algorithm, budget, seed=5, store=store, on_generation=on_generation)
    finally:
        store.close()
    return found, algorithm.rules()


@pytest.fixture(scope="module")
def raced(digits: Data) -> LayerVector:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(
            nn.Conv2d(1, 8, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(72, 10)
        )
    parent = trained(network, digits.train, images=4_000, recipe=Recipe(learning_rate=0.01))
    options: dict[str, Any] = {"recovery": "none", "objectives": PWAD, "racing": True}
    return LayerVector(digits, parent=parent, search_images=300, recovery_images=64, **options)


@pytest.mark.slow
@pytest.mark.parametrize("generation", [2, 3, 5])
@pytest.mark.parametrize("racing", [False, True])
def test_a_killed_search_goes_on_as_if_nothing_had_happened(
    problem: Known, raced: LayerVector, tmp_path: Path, generation: int, racing: bool
) -> None:
    one, budget = raced if racing else problem, Budget(generations=6)
    expected, rules = stored(one, tmp_path / "whole", budget)
    with pytest.raises(KilledError):
        stored(one, tmp_path / "killed", budget, killed_at(generation))
    found, again = stored(one, tmp_path / "killed", budget)
    assert np.array_equal(found.X, expected.X)
    for name, column in found.measurements.items():
        assert np.array_equal(column, expected.measurements[name]), name
    assert_same_rules(rules, again)
    assert found.last.evaluated == expected.last.evaluated == 6 * 40


def test_a_search_by_time_replays_what_it_did(problem: Known, tmp_path: Path) -> None:
    budget = Budget(seconds=0.2)
    found, rules = stored(problem, tmp_path / "run", budget)
    again, same = stored(problem, tmp_path / "run", budget)
    assert again.last.replayed
    assert again.last.generation == found.last.generation
    assert np.array_equal(again.X, found.X)
    assert_same_rules(rules, same)


def test_rules_of_a_race_are_of_the_best_on_all_images(raced: LayerVector) -> None:
    algorithm, generations = recorded(raced, Budget(generations=4))
    assert algorithm.run_number == 1
    candidates = {tuple(x) for g in generations[2:] for x in algorithm.best.get("X").tolist()}
    X = np.array(sorted(candidates))
    assert len(X) == 40
    fitness = raced.goals.F(raced.measure(X))[:, 0]
    worst = np.sort(fitness)[9]
    best = X[fitness < worst]  # those that are among the ten however ties are broken
    rules = algorithm.rules()
    spare = X[fitness == worst][: 10 - len(best)]
    if (fitness == worst).sum() == len(spare):
        assert np.allclose(rules.mean, np.concatenate([best, spare]).mean(axis=0))


# Golden: the same counts on every machine.

GOLDEN_UNIFORM = [[6, 1592, 12042, 372], [4, 1180, 9632, 323], [4, 1714, 12807, 496]]
GOLDEN_UNIFORM_PRUNING = [[1, 230, 1843, 64], [4, 1152, 9216, 320], [8, 2281, 18248, 634]]
GOLDEN_GLOBAL_PRUNING = [[0, 129, 1979, 30], [0, 661, 9850, 181], [0, 2153, 18429, 588]]
GOLDEN_COUNTS = [[0, 129, 1979, 30], [6, 1841, 14730, 511], [2, 1938, 18213, 487]]
GOLDEN_THRESHOLDS = [[0, 129, 1979, 30], [0, 1497, 17910, 412], [0, 2153, 18429, 588]]
GOLDEN_FRONT = [307, 319, 358, 362, 478, 1767, 2674, 2686]
GOLDEN_FRONT += [3863, 6516, 13341, 14248, 17771, 18453, 19360, 21223]
GOLDEN_STRATEGY = [0, 142, 1055, 17]


def test_golden_first_populations(digits: Data, problem: Known) -> None:
    order, generator = problem.order, np.random.default_rng(0)
    X = uniform_counts(40, generator, order.counts, *RuleGuidedGA.INITIAL_SHARES)
    assert X[:3].tolist() == GOLDEN_UNIFORM
    shares = np.array([0.1, 0.5, 0.99])
    assert order.uniform(shares).tolist() == GOLDEN_UNIFORM_PRUNING
    assert order.smallest(shares).tolist() == GOLDEN_GLOBAL_PRUNING
    X = problem.encoding.initial(4, np.random.default_rng(0))
    assert X[:3].tolist() == GOLDEN_COUNTS
    encoding = known(digits, encoding="thresholds").encoding
    X = encoding.initial(3, np.random.default_rng(0))
    assert encoding.decode(X).tolist() == GOLDEN_THRESHOLDS


def test_golden_front(digits: Data) -> None:
    problem = known(digits, objectives=["accuracy", "sparsity"])
    algorithm = make_algorithm("nsga2", problem, 12)
    found = search(problem, algorithm, Budget(generations=6), seed=0)
    front = Front.from_candidates(problem, found.X, found.measurements)
    assert front.columns["parameters"].tolist() == GOLDEN_FRONT


def test_golden_strategy(problem: Known) -> None:
    algorithm, _ = recorded(problem, Budget(generations=60))
    assert algorithm.rules().strategy.tolist() == GOLDEN_STRATEGY
