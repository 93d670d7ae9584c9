from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, rankdata

from pymoo_prune import PruneError
from pymoo_prune.comparing.statistics import (
    LEVEL,
    Contrast,
    contrasts,
    enough_seeds,
    holm,
    least_p,
    mann_whitney,
    named_test,
    superiority,
)

FEW = st.lists(st.integers(0, 4).map(float), min_size=1, max_size=5)
PROBABILITIES = st.lists(st.floats(0, 1), min_size=1, max_size=8)


def over_all_splits(first: Sequence[float], second: Sequence[float]) -> float:
    """The definition: as many splits of the pooled values as there are, one by one."""
    ranks = rankdata([*first, *second])
    mine = ranks[: len(first)].sum()
    sums = np.array([sum(split) for split in combinations(ranks, len(first))])
    return min(1.0, 2 * min((sums <= mine).mean(), (sums >= mine).mean()))


# Mann and Whitney.


@given(FEW, FEW)
def test_the_test_is_that_over_all_splits_with_ties_too(
    first: list[float], second: list[float]
) -> None:
    before = list(first), list(second)
    assert mann_whitney(first, second) == pytest.approx(over_all_splits(first, second), rel=1e-12)
    assert (first, second) == before


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 1000))
def test_without_ties_it_is_scipys(n: int, m: int, seed: int) -> None:
    values = np.random.default_rng(seed).permutation(n + m).astype(float)
    first, second = values[:n], values[n:]
    expected = mannwhitneyu(first, second, method="exact").pvalue
    assert mann_whitney(first, second) == pytest.approx(expected, rel=1e-12)


def test_by_hand() -> None:
    assert mann_whitney([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]) == pytest.approx(2 / 252)
    assert mann_whitney([1, 2], [3, 4]) == pytest.approx(1 / 3)
    # Of the ranks 1, 2.5, 2.5, 4: sums 3.5, 3.5, 5, 5, 6.5, 6.5, and 3.5 is observed.
    assert mann_whitney([1, 2], [2, 3]) == pytest.approx(2 * 2 / 6)
    assert mann_whitney([1, 1, 1], [1, 1]) == 1.0
    assert mann_whitney([0.5], [0.7]) == 1.0


@given(FEW, FEW)
def test_neither_sample_comes_first(first: list[float], second: list[float]) -> None:
    assert mann_whitney(first, second) == pytest.approx(mann_whitney(second, first), rel=1e-12)


def test_many_seeds_are_exact_too() -> None:
    first, second = np.arange(60.0), np.arange(60.0) + 10.5
    expected = mannwhitneyu(first, second, method="exact").pvalue
    assert mann_whitney(first, second) == pytest.approx(expected, rel=1e-9)


def test_of_very_many_seeds_it_is_the_approximation() -> None:
    generator = np.random.default_rng(0)
    both = [generator.integers(0, 90, 61) / 90 for _ in range(2)]
    first, second = both[0].tolist(), (both[1] + 0.1).round(2).tolist()
    assert mann_whitney(first, second) == mannwhitneyu(first, second, method="asymptotic").pvalue
    fewer = mannwhitneyu(first[:60], second[:60], method="asymptotic").pvalue
    assert mann_whitney(first[:60], second[:60]) == pytest.approx(fewer, rel=0.03)
    assert mann_whitney([1.0] * 600, [1.0] * 600) == 1
    assert mann_whitney(range(600), range(600, 1200)) < 1e-100
    assert named_test(120) == "exact two-sided Mann-Whitney test"
    assert "normal approximation" in named_test(121)


# Effect.


def test_the_effect_is_the_share_of_pairs() -> None:
    assert superiority([3, 4], [1, 2]) == 1.0
    assert superiority([1, 2], [3, 4]) == 0.0
    assert superiority([1, 1], [1, 1]) == 0.5
    assert superiority([1, 3, 5], [2, 3]) == (0 + 0 + 1 + 0.5 + 1 + 1) / 6


@given(FEW, FEW)
def test_effects_of_both_directions_add_up_to_one(first: list[float], second: list[float]) -> None:
    assert superiority(first, second) + superiority(second, first) == pytest.approx(1)


# Holm.


def test_holms_correction_by_hand() -> None:
    # Sorted: .01, .02, .03, .04; times 4, 3, 2, 1: .04, .06, .06, .04, which must not decrease.
    p = np.array([0.04, 0.01, 0.03, 0.02])
    np.testing.assert_allclose(holm(p), [0.06, 0.04, 0.06, 0.06], rtol=1e-12)
    assert p.tolist() == [0.04, 0.01, 0.03, 0.02]
    assert holm(np.array([0.4, 0.6])).tolist() == [0.8, 0.8]
    assert holm(np.array([0.7, 0.8])).tolist() == [1, 1]
    assert holm(np.array([0.03])).tolist() == [0.03]
    assert holm(np.array([])).tolist() == []


@given(PROBABILITIES)
def test_the_correction_keeps_the_order_and_lies_between_p_and_bonferronis(
    values: list[float],
) -> None:
    p = np.array(values)
    adjusted = holm(p)
    assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0).all()
    assert (adjusted >= p).all()
    assert (adjusted <= np.minimum(len(p) * p, 1)).all()


@given(PROBABILITIES, st.data())
def test_a_smaller_p_makes_no_other_larger(values: list[float], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(values) - 1))
    smaller = [*values]
    smaller[place] = data.draw(st.floats(0, values[place]))
    assert (holm(np.array(smaller)) <= holm(np.array(values)) + 1e-15).all()


@given(PROBABILITIES, st.floats(0.001, 0.5))
def test_it_rejects_what_holms_steps_reject(values: list[float], level: float) -> None:
    rejected: set[int] = set()
    for step, place in enumerate(np.argsort(values, kind="stable").tolist()):
        if values[place] * (len(values) - step) > level:
            break
        rejected.add(place)
    assert set(np.flatnonzero(holm(np.array(values)) <= level).tolist()) == rejected


# Methods against each other.


def by_pair(samples: dict[str, list[float]]) -> dict[tuple[str, str], Contrast]:
    return {(c.first, c.second): c for c in contrasts(samples)}


def test_all_pairs_in_the_order_that_was_given() -> None:
    samples = {"a": [1.0, 2], "b": [3.0, 4], "c": [1.0, 4]}
    before = {name: [*values] for name, values in samples.items()}
    found = contrasts(samples)
    assert [(c.first, c.second) for c in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    for c in found:
        assert c.p == mann_whitney(samples[c.first], samples[c.second])
        assert c.effect == superiority(samples[c.first], samples[c.second])
    assert [c.adjusted for c in found] == holm(np.array([c.p for c in found])).tolist()
    assert samples == before
    assert contrasts({"a": [1.0]}) == []


@pytest.mark.parametrize(
    ("seeds", "methods", "enough"),
    [(3, 2, False), (4, 2, True), (4, 3, False), (5, 3, True), (5, 4, True), (5, 5, False),
     (6, 5, True), (6, 6, True), (6, 7, True), (7, 10, True), (1, 2, False)],
)  # fmt: skip
def test_too_few_seeds_are_those_with_which_nothing_could_be_shown(
    seeds: int, methods: int, enough: bool
) -> None:
    """Data that differ as much as can be: every run of a method is above all of those before."""
    samples = {f"m{k}": [100.0 * k + seed for seed in range(seeds)] for k in range(methods)}
    pairs = comb(methods, 2)
    for c in contrasts(samples):
        assert c.possible == pytest.approx(min(pairs * 2 / comb(2 * seeds, seeds), 1))
        assert c.adjusted == pytest.approx(c.possible)
        assert (c.adjusted <= LEVEL) == enough
        assert str(c) == (c.second if enough else "too few seeds to say")


@given(st.lists(st.lists(st.integers(0, 3).map(float), min_size=1, max_size=6), max_size=4))
def test_no_data_go_below_what_is_possible(values: list[list[float]]) -> None:
    samples = {f"m{place}": sample for place, sample in enumerate(values)}
    for c in contrasts(samples):
        assert c.adjusted >= c.possible * (1 - 1e-12)


def test_what_is_possible_with_different_numbers_of_seeds_is_attained() -> None:
    counts = {"a": 3, "b": 4, "c": 9}
    apart = {n: [100.0 * k + s for s in range(m)] for k, (n, m) in enumerate(counts.items())}
    least = {pair: 2 / comb(counts[pair[0]] + counts[pair[1]], counts[pair[0]]) for pair in
             combinations(counts, 2)}  # fmt: skip
    found = by_pair(apart)
    # Sorted: b/c 2/715, a/c 2/220, a/b 2/35, times 3, 2 and 1.
    assert found["b", "c"].possible == pytest.approx(3 * least["b", "c"])
    assert found["a", "c"].possible == pytest.approx(2 * least["a", "c"])
    assert found["a", "b"].possible == pytest.approx(least["a", "b"])
    for c in found.values():
        assert c.adjusted == pytest.approx(c.possible)
    assert str(found["a", "c"]) == "c"
    assert str(found["a", "b"]) == "too few seeds to say"


@pytest.mark.parametrize(("n", "m"), list(product(range(1, 6), range(1, 6))))
def test_the_least_p_is_that_of_samples_apart(n: int, m: int) -> None:
    apart = mann_whitney(np.arange(n), 100 + np.arange(m))
    assert least_p(n, m) == pytest.approx(apart)


def test_the_words() -> None:
    apart = [float(seed) for seed in range(10)]
    above, same = [value + 100 for value in apart], [value + 0.5 for value in apart]
    (more,), (less,) = contrasts({"a": above, "b": apart}), contrasts({"a": apart, "b": above})
    assert (str(more), str(less)) == ("a", "b")
    (open_,) = contrasts({"a": apart, "b": same})
    assert str(open_) == "not shown"
    assert open_.adjusted > LEVEL >= open_.possible


@pytest.mark.parametrize("values", [[], [np.nan, 0.5], [np.inf]])
def test_numbers_that_cannot_be_ranked_are_refused(values: list[float]) -> None:
    with pytest.raises(PruneError, match=r"^b must have one finite number or more, but it has \["):
        contrasts({"a": [0.5], "b": values})


@pytest.mark.parametrize(("pairs", "seeds"), [(1, 4), (2, 5), (3, 5), (10, 6), (15, 6), (45, 7)])
def test_enough_seeds_are_the_fewest_that_can_show_a_difference(pairs: int, seeds: int) -> None:
    assert enough_seeds(pairs) == seeds
    assert least_p(seeds, seeds) * pairs <= LEVEL < least_p(seeds - 1, seeds - 1) * pairs


def test_one_method_against_the_others_takes_a_milder_correction() -> None:
    samples = {"a": [5.0, 6, 7, 8, 9], "b": [0.0, 1, 2, 3, 4], "c": [10.0, 11, 12, 13, 14]}
    samples |= {"d": [20.0, 21, 22, 23, 24], "e": [30.0, 31, 32, 33, 34]}
    every, control = contrasts(samples), contrasts(samples, "c")
    assert [(c.first, c.second) for c in control] == [("c", name) for name in "abde"]
    assert len(every) == 10
    assert {str(c) for c in every} == {"too few seeds to say"}
    assert [str(c) for c in control] == ["c", "c", "d", "e"]
    assert all(c.adjusted == pytest.approx(4 * 2 / 252) for c in control)
