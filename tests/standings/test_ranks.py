"""Ranks over problems: their tests equal published numbers, scipy's, and plain enumeration."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pymoo_prune import PruneError
from pymoo_prune.objectives import Values
from pymoo_prune.standings import Ranks
from pymoo_prune.standings.ranks import (
    bootstrap_intervals,
    critical_difference,
    friedman,
    signed_rank,
)
from tests.support.running import finished, python

METHODS = ["C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf"]
DEMSAR = np.array([
    [0.763, 0.768, 0.771, 0.798], [0.599, 0.591, 0.590, 0.569], [0.954, 0.971, 0.968, 0.967],
    [0.628, 0.661, 0.654, 0.657], [0.882, 0.888, 0.886, 0.898], [0.936, 0.931, 0.916, 0.931],
    [0.661, 0.668, 0.609, 0.685], [0.583, 0.583, 0.563, 0.625], [0.775, 0.838, 0.866, 0.875],
    [1.000, 1.000, 1.000, 1.000], [0.940, 0.962, 0.965, 0.962], [0.619, 0.666, 0.614, 0.669],
    [0.972, 0.981, 0.976, 0.975], [0.957, 0.978, 0.946, 0.970],
])  # fmt: skip
"""Table 6 of Demšar, 2006. On one data set the second and the third of the best are printed alike,
but have different ranks, so one of them is larger here by 0.001."""


def ranks_of(means: Values, against: int = 0, seed: int = 0) -> Ranks:
    methods = [f"m{k}" for k in range(means.shape[1])]
    problems = [f"p{k}" for k in range(len(means))]
    generator = np.random.default_rng(seed)
    return Ranks(methods, problems, means, against=methods[against], generator=generator)


def test_demsars_example() -> None:
    found = Ranks(
        METHODS, list(map(str, range(14))), DEMSAR, against="C4.5",
        generator=np.random.default_rng(0),
    )  # fmt: skip
    assert list(found.mean.values()) == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    assert found.order == ["C4.5+m+cf", "C4.5+m", "C4.5+cf", "C4.5"]
    # His formulas, which have no correction for ties: 9.28 and 3.69.
    n, k = DEMSAR.shape
    plain = 12 * n / (k * (k + 1)) * (sum(r**2 for r in found.mean.values()) - k * (k + 1) ** 2 / 4)
    assert plain == pytest.approx(9.28, abs=5e-3)
    assert (n - 1) * plain / (n * (k - 1) - plain) == pytest.approx(3.69, abs=5e-3)
    # Ties of three, two pairs and four: sums of t^3 - t.
    ties = 3 * 6 + 60
    corrected = plain / (1 - ties / (n * k * (k**2 - 1)))
    assert found.friedman.statistic == pytest.approx(corrected)
    assert found.friedman.f == pytest.approx((n - 1) * corrected / (n * (k - 1) - corrected))
    assert found.critical == pytest.approx(1.25, abs=5e-3)
    assert found.friedman.p < 0.05
    assert not found.differ("C4.5", "C4.5+m")  # 1.14 apart
    assert not found.differ("C4.5", "C4.5+m+cf")  # 1.18 apart
    assert found.groups == [found.order]


def test_critical_values_are_those_of_demsars_table() -> None:
    published = {2: 1.960, 3: 2.343, 4: 2.569, 5: 2.728, 6: 2.850, 7: 2.949, 8: 3.031, 9: 3.102,
                 10: 3.164}  # fmt: skip
    for methods, q in published.items():
        found = critical_difference(methods, 24) / np.sqrt(methods * (methods + 1) / (6 * 24))
        assert found == pytest.approx(q, abs=1.1e-3)
    assert critical_difference(5, 30, 0.1) / np.sqrt(30 / 180) == pytest.approx(2.459, abs=1e-3)


MEANS = st.integers(0, 10**6).map(
    lambda seed: np.random.default_rng(seed).integers(0, 6, (12, 4)).astype(float)
)


@given(MEANS)
def test_ties_share_their_ranks_as_in_scipy(means: Values) -> None:
    assert ranks_of(means).table.tolist() == stats.rankdata(-means, axis=1).tolist()


@given(MEANS)
def test_friedmans_statistic_is_scipys_with_ties_too(means: Values) -> None:
    found = ranks_of(means).friedman
    wanted = stats.friedmanchisquare(*means.T)
    assert found.statistic == pytest.approx(wanted.statistic, abs=1e-9)
    assert found.p == pytest.approx(stats.f.sf(found.f, 3, 33))
    assert not found.permuted


def test_few_problems_are_permuted() -> None:
    table = np.tile([1.0, 2.0, 3.0], (3, 1))
    found = friedman(table, np.random.default_rng(0))
    # Of the 6^3 permutations, the 6 in which all problems agree are as extreme.
    assert found.p == pytest.approx(6 / 6**3, abs=2e-3)
    assert found.permuted
    assert found.f == np.inf
    few = np.array([[1.0, 2, 3], [1, 3, 2], [2, 1, 3], [1, 2, 3]])
    rows = [[list(p) for p in set(map(tuple, _permutations(row)))] for row in few]
    statistics = [stats.friedmanchisquare(*np.array(c).T).statistic for c in product(*rows)]
    observed = stats.friedmanchisquare(*few.T).statistic
    exact = float((np.array(statistics) >= observed - 1e-9).mean())
    assert friedman(few, np.random.default_rng(1)).p == pytest.approx(exact, abs=5e-3)


def _permutations(row: Values) -> Values:
    a, b, c = row
    return np.array([[a, b, c], [a, c, b], [b, a, c], [b, c, a], [c, a, b], [c, b, a]])


def test_two_methods_and_ties_everywhere() -> None:
    found = ranks_of(np.array([[1.0, 2.0]] * 4))
    assert found.friedman.statistic == pytest.approx(4)
    assert found.friedman.p == pytest.approx(2 / 16, abs=5e-3)
    tied = ranks_of(np.ones((5, 3)))
    assert tied.tied
    assert tied.friedman.statistic == 0
    assert tied.friedman.p == 1
    assert [one.p for one in tied.signed] == [1, 1]
    assert set(tied.mean.values()) == {2}


def test_means_that_differ_by_rounding_are_ties() -> None:
    found = ranks_of(np.array([[0.3, 0.1 + 0.2], [0.5, 0.5], [0.1, 0.2]]))
    assert found.table.tolist() == [[1.5, 1.5], [1.5, 1.5], [2, 1]]


# Signed ranks.


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
def test_signed_ranks_are_exact_with_ties(differences: list[int]) -> None:
    some = np.array([d for d in differences if d], dtype=float)
    found = signed_rank(np.array(differences, dtype=float))
    if not len(some):
        assert found == 1
        return
    ranks = stats.rankdata(np.abs(some))
    observed = ranks[some > 0].sum()
    sums = np.array([ranks @ signs for signs in product((0, 1), repeat=len(some))])
    tails = (sums <= observed + 1e-9).mean(), (sums >= observed - 1e-9).mean()
    assert found == pytest.approx(min(1, 2 * min(tails)), abs=1e-12)


@pytest.mark.parametrize("n", [5, 24, 60])
def test_signed_ranks_are_scipys_without_ties(n: int) -> None:
    differences = np.random.default_rng(n).normal(0.3, 1, n)
    wanted = stats.wilcoxon(differences, method="exact").pvalue
    assert signed_rank(differences) == pytest.approx(wanted, rel=1e-9)


def test_every_method_against_one() -> None:
    means = np.column_stack([np.arange(8.0), np.arange(8.0) + 1, np.arange(8.0) - np.arange(1, 9)])
    found = ranks_of(means, against=0).signed
    assert [(one.method, one.wins, one.losses, one.ahead) for one in found] == [
        ("m1", 8, 0, True),
        ("m2", 0, 8, False),
    ]
    assert [one.difference for one in found] == [1, -4.5]
    assert [one.p for one in found] == pytest.approx([2 / 2**8] * 2)
    assert [one.adjusted for one in found] == pytest.approx([4 / 2**8] * 2)
    assert [one.possible for one in found] == pytest.approx([4 / 2**8] * 2)


# Intervals, and what is refused.


def test_intervals_are_of_problems_drawn_anew_and_the_same_for_a_seed() -> None:
    table = stats.rankdata(np.random.default_rng(3).random((12, 4)), axis=1)
    found = bootstrap_intervals(table, np.random.default_rng(0))
    assert np.array_equal(found, bootstrap_intervals(table, np.random.default_rng(0)))
    generator = np.random.default_rng(9)
    means = np.array([table[generator.integers(12, size=12)].mean(axis=0) for _ in range(4_000)])
    assert found == pytest.approx(np.percentile(means, [2.5, 97.5], axis=0).T, abs=0.12)
    assert (found[:, 0] <= table.mean(axis=0)).all()
    assert (found[:, 1] >= table.mean(axis=0)).all()


def test_groups_are_as_large_as_can_be() -> None:
    means = np.repeat([[5.0, 4.0, 3.0, 2.0, 1.0]], 12, axis=0)
    found = ranks_of(means)
    assert found.critical == pytest.approx(1.761, abs=1e-3)
    assert found.groups == [["m0", "m1"], ["m1", "m2"], ["m2", "m3"], ["m3", "m4"]]
    assert found.differ("m0", "m2")


@pytest.mark.slow
def test_scipys_statistics_are_imported_when_they_are_used() -> None:
    assert "scipy.stats" not in finished(
        python("-c", "import sys, pymoo_prune.studies; print(*sys.modules)")
    )


def test_what_cannot_be_ranked() -> None:
    with pytest.raises(PruneError, match=r"two problems and two methods or more, but .* 1 and 2"):
        ranks_of(np.ones((1, 2)))
    with pytest.raises(PruneError, match="must be finite numbers"):
        ranks_of(np.array([[1.0, np.nan], [1.0, 2.0]]))
