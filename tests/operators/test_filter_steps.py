"""Groups whose numbers of filters are multiples of a step: all operators keep the rule."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.population import Population
from pymoo.core.problem import Problem
from pymoo.optimize import minimize

from pymoo_prune.chromosomes import FilterGenes, digests
from pymoo_prune.errors import PruneError
from pymoo_prune.operators import (
    BlockCrossover,
    Candidates,
    DigestDuplicates,
    FilterMutation,
    FilterRepair,
)

Array = NDArray[Any]
# A multiple, no multiple, a group smaller than its step, and one that keeps any number.
NETWORK = FilterGenes(
    (16, 10, 3, 7), (0, 1, 1, 2), (0, 1, 2), ((1, 2),), steps=(4, 4, 4, 1)
)  # fmt: skip
PLAIN = FilterGenes((6, 20, 1, 9, 4), (0, 4, 4, 9, 0), (0, 4, 9, 9, 9), ((2, 3, 4),))


@st.composite
def codecs(draw: st.DrawFn) -> FilterGenes:
    """Any groups, blocks, steps, pieces and alternatives."""
    blocks = st.integers(0, 2)
    sizes = draw(st.lists(st.integers(1, 12), min_size=1, max_size=4))
    pieces = draw(st.lists(blocks, max_size=3))
    return FilterGenes(
        tuple(sizes),
        tuple(draw(blocks) for _ in sizes),
        tuple(pieces),
        (tuple(range(len(pieces))),) if pieces and draw(st.booleans()) else (),
        tuple(draw(st.integers(1, 5)) for _ in sizes),
    )


@st.composite
def anything(draw: st.DrawFn) -> tuple[FilterGenes, Array, Array]:
    """A codec, an even number of chromosomes that break its rule, and strengths."""
    codec, n = draw(codecs()), 2 * draw(st.integers(1, 4))
    generator = np.random.default_rng(draw(st.integers(0, 1000)))
    X = generator.random((n, codec.n_var)) < generator.random((n, 1))
    return codec, X, generator.integers(0, 4, codec.n_var).astype(float)


@st.composite
def populations(draw: st.DrawFn) -> tuple[FilterGenes, Array, Array]:
    """A codec, an even number of chromosomes that keep its rule, and strengths."""
    codec, X, strengths = draw(anything())
    return codec, codec.repaired(X, strengths), strengths


def follows(codec: FilterGenes, X: Array) -> bool:
    """Whether each group of each chromosome has a number that it may keep, by the rule itself."""
    return all(
        count == size or (count > 0 and count % step == 0)
        for row in codec.counts(X).reshape(-1, len(codec.sizes)).tolist()
        for count, size, step in zip(row, codec.sizes, codec.steps, strict=True)
    )


def crossed(operator: Any, X: Array, seed: int = 0) -> Array:
    pairs, before = np.arange(len(X)).reshape(-1, 2), X.copy()
    problem, generator = Problem(n_var=X.shape[1], n_obj=1), np.random.default_rng(seed)
    off = operator.do(problem, Population.new("X", X), pairs, random_state=generator)
    np.testing.assert_array_equal(X, before)
    return off.get("X").reshape(2, len(pairs), X.shape[1])


def mutated(operator: Any, X: Array, seed: int = 0) -> Array:
    before = X.copy()
    result: Array = operator._do(None, X, random_state=np.random.default_rng(seed))
    np.testing.assert_array_equal(X, before)
    return result


# The numbers that a group may keep.


def test_a_group_keeps_a_multiple_or_all() -> None:
    assert [widths.tolist() for widths in NETWORK.widths] == [
        [4, 8, 12, 16], [4, 8, 10], [3], [1, 2, 3, 4, 5, 6, 7],
    ]  # fmt: skip
    assert NETWORK.group_steps.tolist() == [4, 4, 4, 1]
    assert PLAIN.group_steps.tolist() == [1] * 5


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([0, 0, 0, 0], [4, 4, 3, 0]),
        ([1, 5, 1, 1], [4, 4, 3, 1]),
        ([6, 6, 2, 5], [8, 8, 3, 5]),  # the larger of two that are as near
        ([7, 9, 3, 6], [8, 10, 3, 6]),
        ([13, 8, 3, 7], [12, 8, 3, 7]),
        ([16, 10, 3, 7], [16, 10, 3, 7]),
        ([40, 40, 40, 7], [16, 10, 3, 7]),
    ],
)
def test_the_nearest_number(counts: list[int], expected: list[int]) -> None:
    assert NETWORK.fitted(np.array([counts])).tolist() == [expected]


@given(codecs(), st.integers(0, 1000))
def test_the_nearest_number_is_the_nearest_of_all(codec: FilterGenes, seed: int) -> None:
    counts = np.random.default_rng(seed).integers(0, np.array(codec.sizes) + 1)
    before = counts.copy()
    found = codec.fitted(counts)
    np.testing.assert_array_equal(counts, before)
    for group, (count, widths) in enumerate(zip(counts.tolist(), codec.widths, strict=True)):
        if codec.steps[group] > 1:
            assert found[group] == min(widths.tolist(), key=lambda one: (abs(one - count), -one))
        else:
            assert found[group] == count


def test_without_steps_any_number_will_do() -> None:
    counts = np.array([[0, 7, 1, 3, 2]])
    assert PLAIN.fitted(counts) is counts
    assert [widths.tolist() for widths in PLAIN.widths] == [
        list(range(1, size + 1)) for size in PLAIN.sizes
    ]


# Repair.


def test_the_strongest_come_back_and_the_weakest_go() -> None:
    codec = FilterGenes((4, 6), (0, 0), steps=(2, 3))
    strengths = [1, 4, 3, 2, 5, 0, 1, 2, 3, 4]
    X = np.array([[1, 1, 1, 0, 1, 1, 1, 1, 0, 0], [0, 0, 0, 1, 0, 0, 1, 1, 0, 0]], dtype=bool)
    found = codec.repaired(X, strengths).astype(int).tolist()
    # Three of four become four. Four of six become three: the weakest, number 1, goes.
    assert found[0] == [1, 1, 1, 1, 1, 0, 1, 1, 0, 0]
    # One of four becomes two: number 1 comes back. Two of six become three: number 0 comes back.
    assert found[1] == [0, 1, 0, 1, 1, 0, 1, 1, 0, 0]


@given(anything())
def test_repair_keeps_the_rule_and_changes_as_little_as_possible(
    given_: tuple[FilterGenes, Array, Array],
) -> None:
    codec, X, strengths = given_
    before, strong = X.copy(), strengths.copy()
    fixed = codec.repaired(X, strengths)
    np.testing.assert_array_equal(X, before)
    np.testing.assert_array_equal(strengths, strong)
    assert not np.shares_memory(fixed, X)
    assert follows(codec, fixed)
    np.testing.assert_array_equal(codec.repaired(fixed, strengths), fixed)
    wanted = codec.fitted(np.maximum(codec.counts(X), 1))
    np.testing.assert_array_equal(codec.counts(fixed), wanted)
    for old, new, start in zip(
        *(np.split(codec.filters(rows), codec.starts[1:], axis=-1) for rows in (X, fixed)),
        codec.starts.tolist(),
        strict=True,
    ):
        own = strengths[start : start + old.shape[-1]]
        for row, other in zip(old, new, strict=True):
            came, went = other & ~row, row & ~other
            assert not (came.any() and went.any())
            if came.any() and not other.all():
                assert own[came].min() >= own[~other].max()
            if went.any():
                assert own[went].max() <= own[other].min()
    for pieces in codec.alternatives:
        assert codec.pieces(fixed)[..., list(pieces)].any(axis=-1).all()


@given(anything())
def test_the_repair_of_an_engine_is_the_same(given_: tuple[FilterGenes, Array, Array]) -> None:
    codec, X, strengths = given_
    before = X.copy()
    problem = Problem(n_var=X.shape[1], n_obj=1)
    found = FilterRepair(codec, strengths).do(problem, Population.new("X", X)).get("X")
    assert found.dtype == bool
    np.testing.assert_array_equal(found, codec.repaired(X, strengths))
    np.testing.assert_array_equal(X, before)


# Crossover and mutation.


@given(populations(), st.floats(0, 1), st.integers(0, 1000))
def test_children_keep_the_rule_and_lose_no_gene(
    given_: tuple[FilterGenes, Array, Array], mixing: float, seed: int
) -> None:
    codec, X, _ = given_
    children, pairs = crossed(BlockCrossover(codec, mixing=mixing), X, seed), None
    assert follows(codec, children)
    pairs = np.stack([X[0::2], X[1::2]])
    np.testing.assert_array_equal(
        np.sort(codec.filters(children), axis=0), np.sort(codec.filters(pairs), axis=0)
    )
    for pieces in codec.alternatives:
        assert codec.pieces(children)[..., list(pieces)].any(axis=-1).all()


def test_mixed_groups_have_all_multiples_between_their_parents() -> None:
    codec, matings = FilterGenes((16, 10), (0, 1), steps=(4, 4)), 3_000
    X = np.zeros((2 * matings, 26), dtype=bool)
    X[0::2, :4] = X[1::2, :16] = True
    X[0::2, 16:20] = X[1::2, 16:] = True
    counts = codec.counts(crossed(BlockCrossover(codec, mixing=1), X))
    seen = np.bincount(counts[0, :, 0], minlength=17) / matings
    np.testing.assert_allclose(seen[[4, 8, 12, 16]], 1 / 4, atol=0.03)
    # All of ten filters are no multiple: a child has a parent's, whole.
    assert np.unique(counts[..., 1]).tolist() == [4, 10]
    assert (counts.sum(axis=0) == [20, 14]).all()


@given(
    populations(), st.floats(0, 1), st.floats(0.01, 1000), st.booleans(), st.integers(0, 1000)
)  # fmt: skip
def test_mutants_keep_the_rule(
    given_: tuple[FilterGenes, Array, Array], rate: float, spread: float, strong: bool, seed: int
) -> None:
    codec, X, strengths = given_
    operator = FilterMutation(
        codec, strengths=strengths if strong else None, rate=rate, spread=spread, depth_rate=rate
    )
    result = mutated(operator, X, seed)
    assert follows(codec, result)
    np.testing.assert_array_equal(mutated(operator, X, seed), result)
    for pieces in codec.alternatives:
        assert codec.pieces(result)[..., list(pieces)].any(axis=-1).all()
    if rate == 1:  # all groups change but full ones
        changed = np.logical_or.reduceat(codec.filters(result ^ X), codec.starts, axis=-1)
        full = codec.counts(X) == codec.sizes
        assert (changed | full).all()


def test_a_group_gains_or_loses_a_step_at_least_and_the_least_exchanges_one_filter() -> None:
    codec, n = FilterGenes((16, 10), (0, 0), steps=(4, 4)), 4_000
    X = np.zeros((n, 26), dtype=bool)
    X[:, :4] = X[:, 16:] = True
    result = mutated(FilterMutation(codec, rate=1, spread=0.1), X)
    first, second = codec.counts(result).T
    assert set(first.tolist()) == {4, 8}
    assert set(second.tolist()) == {8, 10}
    for seen in (first == 4, second == 10):
        assert seen.mean() == pytest.approx(0.5, abs=0.04)
    exchanged = result[first == 4, :16]
    assert (exchanged[:, :4].sum(axis=1) == 3).all()


def test_strengths_decide_which_filters_come_and_go() -> None:
    codec, n = FilterGenes((12,), (0,), steps=(4,)), 2_000
    X = np.zeros((n, 12), dtype=bool)
    X[:, 2:10] = True
    operator = FilterMutation(codec, strengths=np.arange(12.0), rate=1, spread=0.1)
    result = mutated(operator, X)
    lost = result[result.sum(axis=1) == 4]
    weakest = np.isin(np.arange(12), range(6, 10))
    share = (lost == weakest).all(axis=1).mean()
    assert 0.45 < share < 0.6  # half of them, and a few of the others by chance


def test_a_search_meets_no_other_number() -> None:
    problem = Problem(n_var=NETWORK.n_var, n_obj=2, xl=0, xu=1, vtype=bool)
    seen: list[Array] = []

    def evaluate(X: Array, out: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        seen.append(X.copy())
        out["F"] = np.column_stack([X.mean(axis=1), (X ^ (np.arange(X.shape[1]) % 2)).mean(axis=1)])

    problem._evaluate = evaluate
    strengths = np.arange(NETWORK.n_var, dtype=float)
    engine = NSGA2(
        pop_size=20,
        sampling=Candidates(lambda n, rng: rng.random((n, NETWORK.n_var)) < 0.5),
        crossover=BlockCrossover(NETWORK),
        mutation=FilterMutation(NETWORK, strengths=strengths),
        repair=FilterRepair(NETWORK, strengths),
        eliminate_duplicates=DigestDuplicates(),
    )
    minimize(problem, engine, ("n_gen", 15), seed=0)
    X = np.vstack(seen)
    assert len(X) > 200
    assert follows(NETWORK, X)
    assert len(set(digests(X))) > 200


# Without steps all is as it was.


def bits_of(*arrays: Array) -> str:
    return hashlib.sha256(b"".join(np.packbits(one).tobytes() for one in arrays)).hexdigest()[:16]


@pytest.mark.parametrize("codec", [PLAIN, FilterGenes(
    PLAIN.sizes, PLAIN.blocks, PLAIN.piece_blocks, PLAIN.alternatives, (1,) * 5
)], ids=["no steps", "steps of 1"])  # fmt: skip
def test_golden_chromosomes_without_steps(codec: FilterGenes) -> None:
    generator = np.random.default_rng(0)
    X, strengths = generator.random((60, codec.n_var)) < 0.4, generator.random(codec.n_var)
    fixed = codec.repaired(X, strengths)
    children = crossed(BlockCrossover(codec), fixed, 1)
    operator = FilterMutation(codec, strengths=strengths, rate=0.5)
    mutants = mutated(operator, np.vstack([*children]), 2)
    assert [bits_of(one) for one in (fixed, children, mutants)] == GOLDEN


GOLDEN = ["59e2d44d4d7dbad2", "d409a4fa765758dd", "4478ff850ad2c28c"]


# Wrong arguments.


@pytest.mark.parametrize(
    ("make", "fragment"),
    [
        (lambda: FilterGenes((2, 3), (0, 0), steps=(2,)), r"2 whole .* one a group, .*\(2,\)"),
        (lambda: FilterGenes((2,), (0,), steps=(0,)), r"steps must be .* at least 1, .*\(0,\)"),
        (lambda: FilterGenes((2,), (0,), steps=(1.5,)), r"steps must be 1 whole .*\(1.5,\)"),  # type: ignore[arg-type]
        (lambda: FilterRepair(NETWORK, np.ones(36)), r"be 39 numbers, .*shape \(36,\)"),
    ],
)
def test_wrong_arguments_are_refused(make: Callable[[], Any], fragment: str) -> None:
    with pytest.raises(PruneError, match=fragment):
        make()
