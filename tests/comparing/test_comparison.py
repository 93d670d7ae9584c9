from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pymoo_prune import PruneError, Quantity, Series
from pymoo_prune.comparing import Comparison, Trial, size_bounds, union_front
from pymoo_prune.comparing.bounds import QUANTILES
from pymoo_prune.comparing.comparison import (
    CHECKPOINTS,
    DISTANCE,
    FINISHED,
    SEARCHED,
    TESTED,
)
from pymoo_prune.objectives import STANDARD, Constraint, Goals, Values, hypervolume
from pymoo_prune.results import ACCURACIES, EVALUATION

QUANTITIES = {**STANDARD, "pixels": Quantity("lower", "pixels kept", share=True)}
ALL = {**QUANTITIES, **ACCURACIES, **EVALUATION}
PARENT = {
    "accuracy": 0.9,
    "accuracy_drop": 0.0,
    "parameters": 1000.0,
    "macs": 2000.0,
    "sparsity": 0.0,
    "pixels": 1.0,
}
GOALS = Goals(QUANTITIES, ["accuracy", "parameters"])


def measured(
    accuracy: Sequence[float], parameters: Sequence[float], **more: Sequence[float]
) -> dict[str, Values]:
    sizes = np.array(parameters, dtype=float)
    found = {
        "accuracy": np.array(accuracy, dtype=float),
        "accuracy_drop": 0.9 - np.array(accuracy),
        "parameters": sizes,
        "sparsity": 1 - sizes / 1000,
        "macs": 2 * sizes,
        "pixels": sizes / 1000,
    }
    return found | {name: np.array(values) for name, values in more.items()}


def front(
    accuracy: Sequence[float], parameters: Sequence[float], **more: Sequence[float]
) -> dict[str, Values]:
    """Measurements with test accuracies, which are a little lower unless given."""
    tested = {"test_accuracy": [a - 0.05 for a in accuracy]}
    return measured(accuracy, parameters, **{**tested, **more})


def trial(
    method: str,
    seed: int = 0,
    columns: Mapping[str, Values] | None = None,
    history: Mapping[str, Values] | None = None,
) -> Trial:
    n = 10 if history is None else len(history["accuracy"])
    return Trial(method, seed, columns or {}, history, n, 0, 1.0)


def compared(trials: Sequence[Trial], others: Sequence[Series] = (), **given: Any) -> Comparison:
    return Comparison(
        trials, others, **{"goals": GOALS, "quantities": ALL, "parent": PARENT, **given}
    )


ONE = trial("a", 0, front([0.5, 0.8], [100, 500]))
TWO = trial("a", 1, front([0.6], [300]))
THREE = trial("b", 0, front([0.7, 0.85, 0.9], [200, 600, 900]))


# The best of all.


def test_the_union_is_what_nothing_beats_in_order_of_size() -> None:
    best = union_front([ONE, TWO, THREE], GOALS)
    assert best["parameters"].tolist() == [100, 200, 500, 600, 900]
    assert best["accuracy"].tolist() == [0.5, 0.7, 0.8, 0.85, 0.9]
    assert best["test_accuracy"] == pytest.approx([0.45, 0.65, 0.75, 0.8, 0.85])


def test_the_union_has_the_columns_that_all_have() -> None:
    other = trial("b", 0, front([0.95], [50], evaluation=[3.0]))
    best = union_front([trial("c"), ONE, other], GOALS)
    assert "evaluation" not in best
    assert best["parameters"].tolist() == [50]


def test_nothing_at_all_cannot_be_compared() -> None:
    with pytest.raises(PruneError, match="no run found a network that keeps the constraints"):
        compared([trial("a"), trial("b")])


# One number a run.


def test_indicators_by_hand() -> None:
    found = compared([ONE, TWO, THREE])
    # Accuracies times what is left of the parameters, where one point goes beyond the other.
    on_search = [0.5 * 0.9 + 0.3 * 0.5, 0.6 * 0.7, 0.7 * 0.8 + 0.15 * 0.4 + 0.05 * 0.1]
    assert found.indicators[SEARCHED] == pytest.approx(on_search)
    on_test = [0.45 * 0.9 + 0.3 * 0.5, 0.55 * 0.7, 0.65 * 0.8 + 0.15 * 0.4 + 0.05 * 0.1]
    assert found.indicators[TESTED] == pytest.approx(on_test)
    # The union is (.5, .1), (.3, .2), (.2, .5), (.15, .6), (.1, .9); to the front of TWO, (.4, .3):
    steps = [0.2, np.hypot(0.1, 0.1), 0.2, 0.25, 0.3]
    assert found.indicators[DISTANCE][1] == pytest.approx(np.mean(steps))
    assert FINISHED not in found.indicators
    assert found.of("a", SEARCHED) == pytest.approx(on_search[:2])
    assert found.methods == ["a", "b"]


def test_a_run_with_the_whole_union_is_at_no_distance_from_it() -> None:
    found = compared([ONE, trial("b", 0, union_front([ONE, THREE], GOALS)), THREE])
    assert found.indicators[DISTANCE][1] == 0
    assert (found.indicators[DISTANCE][[0, 2]] > 0).all()


def test_what_lies_beyond_the_parent_counts_for_nothing() -> None:
    found = compared([ONE, trial("b", 0, front([0.95], [1000]))])
    assert found.indicators[SEARCHED][1] == 0


def test_a_run_that_found_nothing_counts_as_nothing() -> None:
    found = compared([ONE, trial("b", 0), trial("b", 1, THREE.columns)], bounds=["macs<=50%"])
    assert found.indicators[SEARCHED][1] == 0
    assert found.indicators[TESTED][1] == 0
    # The union is (.5, .1), (.3, .2), (.2, .5), (.15, .6), (.1, .9); the reference is (1, 1).
    steps = np.hypot([0.5, 0.7, 0.8, 0.85, 0.9], [0.9, 0.8, 0.5, 0.4, 0.1])
    assert found.indicators[DISTANCE][1] == pytest.approx(steps.mean())
    assert np.isnan(found.indicators["macs<=50%"][1])
    # It counts against its method where it has a number, and is no number where it has none.
    assert len(found.contrasts(TESTED)) == len(found.contrasts(DISTANCE)) == 1
    assert found.contrasts("macs<=50%") == []


def test_baselines_are_measured_like_runs() -> None:
    same = Series("same", {**THREE.columns})
    found = compared([ONE, THREE], [same])
    (values,) = found.indicators_of_others
    for name in (SEARCHED, DISTANCE, TESTED, *map(str, found.bounds)):
        assert values[name] == pytest.approx(found.indicators[name][1], nan_ok=True), name


def test_a_baseline_belongs_to_the_union_that_distances_are_measured_to() -> None:
    alone, beside = compared([ONE]), compared([ONE], [Series("L1", front([0.9], [50]))])
    assert alone.indicators[DISTANCE][0] == 0
    # From (.1, .05) to (.2, .5), the nearest.
    assert beside.indicators[DISTANCE][0] == pytest.approx(np.hypot(0.4, 0.05))
    assert alone.front.keys() == beside.front.keys()
    assert beside.front["parameters"].tolist() == [100, 500]


def test_networks_that_break_a_constraint_set_no_mark() -> None:
    constraints = [Constraint.parse(text) for text in ("accuracy>=0.5", "pixels<=1")]
    goals = Goals(QUANTITIES, ["parameters", "macs"], constraints)
    alone = compared([ONE, THREE], goals=goals)
    broken = Series("L1", front([0.1, 0.6], [10, 400]))
    unknown = Series("random", without(front([0.9], [20]), "pixels"))
    beside = compared([ONE, THREE], [broken, unknown], goals=goals)
    assert np.array_equal(beside.union, alone.union)
    assert np.array_equal(beside.best_costs, alone.best_costs)
    assert beside.indicators[DISTANCE].tolist() == alone.indicators[DISTANCE].tolist()
    # Baselines themselves need not keep it.
    assert beside.indicators_of_others[0][DISTANCE] == 0
    better = compared([ONE, THREE], [Series("L1", front([0.6], [50]))], goals=goals)
    assert better.union.tolist() == [[0.05, 0.05]]


GOALS_3 = Goals(QUANTITIES, ["accuracy", "pixels", "parameters"])


def without(columns: Mapping[str, Values], *names: str) -> dict[str, Values]:
    return {name: column for name, column in columns.items() if name not in names}


def test_what_a_baseline_does_not_know_is_no_axis_on_the_test_images() -> None:
    assert compared([ONE], goals=GOALS_3).axes == ["pixels", "parameters"]
    other = Series("L1", without(THREE.columns, "pixels"))
    found = compared([ONE, THREE], [other], goals=GOALS_3)
    assert found.axes == ["parameters"]
    (values,) = found.indicators_of_others
    assert np.isnan(values[SEARCHED])
    assert np.isnan(values[DISTANCE])
    assert values[TESTED] == pytest.approx(found.indicators[TESTED][1])
    assert found.union.shape[1] == 3


def test_a_baseline_of_which_no_size_is_known_has_no_number() -> None:
    other = Series("L1", without(THREE.columns, "parameters"))
    found = compared([ONE, THREE], [other])
    assert found.axes == ["parameters"]
    assert np.isnan(found.indicators_of_others[0][TESTED])
    assert np.isfinite(found.indicators[TESTED]).all()


def test_without_a_size_the_best_accuracy_counts() -> None:
    found = compared([ONE, THREE], goals=Goals(QUANTITIES, ["accuracy"]))
    assert found.axes == []
    assert found.indicators[SEARCHED] == pytest.approx([0.8, 0.9])
    assert found.indicators[TESTED] == pytest.approx([0.75, 0.85])
    assert [bound.name for bound in found.bounds] == ["parameters"]


def retrained(accuracies: list[float]) -> dict[str, list[float]]:
    return {"finished_accuracy": accuracies, "finished_test_accuracy": accuracies}


def test_after_retraining_that_is_what_decides() -> None:
    one = trial("a", 0, front([0.5, 0.8], [100, 500], **retrained([0.9, np.nan])))
    lost = trial("b", 0, front([0.7], [200], **retrained([np.nan])))
    found = compared([one, lost, trial("c")])
    assert found.decisive == FINISHED
    # Networks with diverging retraining do not count.
    assert found.indicators[FINISHED] == pytest.approx([0.9 * 0.9, 0, 0])
    assert found.leader() == "a"
    assert compared([ONE]).decisive == TESTED


# Accuracies within bounds.


def test_within_a_bound_the_choice_is_by_validation_and_the_number_from_test() -> None:
    columns = front([0.6, 0.7, 0.9], [100, 200, 600], test_accuracy=[0.99, 0.3, 0.8])
    found = compared([trial("a", 0, columns)], bounds=["parameters<=20%", "parameters<=99"])
    assert found.best(columns, Constraint.parse("parameters<=20%")) == (1, 0.3)
    assert found.best(columns, Constraint.parse("sparsity>=0.85")) == (0, 0.99)
    assert found.best(columns, Constraint.parse("macs<=2e6")) == (2, 0.8)
    assert found.best(columns, Constraint.parse("parameters<=99"))[0] == -1
    assert found.indicators["parameters<=20%"].tolist() == [0.3]
    assert np.isnan(found.indicators[str(found.bounds[1])][0])
    assert found.best({}, found.bounds[0])[0] == -1
    assert found.best(without(columns, "macs"), Constraint.parse("macs<=2e6"))[0] == -1


def test_after_retraining_the_choice_is_by_what_was_retrained() -> None:
    done = {
        "finished_accuracy": [0.5, np.nan, 0.4],
        "finished_test_accuracy": [0.51, np.nan, 0.99],
    }
    columns = front([0.6, 0.9, 0.7], [100, 200, 600], **done)
    found = compared([trial("a", 0, columns)])
    assert found.best(columns, Constraint.parse("parameters<=100%")) == (0, 0.51)
    assert found.best(columns, Constraint.parse("sparsity<=0.85")) == (2, 0.99)
    unfinished = front([0.6], [100], test_accuracy=[0.55])
    assert found.best(unfinished, Constraint.parse("macs<=100%")) == (0, 0.55)


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        (["mac<=20%"], r"unknown size to bound 'mac'.*Did you mean 'macs'\?"),
        (["evaluation<=3"], "unknown size to bound 'evaluation'"),
        (["accuracy>=0.5"], "accuracy>=0.5 must bound a size: one of parameters, sparsity, macs"),
        (["accuracy_drop<=0.02"], "must bound a size"),
        (["test_accuracy>=0.5"], "unknown size to bound 'test_accuracy'"),
        (["sparsity>=50%"], "sparsity>=50% is a share of the parent's, but .* sparsity is 0"),
        (["macs<20"], "'macs<20' must read like"),
    ],
)
def test_bounds_that_cannot_be(bounds: list[str], message: str) -> None:
    for make in (
        lambda: compared([ONE], bounds=bounds),
        lambda: size_bounds(bounds, QUANTITIES, PARENT),
    ):
        with pytest.raises(PruneError, match=message):
            make()


def test_bounds_are_taken_once_and_as_given() -> None:
    bounds = ["macs<=20%", "pixels<=0.5", "macs<=20%"]
    assert [str(bound) for bound in compared([ONE], bounds=bounds).bounds] == bounds[:2]
    assert compared([ONE], bounds=[]).bounds == []


def test_bounds_unless_given_are_quantiles_of_the_union_rounded_up() -> None:
    sizes = [101, 203, 307, 405, 999]
    found = compared([trial("a", 0, front([0.5, 0.6, 0.7, 0.8, 0.9], sizes))])
    assert list(map(str, found.bounds)) == ["parameters<=21%", "parameters<=31%", "parameters<=41%"]
    goals = Goals(QUANTITIES, ["accuracy", "sparsity"])
    found = compared([trial("a", 0, front([0.5, 0.6, 0.7, 0.8, 0.9], sizes))], goals=goals)
    # The other way round, and no share of a parent that has none.
    assert list(map(str, found.bounds)) == ["sparsity>=0.59", "sparsity>=0.69", "sparsity>=0.79"]


@given(
    st.lists(st.integers(1, 20_000), min_size=1, max_size=8, unique=True),
    st.sampled_from(["parameters", "sparsity", "pixels"]),
    st.integers(1, 30_000),
)
def test_some_network_is_within_every_bound_that_is_not_given(
    sizes: list[int], name: str, parent: int
) -> None:
    accuracy = np.linspace(0.1, 0.9, len(sizes)).tolist()
    columns = front(accuracy, sorted(sizes))
    columns["sparsity"], columns["pixels"] = (
        1 - columns["parameters"] / 20_000, columns["parameters"] / 20_000,
    )  # fmt: skip
    found = compared(
        [trial("a", 0, columns)],
        goals=Goals(QUANTITIES, ["accuracy", name]),
        parent={**PARENT, "parameters": float(parent)},
    )
    assert 1 <= len(found.bounds) <= len(QUANTILES)
    for bound in found.bounds:
        assert found.best(columns, bound)[0] >= 0, bound
        text = re.fullmatch(rf"{name}[<>]=([\d.e+-]+)%?", str(bound))
        assert text is not None
        assert float(f"{float(text[1]):.2g}") == float(text[1])  # two digits, as it is shown
        assert Constraint.parse(str(bound)) == bound


# Methods.


def volumes(method: str, *sizes: float) -> list[Trial]:
    """Runs with hypervolumes on the test images of 1 less a size each."""
    return [
        trial(method, seed, front([0.9], [1000 * size], test_accuracy=[1.0]))
        for seed, size in enumerate(sizes)
    ]


def test_the_leader_has_the_largest_mean_and_the_run_to_show_is_the_median() -> None:
    found = compared([*volumes("a", 0.5, 0.1, 0.4), *volumes("b", 0.3, 0.2, 0.4, 0.1)])
    assert found.of("b", TESTED) == pytest.approx([0.7, 0.8, 0.6, 0.9])
    assert found.leader() == "b"
    assert found.median_trial("a").seed == 2
    assert found.median_trial("b").seed == 0  # of two in the middle the lower


def test_contrasts_are_of_the_indicator_that_is_asked_for() -> None:
    found = compared([*volumes("a", 0.1, 0.2), *volumes("b", 0.3, 0.4)])
    (contrast,) = found.contrasts(TESTED)
    assert (contrast.first, contrast.second, contrast.effect) == ("a", "b", 1.0)
    (contrast,) = found.contrasts(DISTANCE)  # where less is better
    assert contrast.effect == 0.0
    assert compared(volumes("a", 0.1, 0.2)).contrasts(TESTED) == []


# Over the search.

BOUNDED = Goals(
    QUANTITIES,
    ["accuracy", "parameters"],
    [Constraint.parse("macs<=60%"), Constraint.parse("accuracy>=0.3")],
)


def searched(n: int, seed: int = 0) -> dict[str, Values]:
    """A history with candidates that failed, and some that break a bound."""
    generator = np.random.default_rng(seed)
    found = measured(generator.random(n).tolist(), generator.integers(50, 1200, n).tolist())
    found["accuracy"][generator.random(n) < 0.1] = np.nan
    return {"generation": np.arange(n) // 5 + 1.0, **found}


@pytest.mark.parametrize(
    "goals", [GOALS, BOUNDED, Goals(QUANTITIES, ["macs", "accuracy", "pixels"])]
)
@pytest.mark.parametrize("n", [1, 7, CHECKPOINTS, 3 * CHECKPOINTS + 1])
def test_a_curve_is_the_hypervolume_of_all_that_is_allowed_by_then(goals: Goals, n: int) -> None:
    history = searched(n)
    before = copy.deepcopy(history)
    found = compared([trial("a", 0, ONE.columns, history)], goals=goals)
    curve = found.curve(found.trials[0])
    assert curve is not None
    after, heights = curve
    assert (after[0], after[-1], len(after)) == (1, n, min(n, CHECKPOINTS))
    assert (np.diff(after) >= 1).all()
    for end, height in zip(after.astype(int), heights, strict=True):
        rows = [
            row
            for row in range(end)
            if not np.isnan(history["accuracy"][row])
            and (not goals.constraints or history["macs"][row] <= 0.6 * 2000)
            and (not goals.constraints or history["accuracy"][row] >= 0.3)
        ]
        known = {name: column[rows] for name, column in history.items()}
        assert height == pytest.approx(hypervolume(goals.unit_costs(known, PARENT)), abs=1e-12)
    assert (np.diff(heights) >= -1e-12).all()
    for name, column in before.items():
        np.testing.assert_array_equal(history[name], column)


def test_a_curve_ends_at_the_hypervolume_of_the_front() -> None:
    history = searched(80)
    allowed = ~np.isnan(history["accuracy"]) & (history["macs"] <= 1200)
    allowed &= history["accuracy"] >= 0.3
    kept = {name: column[allowed] for name, column in history.items() if name != "generation"}
    columns = union_front([trial("a", 0, {**kept, "test_accuracy": kept["accuracy"]})], BOUNDED)
    found = compared([trial("a", 0, columns, history)], goals=BOUNDED)
    curve = found.curve(found.trials[0])
    assert curve is not None
    assert curve[1][-1] == pytest.approx(found.indicators[SEARCHED][0])


def test_what_was_measured_approximately_has_no_curve() -> None:
    found = compared([ONE])
    assert found.curve(ONE) is None


# Arguments.


def test_nothing_that_is_given_is_changed() -> None:
    others = [Series("L1", front([0.9, 0.1], [50, 20]))]
    trials = [trial("a", 0, front([0.8, 0.5], [500, 100]), searched(20)), THREE]
    bounds, parent = ["macs<=20%"], dict(PARENT)
    before = copy.deepcopy((trials, others, bounds, parent))
    found = compared(trials, others, bounds=bounds, parent=parent)
    assert len(found.indicators) == 4
    assert len(found.indicators_of_others) == 1
    assert found.curve(trials[0]) is not None
    for now, then in zip([*trials, *others], [*before[0], *before[1]], strict=True):
        for name, column in then.columns.items():
            np.testing.assert_array_equal(now.columns[name], column)
    assert (bounds, parent) == before[2:]
    assert [trial.method for trial in trials] == ["a", "b"]
