"""Operators on layer-pruning vectors: how many weights each layer loses."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.core.callback import Callback
from pymoo.core.population import Population
from pymoo.core.problem import Problem
from pymoo.optimize import minimize

from pymoo_prune.errors import PruneError
from pymoo_prune.operators import (
    Candidates,
    CountMutation,
    DigestDuplicates,
    Generational,
    KeepShareMutation,
    TruncationSelection,
    UniformVectorCrossover,
    around,
    uniform_counts,
)
from pymoo_prune.operators.counts import gene_mask, whole_numbers

Array = NDArray[Any]
COUNTS = np.array([432, 2304, 9, 36864, 1, 640])  # of a ResNet, and two small layers


def crossed(operator: Any, X: Array, seed: int = 0) -> Array:
    """Children of rows (0, 1), (2, 3), ..., (n_offsprings, matings, genes)."""
    pairs = np.arange(len(X)).reshape(-1, 2)
    problem, generator = Problem(n_var=X.shape[1], n_obj=1), np.random.default_rng(seed)
    off = operator.do(problem, Population.new("X", X), pairs, random_state=generator)
    return off.get("X").reshape(operator.n_offsprings, len(pairs), X.shape[1])


def mutated(operator: Any, X: Array, seed: int = 0) -> Array:
    """Mutants of X; checks that X itself does not change."""
    before, generator = X.copy(), np.random.default_rng(seed)
    result = operator._do(None, X, random_state=generator)
    np.testing.assert_array_equal(X, before)
    problem, again = Problem(n_var=X.shape[1], n_obj=1), np.random.default_rng(seed)
    through = operator.do(problem, Population.new("X", X.copy()), random_state=again)
    np.testing.assert_array_equal(through.get("X"), result)
    return result


@st.composite
def vectors(draw: st.DrawFn) -> tuple[Array, Array, Array]:
    """Weights of each layer, layer-pruning vectors, and frozen genes."""
    counts = draw(hnp.arrays(np.int64, st.integers(1, 6), elements=st.integers(0, 10**8)))
    rows = [[draw(st.integers(0, int(n))) for n in counts] for _ in range(draw(st.integers(1, 5)))]
    frozen = draw(hnp.arrays(bool, len(counts)))
    return counts, np.array(rows, dtype=np.int64), frozen


# Crossover.


@pytest.mark.parametrize("n_offsprings", [1, 2])
def test_uniform_crossover_is_the_papers_gene_by_gene(n_offsprings: int) -> None:
    X = uniform_counts(20, np.random.default_rng(1), COUNTS)
    before = X.copy()
    children = crossed(UniformVectorCrossover(n_offsprings=n_offsprings), X, 5)
    np.testing.assert_array_equal(X, before)
    generator = np.random.default_rng(5)
    generator.random(10)  # pymoo draws which matings take place
    for mating in range(10):
        first, second = X[2 * mating], X[2 * mating + 1]
        for k in range(len(COUNTS)):
            pair = first[k], second[k]
            if generator.random() >= 0.5:
                pair = second[k], first[k]
            assert tuple(children[:, mating, k]) == pair[:n_offsprings]


@pytest.mark.parametrize("dtype", [bool, np.int32, np.int64, np.float32, object])
def test_children_have_their_parents_type(dtype: Any) -> None:
    X = np.arange(24).reshape(4, 6).astype(dtype)
    children = crossed(UniformVectorCrossover(n_offsprings=2), X)
    assert children.dtype == dtype
    np.testing.assert_array_equal(np.sort(children, axis=0), np.sort([X[0::2], X[1::2]], axis=0))


def test_three_children_of_a_mating_are_refused() -> None:
    with pytest.raises(PruneError, match="must be 1 or 2, but it is 3"):
        UniformVectorCrossover(n_offsprings=3)


# The paper's mutation.


@pytest.mark.slow
def test_count_mutation_is_the_papers_gene_by_gene() -> None:
    X = uniform_counts(50, np.random.default_rng(1), COUNTS)
    result = mutated(CountMutation(COUNTS, rate=0.3, low=0.1, high=0.9, frozen=[1]), X, 5)
    generator = np.random.default_rng(5)
    chances = [[generator.random() for _ in COUNTS] for _ in X]
    for row in range(len(X)):
        for k, count in enumerate(COUNTS):
            numbers = [n for n in range(count + 1) if 0.1 * count <= n <= 0.9 * count] or [0]
            drawn = generator.integers(numbers[0], numbers[-1] + 1)
            hit = chances[row][k] < 0.3 and k != 1
            assert result[row, k] == (drawn if hit else X[row, k])


@given(vectors(), st.floats(0, 1), st.lists(st.floats(0, 1), min_size=2, max_size=2), st.data())
def test_mutated_counts_stay_between_their_shares(
    given_: tuple[Array, Array, Array], rate: float, shares: list[float], data: st.DataObject
) -> None:
    (counts, X, frozen), (low, high) = given_, sorted(shares)
    seed = data.draw(st.integers(0, 1000))
    result = mutated(CountMutation(counts, rate=rate, low=low, high=high, frozen=frozen), X, seed)
    assert result.dtype == np.int64
    assert ((result >= 0) & (result <= counts)).all()
    changed = result != X
    assert not changed[:, frozen].any()
    first, last = whole_numbers(counts, low, high)
    assert ((result >= first) & (result <= last))[changed].all()
    if rate == 0:
        assert not changed.any()


def test_count_mutation_hits_its_rate_and_all_numbers_alike() -> None:
    X = np.full((20_000, 2), 10)
    result = mutated(CountMutation([10, 10], rate=0.25), X)
    np.testing.assert_allclose((result != X).mean(axis=0), 0.25, atol=0.015)
    values = np.bincount(result[result != X], minlength=11)
    np.testing.assert_allclose(values[:10] / values.sum(), 0.1, atol=0.015)


def test_frozen_genes_can_change_between_runs() -> None:
    X = np.full((200, 3), 100)
    for operator in (CountMutation([100] * 3, rate=1), KeepShareMutation([100] * 3, rate=1)):
        assert (mutated(operator, X) != X).any(axis=0).tolist() == [True, True, True]
        operator.frozen = [0, 2]
        assert (mutated(operator, X) != X).any(axis=0).tolist() == [False, True, False]
        operator.frozen = np.array([False, False, True])
        assert (mutated(operator, X) != X).any(axis=0).tolist() == [True, True, False]
        with pytest.raises(PruneError, match="indices below 3, or 3 booleans"):
            operator.frozen = [3]


# The mutation of kept shares.


@given(vectors(), st.floats(0.01, 5), st.none() | st.floats(0, 1), st.integers(0, 1000))
def test_all_candidates_mutate_within_bounds_if_a_layer_may(
    given_: tuple[Array, Array, Array], scale: float, rate: float | None, seed: int
) -> None:
    counts, X, frozen = given_
    result = mutated(KeepShareMutation(counts, scale=scale, rate=rate, frozen=frozen), X, seed)
    assert result.dtype == np.int64
    assert ((result >= 0) & (result <= counts)).all()
    changed = result != X
    assert not changed[:, frozen].any()
    assert (changed.any(axis=1) == (~frozen & (counts > 0)).any()).all()


@given(vectors(), st.floats(0.01, 5), st.integers(0, 1000))
def test_a_trade_keeps_the_total(
    given_: tuple[Array, Array, Array], scale: float, seed: int
) -> None:
    counts, X, frozen = given_
    operator = KeepShareMutation(counts, scale=scale, frozen=frozen)
    kept = counts - X
    traded = operator._traded(kept, np.random.default_rng(seed))
    assert ((traded >= 0) & (traded <= counts)).all()
    np.testing.assert_array_equal(traded.sum(axis=1), kept.sum(axis=1))
    changed = traded != kept
    assert not changed[:, frozen].any()
    assert set(changed.sum(axis=1).tolist()) <= {0, 2}


def test_every_other_mutation_is_a_trade_between_any_two_layers() -> None:
    counts = np.full(4, 10**6)
    X = np.tile([500_000, 900_000, 990_000, 700_000], (20_000, 1))
    change = mutated(KeepShareMutation(counts, scale=0.05), X) - X
    traded = (change.sum(axis=1) == 0) & ((change != 0).sum(axis=1) == 2)
    assert traded.mean() == pytest.approx(0.5, abs=0.015)
    givers, takers = change[traded].argmax(axis=1), change[traded].argmin(axis=1)
    pairs = np.bincount(4 * givers + takers, minlength=16).reshape(4, 4) / traded.sum()
    np.testing.assert_allclose(pairs, (1 - np.eye(4)) / 12, atol=0.015)
    # A giver keeps exp(-|step|) of what it kept.
    rows = np.flatnonzero(traded)
    kept = (counts - X)[rows, givers]
    steps = np.log(kept / (kept - change[rows, givers]))
    assert np.sqrt((steps**2).mean()) == pytest.approx(0.05, rel=0.05)


def test_steps_are_as_large_in_the_logarithm_whatever_is_kept() -> None:
    counts = np.full(3, 10**8)
    X = np.tile([10**8 - 10**5, 10**8 - 10**6, 10**8 - 5 * 10**7], (20_000, 1))
    scaled = KeepShareMutation(counts, scale=0.1)._scaled(counts - X, np.random.default_rng(0))
    steps = np.log(scaled / (counts - X))
    hit = steps != 0
    # Two genes of three on average; in one case of 27 none is drawn, and a single one mutates.
    np.testing.assert_allclose(hit.mean(axis=0), 2 / 3 + 1 / 81, atol=0.015)
    assert hit.any(axis=1).all()
    for layer in range(3):
        assert steps[hit[:, layer], layer].mean() == pytest.approx(0, abs=0.005)
        assert steps[hit[:, layer], layer].std() == pytest.approx(0.1, rel=0.05)


def test_impossible_trades_are_not_made() -> None:
    operator = KeepShareMutation([100, 50])
    generator = np.random.default_rng(0)
    for kept in ([0, 0], [100, 50]):  # no layer has weights, no layer has room
        np.testing.assert_array_equal(operator._traded(np.array([kept]), generator), [kept])
    # The taker has room for two.
    for _ in range(20):
        traded = operator._traded(np.array([[0, 2]]), generator)
        assert traded.tolist() in ([[1, 1]], [[2, 0]])


# Sampling.


def test_the_papers_first_population_one_by_one() -> None:
    counts = [100, 200, 150]
    X = uniform_counts(40, np.random.default_rng(3), counts)
    generator = np.random.default_rng(3)
    expected = [[generator.integers(n // 2, n * 8 // 10 + 1) for n in counts] for _ in range(40)]
    assert X.dtype == np.int64
    np.testing.assert_array_equal(X, expected)


@given(vectors(), st.lists(st.floats(0, 1), min_size=2, max_size=2), st.integers(0, 1000))
def test_uniform_counts_are_whole_numbers_inside(
    given_: tuple[Array, Array, Array], shares: list[float], seed: int
) -> None:
    (counts, _, _), (low, high) = given_, sorted(shares)
    before = counts.copy()
    X = uniform_counts(7, np.random.default_rng(seed), counts, low, high)
    np.testing.assert_array_equal(counts, before)
    assert X.dtype == np.int64
    assert X.shape == (7, len(counts))
    assert ((X >= 0) & (counts >= X)).all()
    assert (high * counts + 1e-6 >= X).all()
    room = np.floor(high * counts) >= np.ceil(low * counts)
    assert (low * counts - 1e-6 <= X)[:, room].all()


@pytest.mark.parametrize(
    ("count", "low", "high", "expected"),
    [
        (100, 0.5, 0.8, (50, 80)),
        (100, 0.0, 0.29, (0, 29)),  # 0.29 * 100 is 28.999999999999996
        (100, 0.55, 1.0, (55, 100)),  # 0.55 * 100 is 55.00000000000001
        (9, 0.5, 0.8, (5, 7)),
        (1, 0.5, 0.8, (0, 0)),  # no whole number in between: the layer keeps its weight
        (0, 0.5, 0.8, (0, 0)),
    ],
)
def test_the_ends_of_an_interval_are_moved_inside(
    count: int, low: float, high: float, expected: tuple[int, int]
) -> None:
    first, last = whole_numbers(np.array([count]), low, high)
    assert (first[0], last[0]) == expected


@given(vectors(), st.floats(0, 1), st.integers(0, 1000))
def test_around_is_the_average_with_a_clipped_offset(
    given_: tuple[Array, Array, Array], jitter: float, seed: int
) -> None:
    counts, best, frozen = given_
    mean = best.mean(axis=0)
    before = mean.copy(), counts.copy(), frozen.copy()
    X = around(5, np.random.default_rng(seed), mean, counts, jitter, frozen)
    for array, copied in zip((mean, counts, frozen), before, strict=True):
        np.testing.assert_array_equal(array, copied)
    assert X.dtype == np.int64
    generator = np.random.default_rng(seed)
    for row in range(5):
        for j, count in enumerate(counts):
            offset = generator.uniform(-1, 1) * (jitter * count)
            value = min(max(round(mean[j] + offset), 0), int(count))
            assert X[row, j] == (0 if frozen[j] else value)
    indices = np.flatnonzero(frozen).tolist()
    again = around(5, np.random.default_rng(seed), mean, counts, jitter, indices)
    np.testing.assert_array_equal(X, again)


def test_genes_are_named_by_index_or_by_mask() -> None:
    mask = np.array([True, False, True])
    assert gene_mask(mask, 3) is not mask
    for genes in (mask, mask.tolist(), [0, 2], (2, 0, 0), np.array([0, 2], np.int32)):
        assert gene_mask(genes, 3).tolist() == [True, False, True]
    assert gene_mask((), 3).tolist() == gene_mask([], 3).tolist() == [False] * 3


@pytest.mark.parametrize(
    ("make", "fragment"),
    [
        (lambda: CountMutation([1.5, 2.0]), r"counts must be whole numbers.*\[1.5, 2.0\]"),
        (lambda: CountMutation([5, -1]), "counts must be whole numbers"),
        (lambda: CountMutation([[5]]), "counts must be whole numbers"),
        (lambda: KeepShareMutation([]), "counts must be whole numbers"),
        (lambda: CountMutation([5], rate=1.5), "rate must be between 0 and 1, but it is 1.5"),
        (lambda: KeepShareMutation([5], rate=float("nan")), "rate must be between"),
        (lambda: CountMutation([5], low=0.9, high=0.1), r"0 <= low <= high <= 1.*0.9 and 0.1"),
        (lambda: uniform_counts(1, np.random.default_rng(0), [5], 0.5, 1.1), "low <= high <= 1"),
        (lambda: KeepShareMutation([5], scale=0), "scale must be above 0"),
        (lambda: CountMutation([5, 5], frozen=[-1]), "frozen genes must be indices below 2"),
        (lambda: CountMutation([5, 5], frozen=[0.5]), "frozen genes must be indices"),
        (lambda: CountMutation([5, 5], frozen=[True]), "or 2 booleans"),
        (lambda: around(1, np.random.default_rng(0), np.zeros(3), [5, 5]), r"shape \(2,\).*\(3,\)"),
        (lambda: around(1, np.random.default_rng(0), np.zeros(1), [5], -0.1), "not be negative"),
        (lambda: TruncationSelection(0), "share must be above 0 and at most 1, but it is 0"),
        (lambda: TruncationSelection(1.01), "share must be"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_refused(make: Callable[[], Any], fragment: str) -> None:
    with pytest.raises(PruneError, match=fragment):
        make()


# Selection.


def population(F: Any, G: Any = None) -> Population:
    pop = Population.new("X", np.zeros((len(F), 1)), "F", np.reshape(F, (len(F), -1)))
    if G is not None:
        pop.set("G", np.reshape(G, (len(F), -1)).astype(float))
    return pop


def selected(pop: Population, n: int = 5_000, n_parents: int = 2, share: float = 0.5) -> Array:
    generator = np.random.default_rng(0)
    return TruncationSelection(share).do(
        None, pop, n, n_parents, to_pop=False, random_state=generator
    )


@given(
    st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0]), min_size=1, max_size=12),
    st.floats(0.01, 1),
    st.integers(1, 4),
    st.data(),
)
def test_parents_of_a_mating_are_different_and_among_the_best(
    F: list[float], share: float, n_parents: int, data: st.DataObject
) -> None:
    n = len(F)
    G = data.draw(
        st.none() | st.lists(st.sampled_from([-1.0, 0.0, 1.0, 2.0]), min_size=n, max_size=n)
    )
    picks = selected(population(F, G), 30, n_parents, share)
    assert picks.shape == (30, n_parents)
    violations = [0.0] * n if G is None else [max(g, 0.0) for g in G]
    order = sorted(range(n), key=lambda i: (violations[i], F[i], i))
    best = order[: max(1, round(share * n))]
    assert set(picks.ravel().tolist()) <= set(best)
    for mating in picks.tolist():
        assert len(set(mating)) == min(n_parents, len(best))


def test_every_pair_of_the_top_half_is_as_likely() -> None:
    picks = selected(population([3.0, -1.0, 0.0, 9.0, 8.0, 0.5, 7.0, 0.0]), 24_000)
    best = [1, 2, 7, 5]
    pairs = np.zeros((8, 8))
    np.add.at(pairs, (picks[:, 0], picks[:, 1]), 1 / 24_000)
    np.testing.assert_allclose(pairs[np.ix_(best, best)], (1 - np.eye(4)) / 12, atol=0.01)
    assert pairs[np.ix_(best, best)].sum() == pytest.approx(1)


def test_the_feasible_come_first() -> None:
    assert set(selected(population([0, 1, 2, 3], [1, 0.5, -1, 0])).ravel()) == {2, 3}
    assert set(selected(population([0, 1, 2, 3], [1, 0.5, 3, 0])).ravel()) == {1, 3}


@pytest.mark.parametrize("n", [1, 2])
def test_one_parent_alone_mates_with_itself(n: int) -> None:
    assert (selected(population([1.0, 0.0][-n:]), 4) == n - 1).all()


def test_truncation_refuses_two_objectives_and_says_what_to_do() -> None:
    with pytest.raises(PruneError, match=r"TruncationSelection needs one objective.*has 2.*Weigh"):
        selected(population(np.zeros((4, 2))))


# In pymoo's engines.


class Layers(Problem):
    """To maximise: pruned weights, minus a different price for each layer."""

    def __init__(self, n_obj: int = 1) -> None:
        super().__init__(n_var=len(COUNTS), n_obj=n_obj, xl=0, xu=COUNTS, vtype=int)
        self.seen: list[Array] = []

    def _evaluate(self, X: Array, out: dict[str, Any], *args: Any, **kw: Any) -> None:
        self.seen.append(X.copy())
        shares = X / COUNTS
        price = (shares ** np.arange(2, 8)).sum(axis=1)
        out["F"] = np.column_stack([price - shares.sum(axis=1), price][: self.n_obj])


class Parents(Callback):
    """Checks that every gene of a child comes from the top half, or mutated."""

    def notify(self, algorithm: Any) -> None:
        X, F = self.data.get("before", (None, None))
        if X is not None:
            top = X[np.argsort(F[:, 0], kind="stable")[:20]]
            children = algorithm.off.get("X")
            assert len(children) == len(algorithm.pop) == 40
            known = (children[:, None] == top).any(axis=1)
            assert (~known).mean() < 0.1  # the rate is 2.5 %
        self.data["before"] = algorithm.pop.get("X", "F")


def papers_ga() -> GA:
    return GA(
        pop_size=40,
        sampling=Candidates(lambda n, generator: uniform_counts(n, generator, COUNTS)),
        selection=TruncationSelection(),
        crossover=UniformVectorCrossover(),
        mutation=CountMutation(COUNTS),
        survival=Generational(),
        eliminate_duplicates=False,
    )


def test_the_papers_algorithm_runs_in_pymoo() -> None:
    problem, algorithm = Layers(), papers_ga()
    # pymoo works on a deep copy of the algorithm, and does not change the original.
    result = minimize(
        problem, algorithm, ("n_gen", 12), seed=1, callback=Parents(), copy_algorithm=True
    )
    assert [len(X) for X in problem.seen] == [40] * 12
    for X in problem.seen:
        assert X.dtype == np.int64
        assert ((X >= 0) & (X <= COUNTS)).all()
    first, last = whole_numbers(COUNTS, 0.5, 0.8)
    assert ((problem.seen[0] >= first) & (problem.seen[0] <= last)).all()
    out: dict[str, Any] = {}
    problem._evaluate(problem.seen[0], out)
    assert result.pop.get("F").mean() < out["F"].mean()
    # pymoo worked on a deep copy of the algorithm, and did not change the original.
    again = minimize(Layers(), algorithm, ("n_gen", 12), seed=1)
    np.testing.assert_array_equal(again.pop.get("X"), result.pop.get("X"))


def test_nsga2_takes_the_operators_too() -> None:
    problem = Layers(n_obj=2)
    algorithm = NSGA2(
        pop_size=20,
        sampling=Candidates(lambda n, generator: uniform_counts(n, generator, COUNTS)),
        crossover=UniformVectorCrossover(n_offsprings=2),
        mutation=KeepShareMutation(COUNTS, frozen=[0]),
        eliminate_duplicates=DigestDuplicates(),
    )
    minimize(problem, algorithm, ("n_gen", 10), seed=1)
    first = set(problem.seen[0][:, 0].tolist())
    for X in problem.seen:
        assert len(X) == 20
        assert ((X >= 0) & (X <= COUNTS)).all()
        assert set(X[:, 0].tolist()) <= first


def test_a_copys_frozen_genes_are_its_own() -> None:
    counts, frozen = COUNTS.copy(), np.zeros(len(COUNTS), dtype=bool)
    for operator in (
        CountMutation(counts, frozen=frozen),
        KeepShareMutation(counts, frozen=frozen),
    ):
        copied: Any = copy.deepcopy(operator)
        copied.frozen = [0, 1]
        copied.counts[:] = 7
        assert not operator.frozen.any()
        np.testing.assert_array_equal(operator.counts, COUNTS)
    np.testing.assert_array_equal(counts, COUNTS)
    assert not frozen.any()


X_SIX = uniform_counts(12, np.random.default_rng(7), COUNTS)


@pytest.mark.parametrize(
    "draw",
    [
        lambda seed: crossed(UniformVectorCrossover(), X_SIX, seed),
        lambda seed: mutated(CountMutation(COUNTS, rate=0.5), X_SIX, seed),
        lambda seed: mutated(KeepShareMutation(COUNTS), X_SIX, seed),
        lambda seed: uniform_counts(5, np.random.default_rng(seed), COUNTS),
        lambda seed: around(5, np.random.default_rng(seed), X_SIX.mean(axis=0), COUNTS),
        lambda seed: TruncationSelection().do(
            None, population(np.arange(12.0)), 30, 2, to_pop=False,
            random_state=np.random.default_rng(seed)),
    ],
    ids=["crossover", "counts", "keep-share", "uniform", "around", "truncation"],
)  # fmt: skip
@pytest.mark.usefixtures("untouched_global_generators")
def test_an_operator_draws_from_pymoos_generator_and_from_no_other(
    draw: Callable[[int], Array],
) -> None:
    assert draw(3).tolist() == draw(3).tolist()
    assert draw(3).tolist() != draw(4).tolist()
