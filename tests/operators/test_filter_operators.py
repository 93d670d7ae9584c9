"""Operators on chromosomes of filters and pieces."""

from __future__ import annotations

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
from pymoo.core.population import Population
from pymoo.core.problem import Problem
from pymoo.optimize import minimize

from pymoo_prune.chromosomes import FilterGenes
from pymoo_prune.errors import PruneError
from pymoo_prune.operators import BlockCrossover, Candidates, DigestDuplicates, FilterMutation

Array = NDArray[Any]
# Five groups in three blocks, and pieces; at least one of the last three lives.
NETWORK = FilterGenes((6, 20, 1, 9, 4), (0, 4, 4, 9, 0), (0, 4, 9, 9, 9), ((2, 3, 4),))


def crossed(operator: Any, X: Array, seed: int = 0) -> Array:
    """Children of rows (0, 1), (2, 3), ..., (2, matings, genes)."""
    pairs, before = np.arange(len(X)).reshape(-1, 2), X.copy()
    problem, generator = Problem(n_var=X.shape[1], n_obj=1), np.random.default_rng(seed)
    off = operator.do(problem, Population.new("X", X), pairs, random_state=generator)
    np.testing.assert_array_equal(X, before)
    return off.get("X").reshape(2, len(pairs), X.shape[1])


def mutated(operator: Any, X: Array, seed: int = 0) -> Array:
    """Mutants of X; checks that X itself does not change."""
    before, generator = X.copy(), np.random.default_rng(seed)
    result = operator._do(None, X, random_state=generator)
    np.testing.assert_array_equal(X, before)
    assert result.dtype == bool
    problem, again = Problem(n_var=X.shape[1], n_obj=1), np.random.default_rng(seed)
    through = operator.do(problem, Population.new("X", X.copy()), random_state=again)
    np.testing.assert_array_equal(through.get("X"), result)
    return result


def sound(codec: FilterGenes, n: int, generator: np.random.Generator) -> Array:
    """Chromosomes with any share of live genes, without empty groups or sets of alternatives."""
    X = generator.random((n, codec.n_var)) < generator.random((n, 1))
    return np.stack([codec.repaired(row, generator.random(codec.n_var)) for row in X])


def groups(codec: FilterGenes, X: Array) -> list[Array]:
    """The filters of each group."""
    return np.split(codec.filters(X), codec.starts[1:], axis=-1)


@st.composite
def codecs(draw: st.DrawFn) -> FilterGenes:
    """Any groups, blocks, pieces and alternatives."""
    blocks = st.integers(-1, 2)
    sizes = draw(st.lists(st.integers(1, 6), min_size=1, max_size=4))
    pieces = draw(st.lists(blocks, max_size=4))
    chosen = st.lists(st.integers(0, len(pieces) - 1), min_size=1, max_size=3).map(tuple)
    return FilterGenes(
        tuple(sizes),
        tuple(draw(blocks) for _ in sizes),
        tuple(pieces),
        tuple(draw(st.lists(chosen, max_size=3))) if pieces else (),
    )


@st.composite
def couples(draw: st.DrawFn) -> tuple[FilterGenes, Array]:
    """A codec and an even number of its chromosomes: no empty groups, some live alternatives."""
    codec, n = draw(codecs()), 2 * draw(st.integers(1, 4))
    return codec, sound(codec, n, np.random.default_rng(draw(st.integers(0, 1000))))


@st.composite
def anything(draw: st.DrawFn) -> tuple[FilterGenes, Array]:
    """A codec and an even number of chromosomes, with empty groups and dead alternatives."""
    codec = draw(codecs())
    return codec, draw(hnp.arrays(bool, (2 * draw(st.integers(1, 4)), codec.n_var)))


# Crossover.


def looped(codec: FilterGenes, mixing: float, X: Array, seed: int) -> Array:
    """The plain loop: mating by mating and group by group, with the same draws."""
    pairs = np.stack([X[0::2], X[1::2]])
    n, generator = pairs.shape[1], np.random.default_rng(seed)
    generator.random(n)  # pymoo draws which matings take place
    counts = codec.counts(pairs)
    drawn = generator.integers(counts.min(axis=0), counts.max(axis=0) + 1)
    lots = generator.random((n, codec.n_filters))
    numbers = sorted(set(codec.gene_blocks.tolist()))
    coins = generator.random((n, len(numbers)))
    chances = generator.random((n, len(codec.sizes)))
    children = np.zeros_like(pairs)
    for mating in range(n):
        first, second = pairs[:, mating]
        for gene, block in enumerate(codec.gene_blocks):
            swap = coins[mating, numbers.index(block)] >= 0.5
            for child in range(2):
                children[child, mating, gene] = pairs[child ^ swap, mating, gene]
        for group, (start, size) in enumerate(zip(codec.starts, codec.sizes, strict=True)):
            if chances[mating, group] >= mixing:
                continue
            places = range(start, start + size)
            both = [i for i in places if first[i] and second[i]]
            one = [i for i in places if first[i] != second[i]]
            one.sort(key=lambda i: lots[mating, i])
            cut = drawn[mating, group] - len(both)
            for child, lucky in enumerate((one[:cut], one[cut:])):
                children[child, mating, places] = [i in both or i in lucky for i in places]
        for child in range(2):
            for pieces in codec.alternatives:
                places = [codec.n_filters + piece for piece in pieces]
                if not children[child, mating, places].any():
                    children[child, mating, places] = pairs[child, mating, places]
    return children


@given(anything(), st.sampled_from([0, 0.3, 1]), st.integers(0, 1000))
def test_crossover_is_what_a_plain_loop_gives(
    given_: tuple[FilterGenes, Array], mixing: float, seed: int
) -> None:
    codec, X = given_
    children = crossed(BlockCrossover(codec, mixing=mixing), X, seed)
    assert children.dtype == bool
    np.testing.assert_array_equal(children, looped(codec, mixing, X, seed))


@given(couples(), st.floats(0, 1), st.integers(0, 1000))
def test_children_share_out_their_parents_filters(
    given_: tuple[FilterGenes, Array], mixing: float, seed: int
) -> None:
    codec, X = given_
    operator = BlockCrossover(codec, mixing=mixing)
    children, pairs = crossed(operator, X, seed), np.stack([X[0::2], X[1::2]])
    np.testing.assert_array_equal(
        np.sort(codec.filters(children), axis=0), np.sort(codec.filters(pairs), axis=0)
    )
    counts, parents = codec.counts(children), codec.counts(pairs)
    np.testing.assert_array_equal(counts.sum(axis=0), parents.sum(axis=0))
    assert (counts >= parents.min(axis=0)).all()
    assert (counts <= parents.max(axis=0)).all()
    assert counts.min() >= 1
    for pieces in codec.alternatives:
        assert codec.pieces(children)[..., list(pieces)].any(axis=-1).all()
    assert (children >= pairs.all(axis=0)).all()
    assert (children <= pairs.any(axis=0)).all()
    np.testing.assert_array_equal(crossed(operator, X, seed), children)
    same = crossed(operator, np.repeat(X, 2, axis=0), seed)
    np.testing.assert_array_equal(same, np.stack([X, X]))


@given(anything(), st.integers(0, 1000))
def test_without_mixing_blocks_inherit_whole(given_: tuple[FilterGenes, Array], seed: int) -> None:
    codec, X = given_
    codec = FilterGenes(codec.sizes, codec.blocks, codec.piece_blocks)  # no alternatives
    children = crossed(BlockCrossover(codec, mixing=0), X, seed)
    for block in set(codec.gene_blocks.tolist()):
        genes = codec.gene_blocks == block
        first, second = X[0::2][:, genes], X[1::2][:, genes]
        one, two = children[..., genes]
        straight = (one == first).all(axis=1) & (two == second).all(axis=1)
        reverse = (one == second).all(axis=1) & (two == first).all(axis=1)
        assert (straight | reverse).all()


def test_a_coin_for_each_block_and_mating() -> None:
    matings = 4_000
    X = np.zeros((2 * matings, NETWORK.n_var), dtype=bool)
    X[0::2] = True
    X[1::2, -1] = True  # alternatives stay alive
    one, two = crossed(BlockCrossover(NETWORK, mixing=0), X)[..., :-1]
    np.testing.assert_array_equal(one, ~two)
    blocks = NETWORK.gene_blocks[:-1]
    _, where = np.unique(blocks, return_index=True)
    np.testing.assert_array_equal(one, one[:, where][:, np.searchsorted([0, 4, 9], blocks)])
    seen = np.bincount(one[:, where] @ [1, 2, 4], minlength=8) / matings
    np.testing.assert_allclose(seen, 1 / 8, atol=0.025)


@pytest.mark.slow
def test_a_mixed_count_takes_all_numbers_between_the_parents_alike() -> None:
    codec, matings = FilterGenes((10,), (0,)), 20_000
    X = np.zeros((2 * matings, 10), dtype=bool)
    X[0::2, :3] = True
    X[1::2, 1:9] = True
    children = crossed(BlockCrossover(codec, mixing=1), X)
    assert children[..., 1:3].all()  # both parents have them
    assert not children[..., 9].any()
    counts = children.sum(axis=-1)
    assert (counts.sum(axis=0) == 11).all()
    seen = np.bincount(counts[0], minlength=11) / matings
    np.testing.assert_allclose(seen[3:9], 1 / 6, atol=0.015)
    # Filters that one parent has are equally likely, from either: 3.5 of 7 on average.
    np.testing.assert_allclose(children[0][:, [0, *range(3, 9)]].mean(axis=0), 0.5, atol=0.02)


def test_mixing_hits_its_chance_in_every_group_independently() -> None:
    codec, matings = FilterGenes((40, 40), (0, 0)), 10_000
    X = np.zeros((2 * matings, 80), dtype=bool)
    X[0::2, :20] = X[0::2, 40:60] = X[1::2, 20:40] = X[1::2, 60:] = True
    child = crossed(BlockCrossover(codec, mixing=0.3), X)[0]
    # With twenty filters each, a mixed group equals a parent's once in 10**11 times.
    halves = child.reshape(matings, 2, 2, 20)
    mixed = (halves.any(axis=-1) & ~halves.all(axis=-1)).any(axis=-1)
    np.testing.assert_allclose(mixed.mean(axis=0), 0.3, atol=0.02)
    assert mixed.all(axis=1).mean() == pytest.approx(0.09, abs=0.015)
    # If neither group is mixed, both come from the same parent, as they are in one block.
    whole = halves[~mixed.any(axis=1)]
    np.testing.assert_array_equal(whole[:, 0], whole[:, 1])


def test_dead_alternatives_are_copied_from_the_parent_of_the_same_number() -> None:
    # One piece in each block: each parent has a different one, so half would have none.
    codec, matings = FilterGenes((1,), (0,), (1, 2), ((0, 1),)), 2_000
    X = np.ones((2 * matings, 3), dtype=bool)
    X[0::2, 1] = X[1::2, 2] = False
    one, two = crossed(BlockCrossover(codec), X)[..., 1:]
    assert one.any(axis=-1).all()
    assert two.any(axis=-1).all()
    for child, other, own in ((one, two, X[0, 1:]), (two, one, X[1, 1:])):
        rescued = other.all(axis=-1)
        assert 0.2 < rescued.mean() < 0.3
        np.testing.assert_array_equal(child[rescued], np.tile(own, (rescued.sum(), 1)))


def test_without_a_mating_children_equal_their_parents() -> None:
    X = sound(NETWORK, 20, np.random.default_rng(0))
    children = crossed(BlockCrossover(NETWORK, prob=0.0), X)
    np.testing.assert_array_equal(children, np.stack([X[0::2], X[1::2]]))


# Mutation.


@given(couples(), st.floats(0, 1), st.floats(0.01, 1000), st.booleans(), st.integers(0, 1000))
def test_mutants_are_sound_and_the_same_from_the_same_generator(
    given_: tuple[FilterGenes, Array], rate: float, spread: float, strong: bool, seed: int
) -> None:
    codec, X = given_
    strengths = np.random.default_rng(seed).random(codec.n_var) if strong else None
    operator = FilterMutation(codec, strengths=strengths, rate=rate, spread=spread, depth_rate=rate)
    result = mutated(operator, X, seed)
    assert codec.counts(result).min() >= 1
    for pieces in codec.alternatives:
        assert codec.pieces(result)[..., list(pieces)].any(axis=-1).all()
    for old, new in zip(groups(codec, X), groups(codec, result), strict=True):
        came, went = (new & ~old).sum(axis=-1), (old & ~new).sum(axis=-1)
        # Filters are gained or lost, or the only one is exchanged.
        exchanged = (came == 1) & (went == 1) & (old.sum(axis=-1) == 1)
        assert ((came == 0) | (went == 0) | exchanged).all()


@given(anything(), st.integers(0, 1000))
def test_at_rate_zero_nothing_mutates(given_: tuple[FilterGenes, Array], seed: int) -> None:
    codec, X = given_
    operator = FilterMutation(codec, rate=0, depth_rate=0)
    np.testing.assert_array_equal(mutated(operator, X, seed), X)
    filters_only = mutated(FilterMutation(codec, rate=1, depth_rate=0), X, seed)
    np.testing.assert_array_equal(codec.pieces(filters_only), codec.pieces(X))
    pieces_only = mutated(FilterMutation(codec, rate=0, depth_rate=1), X, seed)
    np.testing.assert_array_equal(codec.filters(pieces_only), codec.filters(X))


@given(anything(), st.integers(0, 1000))
def test_at_rate_one_every_group_changes_but_full_ones(
    given_: tuple[FilterGenes, Array], seed: int
) -> None:
    codec, X = given_
    result = mutated(FilterMutation(codec, rate=1), X, seed)
    assert codec.counts(result).min() >= 1  # an empty group gains
    for old, new in zip(groups(codec, X), groups(codec, result), strict=True):
        assert ((old != new).any(axis=-1) | old.all(axis=-1)).all()


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, 5, 20])
def test_a_group_steps_in_the_logarithm_by_one_filter_at_least(count: int) -> None:
    codec, n = FilterGenes((20,), (0,)), 20_000
    X = np.zeros((n, 20), dtype=bool)
    X[:, :count] = True
    result = mutated(FilterMutation(codec, rate=1, spread=0.4), X)
    steps = np.random.default_rng(1).normal(0, 0.4, 200_000)
    expected = []
    for step in steps:
        moved = round(count * np.exp(step))
        if moved == count:
            moved += 1 if step > 0 else -1
        expected.append(min(max(moved, 1), 20))
    seen = np.bincount(result.sum(axis=1), minlength=21) / n
    np.testing.assert_allclose(seen, np.bincount(expected, minlength=21) / 200_000, atol=0.02)


def test_the_last_filter_is_exchanged_and_a_full_group_that_gains_stays() -> None:
    codec, n = FilterGenes((5, 3, 1), (0, 0, 0)), 4_000
    X = np.zeros((n, 9), dtype=bool)
    X[:, 2] = X[:, 5:] = True
    result = mutated(FilterMutation(codec, rate=1, spread=0.1), X)
    single, full, lonely = groups(codec, result)
    alive = single.sum(axis=1)
    assert set(alive.tolist()) == {1, 2}
    assert (alive == 1).mean() == pytest.approx(0.5, abs=0.04)
    assert not single[alive == 1, 2].any()
    np.testing.assert_allclose(
        single[alive == 1].mean(axis=0), [0.25, 0.25, 0, 0.25, 0.25], atol=0.05
    )
    assert single[alive == 2, 2].all()
    assert set(full.sum(axis=1).tolist()) == {2, 3}
    assert full.all(axis=1).mean() == pytest.approx(0.5, abs=0.04)
    assert lonely.all()


def test_mutation_hits_its_rates_and_all_filters_alike() -> None:
    codec, n = FilterGenes((10, 10, 10, 10), (0, 0, 1, 1), (0, 1)), 20_000
    X = np.zeros((n, 42), dtype=bool)
    X[:, 0:40:2] = True
    flipped = mutated(FilterMutation(codec, rate=0.2, depth_rate=0.05), X) != X
    hit = np.stack([part.any(axis=-1) for part in groups(codec, flipped)], axis=1)
    np.testing.assert_allclose(hit.mean(axis=0), 0.2, atol=0.015)
    assert hit.all(axis=1).mean() == pytest.approx(0.2**4, abs=0.002)  # independently
    for half in (slice(0, 40, 2), slice(1, 40, 2)):
        shares = flipped[:, half].mean(axis=0)
        np.testing.assert_allclose(shares, shares.mean(), atol=0.01)
    np.testing.assert_allclose(flipped[:, 40:].mean(axis=0), 0.05, atol=0.01)
    assert flipped[:, 40:].all(axis=1).mean() == pytest.approx(0.05**2, abs=0.002)


@pytest.mark.parametrize(("n_groups", "rate"), [(1, 1), (2, 0.75), (6, 0.25), (30, 0.05)])
def test_one_and_a_half_groups_mutate_on_average_by_default(n_groups: int, rate: float) -> None:
    codec, n = FilterGenes((8,) * n_groups, (0,) * n_groups), 4_000
    assert FilterMutation(codec).rate == rate
    X = np.tile(np.arange(8) < 4, (n, n_groups))
    changed = mutated(FilterMutation(codec), X) != X
    hit = changed.reshape(n, n_groups, 8).any(axis=-1).sum(axis=1)
    assert hit.mean() == pytest.approx(min(1.5, n_groups), abs=0.1)


@pytest.mark.parametrize("length", [40, 43])
def test_half_of_the_mutated_groups_use_strengths(length: int) -> None:
    codec, n = FilterGenes((20, 20), (0, 1), (0, 0, 1)), 4_000
    generator = np.random.default_rng(3)
    strengths = generator.permutation(length).astype(float)
    live = np.concatenate([generator.permutation(20) < 10 for _ in range(2)])
    X = np.tile(np.concatenate([live, [True] * 3]), (n, 1))
    operator = FilterMutation(codec, strengths=strengths, rate=1, spread=0.5)
    result = mutated(operator, X)
    told, ranked = np.zeros((2, n), dtype=bool), np.zeros((2, n), dtype=bool)
    for group, start in enumerate((0, 20)):
        places = range(start, start + 20)
        going = sorted((i for i in places if live[i]), key=lambda i: strengths[i])
        coming = sorted((i for i in places if not live[i]), key=lambda i: -strengths[i])
        for row, new in enumerate(result):
            went, came = (sum(new[i] != X[0, i] for i in order) for order in (going, coming))
            # Four to six of ten are the first of a ranking by chance once in 210 times.
            told[group, row] = 4 <= went + came <= 6
            first = [*going[:went], *coming[:came]]
            ranked[group, row] = (new[first] != X[0, first]).all()
    assert (told.sum(axis=1) > 500).all()
    for group in range(2):
        assert ranked[group, told[group]].mean() == pytest.approx(0.5, abs=0.05)
    # Groups are independent.
    assert ranked[:, told.all(axis=0)].all(axis=0).mean() == pytest.approx(0.25, abs=0.08)


def test_equal_strengths_leave_it_to_the_lower_index() -> None:
    codec, X = FilterGenes((6,), (0,)), np.tile([True, True, True, False, False, False], (500, 1))
    result = mutated(FilterMutation(codec, strengths=np.zeros(6), rate=1, spread=0.01), X)
    flips = np.bincount((result != X).argmax(axis=1), minlength=6) / 500
    third = 0.25 / 3  # in half of the groups at random: one of the three gained or lost
    np.testing.assert_allclose(flips[[1, 2, 4, 5]], third, atol=0.05)
    np.testing.assert_allclose(flips[[0, 3]], third + 0.25, atol=0.07)


def test_strengths_are_not_the_callers_array() -> None:
    strengths = np.arange(40.0)
    operator = FilterMutation(NETWORK, strengths=strengths)
    strengths[...] = 0
    assert operator.strengths is not None
    assert operator.strengths.tolist() == list(range(40))


def test_alternatives_that_would_all_die_stay() -> None:
    X = np.ones((4_000, NETWORK.n_var), dtype=bool)
    X[:, -2:] = False
    result = NETWORK.pieces(mutated(FilterMutation(NETWORK, rate=0, depth_rate=0.5), X))
    np.testing.assert_allclose(result[:, :2].mean(axis=0), 0.5, atol=0.05)
    # An eighth would have none and stays as the parent, besides the eighth that does not change.
    seen = np.bincount(result[:, 2:] @ [4, 2, 1], minlength=8) / 4_000
    np.testing.assert_allclose(seen, np.array([0, 1, 1, 1, 2, 1, 1, 1]) / 8, atol=0.03)


# Wrong arguments.


@pytest.mark.parametrize(
    ("make", "fragment"),
    [
        (lambda: BlockCrossover(NETWORK, mixing=1.1), "mixing must be between 0 and 1, .* 1.1"),
        (lambda: BlockCrossover(NETWORK, mixing=np.nan), "mixing must be .* nan"),
        (lambda: FilterMutation(NETWORK, rate=-0.1), "^rate must be between 0 and 1, .* -0.1"),
        (lambda: FilterMutation(NETWORK, depth_rate=2), "depth_rate must be between 0 and 1, .* 2"),
        (lambda: FilterMutation(NETWORK, spread=0), "spread must be above 0 and finite, .* 0"),
        (lambda: FilterMutation(NETWORK, spread=np.inf), "spread must be .* inf"),
        (lambda: FilterMutation(NETWORK, spread=np.nan), "spread must be .* nan"),
        (lambda: FilterMutation(NETWORK, strengths=np.ones(41)), r"40 or 45 numbers.*\(41,\)"),
        (lambda: FilterMutation(NETWORK, strengths=np.full(45, np.nan)), "finite, but number 0"),
        (lambda: crossed(BlockCrossover(NETWORK), np.zeros((4, 7), bool)), "be 45 booleans"),
        (lambda: crossed(BlockCrossover(NETWORK), np.zeros((4, 45))), "they are float64"),
        (lambda: mutated(FilterMutation(NETWORK), np.zeros((4, 7), bool)), "be 45 booleans"),
        (lambda: mutated(FilterMutation(NETWORK), np.zeros((4, 45), int)), "they are int64"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_refused(make: Callable[[], Any], fragment: str) -> None:
    with pytest.raises(PruneError, match=fragment):
        make()


# In pymoo's engines.


class Wanted(Problem):
    """Live genes are wanted in some places, and have a cost everywhere."""

    def __init__(self, *, n_obj: int) -> None:
        super().__init__(n_var=NETWORK.n_var, n_obj=n_obj, vtype=bool)
        self.wanted = np.random.default_rng(5).random(NETWORK.n_var) < 0.5

    def _evaluate(self, X: Array, out: dict[str, Any], *args: Any, **kw: Any) -> None:
        assert X.dtype == bool
        assert NETWORK.counts(X).min() >= 1
        assert NETWORK.pieces(X)[:, 2:].any(axis=1).all()
        away = (self.wanted != X).sum(axis=1)
        out["F"] = np.column_stack([away, X.sum(axis=1)])[:, : self.n_obj].astype(float)


@pytest.mark.parametrize("engine", [GA, NSGA2])
def test_pymoos_engines_search_with_them(engine: Any) -> None:
    problem = Wanted(n_obj=1 if engine is GA else 2)
    found = []
    for generations in (1, 40, 40):
        algorithm = engine(
            pop_size=20,
            sampling=Candidates(lambda n, generator: sound(NETWORK, n, generator)),
            crossover=BlockCrossover(NETWORK),
            mutation=FilterMutation(NETWORK, strengths=problem.wanted.astype(float)),
            eliminate_duplicates=DigestDuplicates(),
        )
        found.append(minimize(problem, algorithm, ("n_gen", generations), seed=1).pop)
    start, end, again = (pop.get("F") for pop in found)
    assert end[:, 0].min() < start[:, 0].min() - 5
    np.testing.assert_array_equal(end, again)
    np.testing.assert_array_equal(found[1].get("X"), found[2].get("X"))
