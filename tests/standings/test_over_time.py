"""First hits, running times and profiles: known answers, properties, and IOHinspector's numbers."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pymoo_prune import PruneError
from pymoo_prune.standings import GAPS, Course, OverTime, Task
from pymoo_prune.standings.over_time import budget
from tests.support.made_up_studies import RATES, suite_task, task, tasks


def stairs(method: str, seed: int, *heights: float, evaluations: int | None = None) -> Course:
    """A run with one objective whose hypervolume has these heights, one an evaluation."""
    costs = 1 - np.array(heights)[:, None]
    after = np.arange(1, len(heights) + 1)
    return Course(method, seed, after, costs, max(heights), evaluations or len(heights))


def problem(*courses: Course, best: float = 1.0, name: str = "stairs") -> Task:
    return Task(name, ("error",), "hypervolume", best, True, courses, np.zeros((1, 1)))


STAIRS = problem(
    stairs("a", 0, 0.2, 0.6, 0.6, 0.95),
    stairs("a", 1, 0.1, 0.1, 0.6, 0.6),
    stairs("b", 0, 0.9, 0.9, 0.9, 0.9),
)


def test_hits_successes_and_running_times_by_hand() -> None:
    one = OverTime([STAIRS], ["a", "b"], gaps=[0.8, 0.4, 0.05, 0.01])
    assert one.shares == pytest.approx([0.2, 0.6, 0.95, 0.99])
    hits = one.hits(STAIRS, "a")
    assert hits.first.tolist() == [[1, 2, 4, np.inf], [3, 3, np.inf, np.inf]]
    assert hits.successes.tolist() == [2, 2, 1, 0]
    # Four evaluations are spent in vain by each run that fails.
    assert hits.running_times.tolist() == [2, 2.5, 8, np.inf]
    assert one.hits(STAIRS, "b").running_times.tolist() == [1, 1, np.inf, np.inf]


def test_the_share_of_triples_reached_by_hand() -> None:
    one = OverTime([STAIRS], ["a", "b"], gaps=[0.8, 0.4, 0.05, 0.01])
    x, share = one.reached("a")
    assert x.tolist() == [1, 2, 3, 4]
    assert share.tolist() == [1 / 8, 2 / 8, 4 / 8, 5 / 8]
    assert one.reached_at("a", 0.5) == 2 / 8
    assert one.reached_at("b", 0.25) == 2 / 4
    assert one.shares_at(STAIRS, "a", [0.1, 0.5, 1.0]).tolist() == [
        [0, pytest.approx(0.6), pytest.approx(0.95)],
        [0, pytest.approx(0.1), pytest.approx(0.6)],
    ]


def test_targets_are_shares_of_the_best() -> None:
    half = replace(STAIRS, best=2.0)
    one = OverTime([half], ["a"], gaps=[0.5])
    assert one.hits(half, "a").first.tolist() == [[np.inf], [np.inf]]
    assert OverTime([half], ["a"], gaps=[0.6]).hits(half, "a").first.tolist() == [[4], [np.inf]]


def test_the_best_itself_is_reached_in_spite_of_rounding() -> None:
    whole = problem(stairs("a", 0, 0.3, 0.1 + 0.2), best=0.1 + 0.2)
    assert OverTime([whole], ["a"], gaps=[0.0]).hits(whole, "a").first.tolist() == [[1]]


def test_a_run_that_stops_early_keeps_what_it_found() -> None:
    short = problem(stairs("a", 0, 0.5, 0.7), stairs("b", 0, *[0.1] * 10))
    assert budget(short) == 10
    one = OverTime([short], ["a", "b"], gaps=[0.4, 0.1])
    assert one.shares_at(short, "a", [0.1, 1.0])[0].tolist() == [0.5, pytest.approx(0.7)]
    assert one.hits(short, "a").running_times.tolist() == [2, np.inf]
    assert one.hits(short, "b").lengths.tolist() == [10]


def test_results_from_elsewhere_may_leave_evaluations_out() -> None:
    costs = np.array([[0.5], [0.2]])
    sparse = problem(Course("a", 0, np.array([10, 40]), costs, 0.8, 50, outside=True))
    one = OverTime([sparse], ["a"], gaps=[0.6, 0.3, 0.1])
    assert one.hits(sparse, "a").first.tolist() == [[10, 40, np.inf]]
    assert one.hits(sparse, "a").running_times.tolist() == [10, 40, np.inf]


# Runs of which only the end compares, and problems that are left out.


def test_a_run_without_costs_counts_at_its_end() -> None:
    course = Course("a", 0, np.empty(0, dtype=np.int64), None, 3.0, 40, final_share=0.7)
    noisy = problem(course, stairs("b", 0, *[0.5] * 80), name="noisy")
    one = OverTime([noisy, STAIRS], ["a", "b"], gaps=[0.5, 0.2])
    assert one.only_ends == ["noisy"]
    assert one.hits(noisy, "a").first.tolist() == [[40, np.inf]]
    assert one.hits(noisy, "a").running_times.tolist() == [40, np.inf]
    shares = one.shares_at(noisy, "a", [0.1, 0.5, 1.0])
    assert np.isnan(shares[0, 0])
    assert shares[0, 1:].tolist() == [0.7, 0.7]


def test_figures_of_another_measure_are_named() -> None:
    tested = replace(
        STAIRS, name="tested", courses=tuple(replace(c, value=0.3) for c in STAIRS.courses)
    )
    shares = replace(STAIRS, name="shares", best=0.98, courses=tuple(
        replace(c, value=c.value / 0.98) for c in STAIRS.courses
    ))  # fmt: skip
    assert OverTime([STAIRS, tested, shares], ["a", "b"]).other_measures == ["tested"]


def test_unknown_ends_and_missing_methods_leave_a_problem_out() -> None:
    unknown = problem(replace(stairs("a", 0, 0.5), costs=None), stairs("b", 0, 0.5), name="unknown")
    alone = problem(stairs("b", 0, 0.5), name="alone")
    empty = replace(STAIRS, name="empty", best=0.0)
    one = OverTime([unknown, alone, STAIRS, empty], ["a", "b"])
    assert [task.name for task in one.tasks] == ["stairs"]
    none = OverTime([alone], ["a", "b"])
    assert none.tasks == []
    assert np.isnan(none.reached_at("a", 1.0))
    assert [len(column) for column in none.reached("a")] == [0, 0]


def test_default_targets_are_twenty_a_decade() -> None:
    assert len(GAPS) == 60
    assert GAPS[[0, 19, 39, 59]] == pytest.approx([10**-0.05, 0.1, 0.01, 0.001])
    for wrong in ([], [1.0], [-0.1], [np.nan]):
        with pytest.raises(PruneError, match="gaps must be numbers from 0 to below 1"):
            OverTime([STAIRS], ["a"], gaps=wrong)


# Properties.


@given(rate=st.floats(0.5, 8), seeds=st.integers(1, 4), objectives=st.integers(2, 3))
def test_profiles_rise_and_running_times_are_no_shorter_than_hits(
    rate: float, seeds: int, objectives: int
) -> None:
    some = [
        task(f"p{k}", {"a": rate}, seeds=seeds, evaluations=60, objectives=objectives)
        for k in range(2)
    ]
    one = OverTime(some, ["a"])
    x, share = one.reached("a")
    assert (np.diff(x) > 0).all()
    assert (np.diff(share) > 0).all()
    assert not len(share) or share[-1] <= 1
    assert one.reached_at("a", 1.0) == pytest.approx(share[-1] if len(share) else 0)
    for each in some:
        hits = one.hits(each, "a")
        assert (hits.first[:, 1:] >= hits.first[:, :-1]).all()
        for column, time in zip(hits.first.T, hits.running_times, strict=True):
            reached = column[np.isfinite(column)]
            assert time == np.inf if not len(reached) else time >= reached.mean() - 1e-9


def test_the_faster_method_reaches_more() -> None:
    some = tasks(3, seeds=4)
    one = OverTime(some, list(RATES))
    for part in (1 / 3, 1.0):
        slow, steady, quick = (one.reached_at(method, part) for method in RATES)
        assert slow < steady < quick


# IOHinspector.


def frame_of(one: OverTime, tasks: list[Task], methods: list[str]) -> object:
    """Improvements of the gap, as IOHinspector reads them from files."""
    polars = pytest.importorskip("polars")
    rows = []
    number = 0
    for each in tasks:
        for method in methods:
            for course in each.of(method):
                number += 1
                progress = one.progress(course)
                assert progress is not None
                after = np.unique(np.append(progress.after, 1)).astype(np.float64)
                gaps = 1 - progress.at(after) / each.best
                # Only improvements, and no gap twice.
                keep = np.append(True, np.diff(gaps) < 0)
                rows += [
                    (number, method, each.name, evaluations, gap)
                    for evaluations, gap in zip(after[keep], gaps[keep], strict=True)
                ]
    names = ["data_id", "algorithm_name", "function_name", "evaluations", "gap"]
    return polars.DataFrame(rows, schema=names, orient="row")


@pytest.fixture(scope="module")
def searched() -> list[Task]:
    names = ("two-layers-digits-neurons", "three-layers-digits-widths")
    return [suite_task(name, ["nsga2", "random"], seeds=3, budget=200) for name in names]


def test_running_times_are_those_of_iohinspector(searched: list[Task]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fixed_target = pytest.importorskip("iohinspector.metrics.fixed_target")
        one = OverTime(searched, ["nsga2", "random"])
        for each in searched:
            found = fixed_target.aggregate_running_time(
                frame_of(one, [each], one.methods),
                fval_var="gap",
                f_min=1e-3,
                f_max=0.9,
                eval_max=200,
            )
            assert len(found) == 2 * 50
            assert 0 < np.isfinite(found["ERT"]).mean() < 1
            for method, rows in found.groupby("algorithm_name"):
                hits = one.hits_of(each, method, rows["gap"].to_numpy())
                assert hits.running_times == pytest.approx(rows["ERT"].to_numpy(), rel=1e-9)
                assert hits.successes.tolist() == rows["success_count"].tolist()


def test_the_profile_with_many_targets_is_that_of_iohinspector(searched: list[Task]) -> None:
    """Its targets are all gaps between two ends, on a logarithmic scale: the limit of many."""
    targets = 3_000
    low, high = 1e-3, 0.9
    gaps = low * (high / low) ** ((np.arange(targets) + 0.5) / targets)
    one = OverTime(searched, ["nsga2", "random"], gaps=gaps)
    evaluations = [1, 3, 10, 50, 120, 200]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ecdf = pytest.importorskip("iohinspector.metrics.ecdf")
        found = ecdf.get_data_ecdf(
            frame_of(one, searched, one.methods).drop("function_name"),  # type: ignore[attr-defined]
            fval_var="gap",
            f_min=low,
            f_max=high,
            eval_values=evaluations,
        )
    for method, rows in found.groupby("algorithm_name"):
        x, share = one.reached(method)
        places = np.searchsorted(x, rows["evaluations"], side="right")
        mine = np.append(0, share)[places]
        assert mine == pytest.approx(rows["eaf"].to_numpy(), abs=1 / targets)
        assert rows["eaf"].iloc[-1] > 0.2
