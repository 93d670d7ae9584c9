"""The table of a study, its tests, its ranks, and what is said about them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pymoo_prune import PruneError
from pymoo_prune.comparing import holm, least_p, mann_whitney
from pymoo_prune.standings import Standings, Task, attainment_difference
from pymoo_prune.standings.attainments import differing
from pymoo_prune.standings.words import cautions, left_out, table_meaning, verdict
from tests.support.made_up_studies import RATES, task, tasks, valued

LOW, HIGH = [0.10, 0.11, 0.12, 0.13, 0.14, 0.15], [0.20, 0.21, 0.22, 0.23, 0.24, 0.25]


def test_the_table_by_hand() -> None:
    one = Standings(
        [valued("p", {"a": LOW, "b": HIGH}), valued("q", {"a": HIGH, "b": HIGH})], against="a"
    )
    assert one.methods == ["a", "b"]
    cell = one.cells["p", "b"]
    assert cell.mean == pytest.approx(np.mean(HIGH))
    assert (cell.best, cell.sign) == (True, "+")
    # Two tests: p of the clear one is doubled, that of equal samples is 1.
    assert cell.adjusted == pytest.approx(2 * least_p(6, 6))
    assert [one.cells["q", m].best for m in "ab"] == [True, True]
    assert one.cells["q", "b"].sign == "="
    assert one.cells["q", "b"].adjusted == 1
    assert one.cells["p", "a"].sign == ""
    assert np.isnan(one.cells["p", "a"].adjusted)
    assert one.score("b") == (1, 0, 1)
    assert Standings(one.tasks, against="b").score("a") == (0, 1, 1)
    assert one.tests == 2


@given(seed=st.integers(0, 10**6), seeds=st.integers(1, 7), problems=st.integers(1, 5))
def test_signs_are_of_rank_sum_tests_and_add_up(seed: int, seeds: int, problems: int) -> None:
    generator = np.random.default_rng(seed)
    some = [
        valued(f"p{k}", {m: (generator.integers(0, 9, seeds) / 10).tolist() for m in "abc"})
        for k in range(problems)
    ]
    one = Standings(some, against="b")
    for method in "ac":
        assert sum(one.score(method)) == problems
    places = [(each.name, method) for each in some for method in "ac"]
    p = holm(np.array([
        mann_whitney(one.cells[place].values, one.cells[place[0], "b"].values)  # type: ignore[arg-type]
        for place in places
    ]))  # fmt: skip
    assert [one.cells[place].adjusted for place in places] == pytest.approx(p.tolist())
    for place in places:
        cell, other = one.cells[place], one.cells[place[0], "b"]
        ahead = np.mean(np.sign(cell.values[:, None] - other.values[None]))
        wanted = "=" if cell.adjusted > 0.05 else "+" if ahead > 0 else "−"
        assert cell.sign == wanted
    for each in some:
        means = {m: round(one.cells[each.name, m].mean, 10) for m in "abc"}
        for m in "abc":
            assert one.cells[each.name, m].best == (means[m] == max(means.values()))


def test_rounding_makes_no_difference() -> None:
    sums = [0.1 + 0.2] * 8
    one = Standings([valued("p", {"a": [0.3] * 8, "b": sums}), valued("q", {"a": LOW, "b": LOW})])
    assert [one.cells["p", m].best for m in "ab"] == [True, True]
    assert {one.cells["p", m].sign for m in "ab"} == {"", "="}
    assert one.ranks is None
    assert one.why_no_ranks.endswith("all methods have the same mean on every problem.")


# Whom methods are tested against.


def test_without_a_choice_all_are_tested_against_the_best_mean_rank() -> None:
    some = [
        valued("p", {"a": [0.9], "b": [0.8], "c": [0.1]}),
        valued("q", {"a": [0.9], "b": [0.8], "c": [0.1]}),
        valued("r", {"a": [0.1], "b": [0.8], "c": [0.9]}),  # the mean of a is below b's
    ]
    one = Standings(some)
    assert one.order == ["a", "b", "c"]
    assert (one.leader, one.against, one.chosen) == ("a", "a", False)
    assert "chosen after the runs" in table_meaning(one)
    assert one.pair == ("a", "b")
    other = Standings(some, against="c")
    assert (other.leader, other.against, other.chosen) == ("a", "c", True)
    assert "chosen after the runs" not in table_meaning(other)
    assert other.pair == ("a", "c")
    assert Standings(some, against="a").pair == ("a", "b")
    assert Standings(some, ["b", "c"]).leader == "b"


def test_what_a_study_refuses() -> None:
    one = valued("p", {"nsga2": [0.9], "b": [0.8]})
    with pytest.raises(PruneError, match=r"unknown method to test against 'nsga'.*Did you mean"):
        Standings([one], against="nsga")
    with pytest.raises(PruneError, match="unknown method 'c'"):
        Standings([one], ["b", "c"])
    with pytest.raises(PruneError, match=r"names of problems must differ.*\['p', 'p'\]"):
        Standings([one, one])
    with pytest.raises(PruneError, match="needs a problem and a run of a method"):
        Standings([])
    with pytest.raises(PruneError, match="value of b with seed 1 on p must be a finite number"):
        Standings([valued("p", {"a": [0.1], "b": [0.1, np.nan]})])


# Missing methods and unfinished studies.


def partly() -> list[Task]:
    rest = {"a": [0.3, 0.4], "b": [0.5, 0.6]}
    return [
        valued("p", {**rest, "c": [0.1, 0.2]}),
        valued("q", rest, missing={"c": "it takes no constraints"}),
        valued("r", {**rest, "c": [0.1]}),
    ]


def test_a_missing_method_leaves_its_problem_out_of_the_ranks() -> None:
    one = Standings(partly())
    assert one.cells["q", "c"].missing == "it takes no constraints"
    assert np.isnan(one.cells["q", "c"].mean)
    assert sum(one.score("c")) == 2
    assert one.ranks is not None
    assert one.ranks.problems == ["p", "r"]
    assert "q is left out here, because a method is missing" in left_out(one)
    assert [task.name for task in one.over_time.tasks] == ["p", "r"]
    nowhere = Standings(partly(), ["a", "b", "c"], against="c")
    assert nowhere.tests == 4


def test_methods_that_are_still_to_come() -> None:
    some = [*partly(), valued("s", {"a": [0.1, 0.1]})]
    one = Standings(some)
    assert one.cells["s", "b"].missing == "it has no results here yet"
    assert one.unfinished
    assert "fewer than 2 runs on r." in cautions(one)[0]
    assert not Standings(some[:2]).unfinished


def test_methods_without_any_results_are_last_and_not_ranked() -> None:
    broken = {"b": "it raised an error"}
    some = [valued(f"p{k}", {"a": [0.3, 0.4], "c": [0.5, 0.6]}, missing=broken) for k in range(3)]
    one = Standings(some, ["a", "b", "c"], against="b")
    assert one.methods == ["a", "c", "b"]
    assert one.order == ["c", "a"]
    assert (one.against, one.chosen, one.leader) == ("c", False, "c")
    assert cautions(one)[0] == "b has no results, so methods are tested against c."
    assert one.ranks is not None
    assert one.ranks.methods == ["a", "c"]
    assert one.over_time.methods == ["a", "c"]
    assert len(one.complete) == 3
    assert left_out(one) == ""
    assert one.score("b") == (0, 0, 0)


def test_seeds_that_cannot_show_anything_are_said() -> None:
    three = [valued(f"p{k}", {"a": LOW[:3], "b": HIGH[:3]}) for k in range(3)]
    assert Standings(three).needed_seeds == 5
    assert "5 seeds of each method can" in cautions(Standings(three))[-1]
    assert Standings([valued("p", {"a": LOW, "b": HIGH})]).needed_seeds == 0
    assert Standings([valued("p", {"a": LOW})]).needed_seeds == 0


# What is said.


def test_the_sentence_says_no_more_than_was_shown() -> None:
    clear = Standings(tasks(12, seeds=2))
    assert clear.ranks is not None
    assert verdict(clear) == (
        "quick has the best mean rank over 12 problems (1.00 of 3); by Nemenyi's test it is ahead "
        "of steady and slow (methods differ: Friedman's test, p < 0.001)."
    )
    some = Standings(tasks(4, seeds=2))
    assert verdict(some).startswith(
        "quick has the best mean rank over 4 problems (1.00 of 3); by Nemenyi's test it is ahead "
        "of slow, but not shown to be ahead of steady (methods differ: Friedman's test, p = 0.00"
    )


def test_no_difference_is_no_difference() -> None:
    generator = np.random.default_rng(0)
    noise = [valued(f"p{k}", {m: generator.random(3).tolist() for m in "abcd"}) for k in range(12)]
    one = Standings(noise)
    assert one.ranks is not None
    assert one.ranks.friedman.p > 0.05
    assert "but no difference between methods is shown (Friedman's test, p = " in verdict(one)
    assert one.ranks.groups == [one.ranks.order]


def test_methods_may_share_the_best_rank() -> None:
    both = [valued(f"p{k}", {"a": [0.5], "b": [0.5], "c": [0.1]}) for k in range(12)]
    assert verdict(Standings(both)).startswith(
        "a and b share the best mean rank over 12 problems (1.50 of 3); by Nemenyi's test they are "
        "ahead of c ("
    )


def test_one_problem_one_method_and_no_ranks() -> None:
    one = valued("p", {"a": LOW, "b": HIGH, "c": HIGH})
    assert verdict(Standings([one], against="a")) == (
        "On p, b and c have the largest mean (.2250 ± .0187); beside a: b and c better."
    )
    assert (
        verdict(Standings([one], ["a"])) == "a is the only method with results, so none is ahead."
    )
    assert Standings([one]).why_no_ranks == (
        "There are no ranks: they need two problems or more on which all methods have results, and "
        "there is only p."
    )
    alone = [valued("p", {"a": [0.1]}), valued("q", {"b": [0.1]})]
    assert verdict(Standings(alone)).startswith("No method is shown to be ahead. There are no")
    assert Standings(alone).ranks is None


# Where two methods differ.


def test_the_most_different_problems_come_first() -> None:
    near = task("near", {**RATES, "steady": 4.9})
    far = task("far", {**RATES, "steady": 0.5, "slow": 0.1})
    many = task("many", RATES, objectives=3)
    one = Standings([near, many, far])
    assert one.pair == ("quick", "steady")
    found = differing(one)
    assert [each.task.name for each in found] == ["far", "near"]
    for each in found:
        ahead, behind = each.areas
        means = [each.task.values(m).mean() for m in one.pair]
        assert ahead - behind == pytest.approx(means[0] - means[1], abs=1e-9)
    assert differing(Standings([near], ["quick"])) == []


def test_attainments_that_cannot_be_compared() -> None:
    near = task("near", RATES)
    assert attainment_difference(near, "quick", "slow").areas[0] > 0
    with pytest.raises(PruneError, match=r"unknown method of near 'quik'.*Did you mean 'quick'"):
        attainment_difference(near, "quik", "slow")
    with pytest.raises(PruneError, match="two objectives, but many has 3: error, parameters, macs"):
        attainment_difference(task("many", RATES, objectives=3), "quick", "slow")
    noisy = replace(near, courses=tuple(replace(c, costs=None) for c in near.courses))
    with pytest.raises(PruneError, match="quick on near were measured approximately"):
        attainment_difference(noisy, "quick", "slow")
    assert differing(Standings([noisy])) == []


def test_ranks_are_those_of_the_means() -> None:
    some = tasks(5, seeds=3)
    one = Standings(some)
    assert one.ranks is not None
    means = np.array([[t.values(m).mean() for m in RATES] for t in some])
    assert one.ranks.table.tolist() == stats.rankdata(-means, axis=1).tolist()
    again = Standings(some)
    assert again.ranks is not None
    assert np.array_equal(one.ranks.intervals, again.ranks.intervals)
    assert one.ranks.friedman == again.ranks.friedman
