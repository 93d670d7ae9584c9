from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from pymoo.algorithms.moo.nsga2 import NSGA2, RankAndCrowdingSurvival
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.core.callback import Callback
from pymoo.core.duplicate import DefaultDuplicateElimination
from pymoo.core.population import Population
from pymoo.core.problem import Problem
from pymoo.optimize import minimize

from benchmarks.ecomp import reference as ecomp_reference
from pymoo_prune.chromosomes import WeightGenome, as_column
from pymoo_prune.errors import PruneError
from pymoo_prune.operators import (
    BalancedMaskMutation,
    Candidates,
    CutPointWeightCrossover,
    DigestDuplicates,
    Generational,
    Remeasured,
    SoftmaxRoulette,
    UniformMaskCrossover,
    WeightScaling,
)
from pymoo_prune.operators.crossover import graft

Array = NDArray[Any]
SIZES = (5, 1, 4)


def genome(widths: tuple[int, int], seed: int) -> WeightGenome:
    generator = np.random.default_rng(seed)
    sizes = (8, *widths, 3)
    shapes = list(zip(sizes[1:], sizes[:-1], strict=True))
    weights = [generator.standard_normal(shape).astype(np.float32) for shape in shapes]
    return WeightGenome.from_content(
        weights, [generator.standard_normal(n).astype(np.float32) for n, _ in shapes]
    )


def genomes(n: int = 10) -> Array:
    generator = np.random.default_rng(99)
    return as_column([genome(tuple(generator.integers(1, 9, 2)), seed) for seed in range(n)])


def contents(X: Array) -> list[list[Array]]:
    return [[a.copy() for a in (*g.weights, *g.biases)] for g in X.ravel()]


def assert_same_contents(one: list[list[Array]], other: list[list[Array]]) -> None:
    for mine, theirs in zip(one, other, strict=True):
        for a, b in zip(mine, theirs, strict=True):
            np.testing.assert_array_equal(a, b)


def crossed(operator: Any, X: Array, seed: int = 0) -> Array:
    """pymoo's children of rows (0, 1), (2, 3), ...: all first children, then all second ones."""
    pairs = np.arange(len(X)).reshape(-1, 2)
    off = operator.do(
        Problem(n_var=X.shape[1], n_obj=1),
        Population.new("X", X),
        pairs,
        random_state=np.random.default_rng(seed),
    )
    return off.get("X").reshape(2, len(pairs), X.shape[1])


def mutated(operator: Any, X: Array, seed: int = 0) -> Array:
    problem = Problem(n_var=X.shape[1], n_obj=1)
    pop = Population.new("X", X.copy())
    return operator.do(problem, pop, random_state=np.random.default_rng(seed)).get("X")


@st.composite
def masks(draw: st.DrawFn) -> Array:
    """An even number of masks in which no layer is empty."""
    n = 2 * draw(st.integers(1, 4))
    X = draw(hnp.arrays(bool, (n, sum(SIZES)), elements=st.booleans()))
    for row in X:
        for start, size in zip(np.cumsum([0, *SIZES[:-1]]), SIZES, strict=True):
            if not row[start : start + size].any():
                row[start + draw(st.integers(0, size - 1))] = True
    return X


def layers(X: Array) -> list[Array]:
    return np.split(X, np.cumsum(SIZES)[:-1], axis=-1)


# Crossover of weights.


@pytest.mark.parametrize("seed", range(4))
def test_cut_point_crossover_is_the_papers_one_by_one(seed: int) -> None:
    X = genomes(20)
    children = crossed(CutPointWeightCrossover(), X, seed)
    generator = np.random.default_rng(seed)
    generator.random(10)  # pymoo draws which matings take place
    for mating in range(10):
        modules = [ecomp_reference.build(g.weights, g.biases) for g in X[2 * mating :][:2, 0]]
        expected = ecomp_reference.recombine(modules[0], modules[1], generator)
        for child, module in zip(children[:, mating, 0], expected, strict=True):
            parameters = [p.detach().numpy() for p in module.parameters()]
            for layer in range(3):
                np.testing.assert_array_equal(child.weights[layer], parameters[2 * layer])
                np.testing.assert_array_equal(child.biases[layer], parameters[2 * layer + 1])


def test_children_have_their_parents_shapes_crosswise() -> None:
    X = genomes(20)
    children = crossed(CutPointWeightCrossover(), X)
    for mating in range(10):
        assert children[0, mating, 0].widths == X[2 * mating + 1, 0].widths
        assert children[1, mating, 0].widths == X[2 * mating, 0].widths
        for child in children[:, mating, 0]:
            assert all(a.dtype == np.float32 for a in (*child.weights, *child.biases))


def test_parents_of_recombined_weights_are_left_alone_and_not_shared() -> None:
    X = genomes(20)
    before, names = contents(X), [g.digest for g in X[:, 0]]
    children = crossed(CutPointWeightCrossover(), X)
    for child in children.ravel():
        for array in (*child.weights, *child.biases):
            array[...] = np.nan
    assert_same_contents(contents(X), before)
    assert [g.digest for g in X[:, 0]] == names


def test_cuts_cover_everything_from_one_to_the_smallest_side() -> None:
    ones = [np.ones((4, 6), np.float32), np.ones((3, 4), np.float32)]
    donor = WeightGenome.from_content(ones, [np.ones(4, np.float32), np.ones(3, np.float32)])
    zeros = [np.zeros((5, 6), np.float32), np.zeros((3, 5), np.float32)]
    stock = WeightGenome.from_content(zeros, [np.zeros(5, np.float32), np.zeros(3, np.float32)])
    X = as_column([donor, stock] * 300)
    children = crossed(CutPointWeightCrossover(), X)
    for layer, smallest in enumerate((4, 3)):
        cuts = np.array([int(child.biases[layer].sum()) for child in children[0, :, 0]])
        assert np.bincount(cuts, minlength=smallest + 1)[0] == 0
        np.testing.assert_allclose(
            np.bincount(cuts)[1:] / 300, 1 / smallest, atol=4 * np.sqrt(0.25 / 300)
        )
        blocks = [child.weights[layer].sum() for child in children[0, :, 0]]
        np.testing.assert_array_equal(blocks, cuts**2)


def test_a_grafts_digest_is_its_recipe() -> None:
    one, other = genome((4, 5), 0), genome((6, 3), 1)
    cut = graft(one, other, [2, 3, 1])
    assert cut.digest == graft(one, other, [2, 3, 1]).digest
    same_content = WeightGenome.from_content(other.weights, other.biases)
    assert graft(one, same_content, [2, 3, 1]).digest == cut.digest
    different = [
        graft(one, other, [3, 2, 1]),
        graft(one, other, [2, 3, 2]),
        graft(other, one, [2, 3, 1]),
        graft(one, genome((6, 3), 2), [2, 3, 1]),
        one,
        other,
    ]
    names = {g.digest for g in different}
    assert len(names) == len(different)
    assert cut.digest not in names


def test_a_child_of_equal_parents_is_the_parent() -> None:
    one, other = genome((4, 5), 0), genome((6, 3), 1)
    again = WeightGenome.from_content(one.weights, one.biases)
    children = crossed(CutPointWeightCrossover(), as_column([one, one, one, again, one, other]))
    names = [[child.digest == one.digest for child in pair] for pair in children[:, :, 0].T]
    assert names == [[True, True], [True, True], [False, False]]
    for child in children[:, :2, 0].ravel():
        for mine, theirs in zip(
            (*child.weights, *child.biases), (*one.weights, *one.biases), strict=True
        ):
            np.testing.assert_array_equal(mine, theirs)


def test_without_a_mating_children_equal_their_parents() -> None:
    X = genomes(4)
    children = crossed(CutPointWeightCrossover(prob=0.0), X)
    assert [g.digest for g in children[:, :, 0].T.ravel()] == [g.digest for g in X[:, 0]]


# Mutation of weights.


def test_scaling_changes_nothing_at_rate_zero_and_all_networks_at_rate_one() -> None:
    X = genomes()
    for before, after in zip(X[:, 0], mutated(WeightScaling(rate=0), X)[:, 0], strict=True):
        assert after is before
    before_names = {g.digest for g in X[:, 0]}
    names = {g.digest for g in mutated(WeightScaling(rate=1), X)[:, 0]}
    assert len(names) == len(X)
    assert not names & before_names


def test_scaling_draws_a_factor_in_its_range_for_every_weight() -> None:
    X = genomes()
    before = contents(X)
    factors = []
    for old, new in zip(
        X[:, 0], mutated(WeightScaling(rate=1, low=0.5, high=2), X)[:, 0], strict=True
    ):
        for layer, weight in enumerate(new.weights):
            assert weight.dtype == np.float32
            factors.append((weight / old.weights[layer]).ravel())
            np.testing.assert_array_equal(new.biases[layer], old.biases[layer])
    spread = np.concatenate(factors)
    assert spread.min() >= 0.5 - 1e-6
    assert spread.max() <= 2 + 1e-6
    assert spread.mean() == pytest.approx(1.25, abs=0.06)
    assert len(np.unique(spread.round(5))) > 0.9 * len(spread)
    assert_same_contents(contents(X), before)


def test_scaling_hits_its_rate() -> None:
    X = as_column([genome((2, 2), 0)] * 2_000)
    hit = [g is not X[0, 0] for g in mutated(WeightScaling(rate=0.1), X)[:, 0]]
    assert np.mean(hit) == pytest.approx(0.1, abs=0.025)


def test_a_scaled_genomes_digest_is_its_recipe() -> None:
    X = genomes(3)
    plain, wider = WeightScaling(rate=1), WeightScaling(rate=1, low=0.8)
    names = [
        [g.digest for g in mutated(operator, X, seed)[:, 0]]
        for operator, seed in ((plain, 0), (plain, 0), (plain, 1), (wider, 0))
    ]
    assert names[0] == names[1]
    assert len({*names[0], *names[2], *names[3]}) == 9


# Crossover and mutation of masks.


@given(masks(), st.integers(0, 1000))
def test_children_of_masks_share_out_their_parents_genes(X: Array, seed: int) -> None:
    before = X.copy()
    children = crossed(UniformMaskCrossover(SIZES), X, seed)
    assert children.dtype == bool
    np.testing.assert_array_equal(X, before)
    first, second = X[0::2], X[1::2]
    for one, two, a, b in zip(
        layers(children[0]), layers(children[1]), layers(first), layers(second), strict=True
    ):
        assert one.any(axis=-1).all()
        assert two.any(axis=-1).all()
        shared_out = (one.astype(int) + two == a.astype(int) + b).all(axis=-1)
        filled = (one == a).all(axis=-1) | (two == b).all(axis=-1)
        assert (shared_out | filled).all()


def test_genes_come_from_both_parents_alike() -> None:
    X = np.zeros((2_000, sum(SIZES)), dtype=bool)
    X[0::2] = True  # first parents have all genes, second ones only the first of each layer
    X[1::2, [0, 5, 6]] = True
    children = crossed(UniformMaskCrossover(SIZES), X)
    free = [1, 2, 3, 4, 7, 8, 9]
    np.testing.assert_allclose(children[0][:, free].mean(axis=0), 0.5, atol=0.07)
    np.testing.assert_array_equal(children[0][:, free], ~children[1][:, free])
    assert children[:, :, [0, 5, 6]].all()


def test_an_empty_layer_is_copied_from_the_parent_of_the_same_number() -> None:
    X = np.zeros((2_000, 4), dtype=bool)
    X[0::2, 0] = X[1::2, 1] = True  # half of the first children would have neither gene
    X[:, 2:] = True
    children = crossed(UniformMaskCrossover((2, 2)), X)
    assert children[..., :2].any(axis=-1).all()
    none = (~children[..., :2]).all(axis=-1)
    assert not none.any()
    # If the second child got both genes, the first one equals its parent.
    both = children[1][:, :2].all(axis=-1)
    assert 0.15 < both.mean() < 0.35
    np.testing.assert_array_equal(children[0][both], X[0::2][both])


@given(masks(), st.floats(0, 5), st.integers(0, 1000))
def test_mutated_masks_have_no_empty_layer(X: Array, changes: float, seed: int) -> None:
    before = X.copy()
    result = mutated(BalancedMaskMutation(SIZES, changes=changes), X, seed)
    assert result.dtype == bool
    np.testing.assert_array_equal(X, before)
    for layer in layers(result):
        assert layer.any(axis=-1).all()
    if changes == 0:
        np.testing.assert_array_equal(result, before)


@pytest.mark.parametrize("alive", [6, 20, 128, 250])
@pytest.mark.parametrize("changes", [1.0, 2.5])
def test_mutation_switches_as_many_on_as_off(alive: int, changes: float) -> None:
    sizes = (256, 64)
    X = np.zeros((4_000, 320), dtype=bool)
    X[:, :alive] = True
    X[:, 256 : 256 + 32] = True
    result = mutated(BalancedMaskMutation(sizes, changes=changes), X)
    for part in (slice(0, 256), slice(256, 320)):
        off = (X[:, part] & ~result[:, part]).sum(axis=1)
        on = (~X[:, part] & result[:, part]).sum(axis=1)
        error = 5 * np.sqrt(changes / 4_000)  # a count's variance is at most its mean
        assert off.mean() == pytest.approx(changes, abs=error)
        assert on.mean() == pytest.approx(changes, abs=error)


# Sampling and selection.


def test_the_first_population_is_what_the_function_makes() -> None:
    sampling = Candidates(lambda n, generator: generator.random((n, 3)) < 0.5)
    pop = sampling.do(Problem(n_var=3, n_obj=1), 7, random_state=np.random.default_rng(4))
    expected = np.random.default_rng(4).random((7, 3)) < 0.5
    np.testing.assert_array_equal(pop.get("X"), expected)
    assert pop.get("X").dtype == bool
    objects = Candidates(lambda n, _: genomes(n)).do(Problem(n_var=1, n_obj=1), 3)
    assert [g.digest for g in objects.get("X")[:, 0]] == [g.digest for g in genomes(3)[:, 0]]


def chosen(F: Array, n: int = 20_000, shift: float = 0.0) -> Array:
    pop = Population.new("X", np.zeros((len(F), 1)), "F", F + shift)
    return SoftmaxRoulette().do(
        Problem(n_var=1, n_obj=1), pop, n, 2, to_pop=False, random_state=np.random.default_rng(0)
    )


def test_roulette_chances_are_softmax_of_fitness() -> None:
    F = np.array([[-2.0], [-1.5], [0.0], [0.3], [1.0]])
    picks = chosen(F)
    assert picks.shape == (20_000, 2)
    chances = np.exp(-F[:, 0]) / np.exp(-F[:, 0]).sum()
    for column in picks.T:
        counts = np.bincount(column, minlength=5)
        chi_square = ((counts - 20_000 * chances) ** 2 / (20_000 * chances)).sum()
        assert chi_square < 18.5  # 1 in 1000 with 4 degrees of freedom
    # Both parents are drawn independently.
    pairs = np.bincount(picks @ [5, 1], minlength=25).reshape(5, 5) / 20_000
    np.testing.assert_allclose(pairs, np.outer(chances, chances), atol=0.015)


def test_only_differences_of_fitness_count_however_large_it_is() -> None:
    F = np.array([[-2.0], [0.0], [1.0]])
    np.testing.assert_array_equal(chosen(F, 500), chosen(F, 500, shift=2.0**20))
    assert set(chosen(np.array([[-1e4], [0.0], [1e4]]), 500).ravel()) == {0}


def test_roulette_refuses_two_objectives_and_says_what_to_do() -> None:
    with pytest.raises(PruneError, match=r"one objective.*has 2.*WeightedSum"):
        chosen(np.zeros((4, 2)))


# Survival, in pymoo's own engines.


class Drifting(Problem):
    """Objectives, and perhaps a constraint, whose values change with the generation."""

    def __init__(self, *, n_obj: int = 2, constrained: bool = False) -> None:
        super().__init__(
            n_var=4, n_obj=n_obj, n_ieq_constr=int(constrained), xl=0, xu=1, requires_kwargs=True
        )

    def values(self, X: Array, generation: int) -> tuple[Array, Array]:
        phase = 2.5 * generation
        F = np.column_stack(
            [np.sin(phase + 3 * X[:, 0]) + X[:, 1], np.cos(phase + X[:, 0]) + X[:, 2]]
        )
        return F[:, : self.n_obj], np.sin(phase + 5 * X[:, [3]])

    def _evaluate(
        self, X: Array, out: dict[str, Any], *args: Any, algorithm: Any, **kw: Any
    ) -> None:
        out["F"], G = self.values(X, algorithm.n_iter)
        if self.has_constraints():
            out["G"] = G
        out["seen_in"] = np.full(len(X), algorithm.n_iter)


class After(Callback):
    """Calls a check after every generation."""

    def __init__(self, check: Callable[[Any], None]) -> None:
        super().__init__()
        self.check, self.calls = check, 0

    def notify(self, algorithm: Any) -> None:
        self.check(algorithm)
        self.calls += 1


def searched(algorithm: Any, problem: Problem, check: Callable[[Any], None]) -> Any:
    after = After(check)
    result = minimize(problem, algorithm, ("n_gen", 8), seed=1, callback=after)
    assert after.calls == 8
    return result


def test_under_generational_survival_only_children_live_on() -> None:
    dead: set[int] = set()
    kept: list[Any] = []  # so that no id is used twice

    def check(algorithm: Any) -> None:
        now = {id(individual) for individual in algorithm.pop}
        assert len(now) == 12
        if algorithm.n_iter > 1:
            assert now == {id(individual) for individual in algorithm.off}
        assert not now & dead
        dead.update(now)
        kept.extend(algorithm.pop)

    searched(GA(pop_size=12, survival=Generational()), Drifting(n_obj=1), check)


@pytest.mark.parametrize("constrained", [False, True])
def test_all_individuals_compete_with_values_of_the_current_generation(constrained: bool) -> None:
    problem = Drifting(constrained=constrained)
    survivors: list[int] = []

    def check(algorithm: Any) -> None:
        X, F, G = algorithm.pop.get("X", "F", "G")
        expected_F, expected_G = problem.values(X, algorithm.n_iter)
        np.testing.assert_array_equal(F, expected_F)
        if constrained:
            np.testing.assert_array_equal(G, expected_G)
        assert set(algorithm.pop.get("seen_in")) == {algorithm.n_iter}
        survivors.append(int((algorithm.pop.get("n_gen") < algorithm.n_iter).sum()))

    algorithm = NSGA2(pop_size=20, survival=Remeasured(RankAndCrowdingSurvival()))
    searched(algorithm, problem, check)
    assert sum(survivors) > 0  # otherwise nothing was measured again


def test_violations_are_values_of_the_current_generation_too() -> None:
    # pymoo computes an individual's CV once and keeps it when G changes. If that were not undone,
    # parents would stay as (in)feasible as they were in the generation of their birth.
    problem = Drifting(constrained=True)

    def check(algorithm: Any) -> None:
        X, CV, feasible = algorithm.pop.get("X", "CV", "FEAS")
        _, G = problem.values(X, algorithm.n_iter)
        np.testing.assert_array_equal(CV, np.maximum(G, 0))
        np.testing.assert_array_equal(feasible, G <= 0)

    searched(NSGA2(pop_size=20, survival=Remeasured(RankAndCrowdingSurvival())), problem, check)


def test_the_first_population_is_measured_once() -> None:
    evaluations: list[int] = []
    algorithm = NSGA2(pop_size=20, survival=Remeasured(RankAndCrowdingSurvival()))
    searched(algorithm, Drifting(), lambda a: evaluations.append(a.evaluator.n_eval))
    assert evaluations == [20 + 40 * later for later in range(8)]


def test_remeasured_chooses_as_the_wrapped_survival_does() -> None:
    class Still(Drifting):
        def values(self, X: Array, generation: int) -> tuple[Array, Array]:
            return super().values(X, 1)

    results = [
        searched(NSGA2(pop_size=20, survival=survival), Still(), lambda _: None)
        for survival in (RankAndCrowdingSurvival(), Remeasured(RankAndCrowdingSurvival()))
    ]
    np.testing.assert_array_equal(results[0].pop.get("X"), results[1].pop.get("X"))


# Duplicates.


def points(fewest: int, most: int) -> st.SearchStrategy[Array]:
    shapes = st.tuples(st.integers(fewest, most), st.just(2))
    return hnp.arrays(float, shapes, elements=st.sampled_from([0.0, 1.0, 2.0]))


@given(points(1, 12), points(0, 6))
def test_duplicates_are_those_that_pymoo_finds(X: Array, others: Array) -> None:
    pop, other = Population.new("X", X), Population.new("X", others)
    for arguments in ((), (other,), (other, other)):
        _, kept, dropped = DigestDuplicates().do(pop, *arguments, return_indices=True)
        _, expected, gone = DefaultDuplicateElimination().do(pop, *arguments, return_indices=True)
        assert (kept, dropped) == (expected, gone)


def test_duplicate_genomes_and_masks_are_removed() -> None:
    X = genomes(4)
    twice = Population.new("X", np.concatenate([X, X[[2, 0]]]))
    assert len(DigestDuplicates().do(twice)) == 4
    assert len(DigestDuplicates().do(twice, Population.new("X", X[:3]))) == 1
    bits = np.random.default_rng(0).random((5, 17)) < 0.5
    pop = Population.new("X", bits[[0, 1, 1, 2, 0]])
    assert DigestDuplicates().do(pop, return_indices=True)[1:] == ([0, 1, 3], [2, 4])


def test_a_search_with_digest_duplicates_keeps_its_population_distinct() -> None:
    class Count(Problem):
        def _evaluate(self, X: Array, out: dict[str, Any], *args: Any, **kw: Any) -> None:
            out["F"] = X.sum(axis=1, keepdims=True).astype(float)

    algorithm = GA(
        pop_size=20,
        sampling=Candidates(lambda n, generator: generator.random((n, 10)) < 0.9),
        crossover=UniformMaskCrossover(SIZES),
        mutation=BalancedMaskMutation(SIZES),
        eliminate_duplicates=DigestDuplicates(),
    )
    result = minimize(Count(n_var=10, n_obj=1, vtype=bool), algorithm, ("n_gen", 6), seed=0)
    X = result.pop.get("X")
    assert len(np.unique(X, axis=0)) == len(X) == 20
    assert X.dtype == bool


# All of them.

NUMBERS = np.random.default_rng(7).random((12, sum(SIZES))) < 0.6
NUMBERS[:, [0, 5, 6]] = True


@pytest.mark.parametrize(
    "draw",
    [
        lambda seed: crossed(CutPointWeightCrossover(), genomes(), seed),
        lambda seed: mutated(WeightScaling(rate=0.5), genomes(), seed),
        lambda seed: crossed(UniformMaskCrossover(SIZES), NUMBERS, seed),
        lambda seed: mutated(BalancedMaskMutation(SIZES), NUMBERS, seed),
        lambda seed: SoftmaxRoulette().do(
            None, Population.new("X", NUMBERS, "F", np.zeros((12, 1))), 30, 2, to_pop=False,
            random_state=np.random.default_rng(seed)),
        lambda seed: Candidates(lambda n, g: g.random((n, 2))).do(
            Problem(n_var=2, n_obj=1), 5, random_state=np.random.default_rng(seed)).get("X"),
    ],
    ids=["cut-point", "scaling", "uniform", "balanced", "roulette", "candidates"],
)  # fmt: skip
@pytest.mark.usefixtures("untouched_global_generators")
def test_an_operator_draws_from_pymoos_generator_and_from_no_other(
    draw: Callable[[int], Array],
) -> None:
    def drawn(seed: int) -> Any:
        result = draw(seed)
        if result.dtype != object:
            return result.tolist()
        return [[g.digest, *(a.tobytes() for a in (*g.weights, *g.biases))] for g in result.ravel()]

    assert drawn(3) == drawn(3)
    assert drawn(3) != drawn(4)
