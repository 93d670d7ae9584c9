from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pymoo_prune.errors import PruneError, TrainingDiverged
from pymoo_prune.objectives import (
    SCALARISATIONS,
    STANDARD,
    Constraint,
    Goals,
    Measured,
    PrunedWeightsPerAccuracyDrop,
    Quantity,
    Values,
    WeightedSum,
    check_measurements,
    failed_rows,
    failures_of,
    objectives_text,
    one_by_one,
    parse_objectives,
)
from pymoo_prune.objectives.scalarisations import LiteralPrunedWeightsPerAccuracyDrop

QUANTITIES: Mapping[str, Quantity] = {
    **STANDARD,
    "similarity_loss": Quantity("lower", "similarity loss"),
    "width": Quantity("lower", "width", share=True),
    "pruned": Quantity("higher", "weights pruned", share=True),
}
PARENT = {
    "accuracy": 0.9,
    "accuracy_drop": 0.0,
    "parameters": 200.0,
    "sparsity": 0.0,
    "macs": 100.0,
}

NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,9}", fullmatch=True)
BOUNDS = st.floats(allow_nan=False, allow_infinity=False)
RELATIONS = st.sampled_from(["<=", ">="])


def measured(n: int = 3, seed: int = 0) -> dict[str, Values]:
    generator = np.random.default_rng(seed)
    return {name: generator.random(n) for name in QUANTITIES}


def copied(measurements: Mapping[str, Any]) -> dict[str, Any]:
    return {name: np.array(values) for name, values in measurements.items()}


def test_quantities_are_negated_if_higher_is_better() -> None:
    m = measured()
    F = Goals(QUANTITIES, ["accuracy", "macs", "sparsity", "accuracy_drop"]).F(m)
    expected = [-m["accuracy"], m["macs"], -m["sparsity"], m["accuracy_drop"]]
    np.testing.assert_array_equal(F, np.column_stack(expected))


def test_objectives_keep_the_order_of_the_request() -> None:
    m = measured()
    forward = Goals(QUANTITIES, ["accuracy", "macs"]).F(m)
    np.testing.assert_array_equal(Goals(QUANTITIES, ["macs", "accuracy"]).F(m), forward[:, ::-1])


@given(*[st.floats(0, 10)] * 3, st.integers(0, 5))
def test_weighted_sum_is_the_papers_formula(w_a: float, w_s: float, w_c: float, seed: int) -> None:
    m = measured(seed=seed)
    if w_a + w_s + w_c == 0:
        w_a = 1.0
    weights = {"accuracy": w_a, "similarity_loss": w_s, "width": w_c}
    goals = Goals(QUANTITIES, WeightedSum(weights, constant=w_c))
    fitness = w_a * m["accuracy"] - w_s * m["similarity_loss"] + w_c * (1 - m["width"])
    assert goals.n_obj == 1
    assert goals.F(m).shape == (3, 1)
    np.testing.assert_allclose(-goals.F(m)[:, 0], fitness, rtol=0, atol=1e-13)


@given(st.integers(1, 12), st.integers(1, 200), st.integers(0, 1000), st.integers(0, 2), st.data())
def test_a_candidates_f_does_not_depend_on_the_others(
    k: int, n: int, seed: int, kind: int, data: st.DataObject
) -> None:
    names = ["accuracy_drop", "pruned", *(f"q{i}" for i in range(k))]
    quantities = {name: Quantity("lower", name) for name in names}
    generator = np.random.default_rng(seed)
    # Of very different magnitudes, so that another order of summation gives other bits.
    m = {name: generator.standard_normal(n) * 10.0 ** generator.integers(-6, 6) for name in names}
    weights = WeightedSum({name: float(generator.random()) + 0.1 for name in names}, 0.3)
    goals = Goals(quantities, [weights, names, PrunedWeightsPerAccuracyDrop()][kind])
    row = data.draw(st.integers(0, n - 1))
    alone = goals.F({name: values[row : row + 1] for name, values in m.items()})
    assert goals.F(m)[row].tobytes() == alone[0].tobytes()


def test_costs_of_a_weighted_sum_are_its_quantities_apart() -> None:
    m = measured()
    costs = Goals(QUANTITIES, WeightedSum({"accuracy": 2, "macs": 0, "width": 1})).costs(m)
    np.testing.assert_array_equal(costs, np.column_stack([-m["accuracy"], m["width"]]))


# Fronts over quantities other than the objectives.

SUM = WeightedSum({"accuracy": 2, "width": 1})


@pytest.mark.parametrize("objectives", [SUM, ["macs"], ["sparsity", "accuracy", "width"]])
def test_a_front_may_be_over_other_quantities_than_the_objectives(objectives: Any) -> None:
    m = measured()
    plain, wider = (
        Goals(QUANTITIES, objectives, front=front) for front in ((), ["accuracy", "macs"])
    )
    # The minimised values stay; the costs that networks are compared by change.
    assert wider.n_obj == plain.n_obj
    assert wider.searched == plain.searched == plain.names
    np.testing.assert_array_equal(wider.F(m), plain.F(m))
    assert wider.names == ("accuracy", "macs")
    np.testing.assert_array_equal(wider.costs(m), np.column_stack([-m["accuracy"], m["macs"]]))
    units = [1 - m["accuracy"], m["macs"] / PARENT["macs"]]
    np.testing.assert_allclose(wider.unit_costs(m, PARENT), np.column_stack(units), rtol=1e-15)


def test_bounds_do_not_depend_on_the_front() -> None:
    m, bounds = measured(), [Constraint.parse("width<=0.4")]
    plain, wider = (Goals(QUANTITIES, SUM, bounds, front) for front in ((), ["macs"]))
    np.testing.assert_array_equal(wider.G(m, PARENT), plain.G(m, PARENT))


@pytest.mark.parametrize(
    ("front", "fragment"),
    [
        (["acuracy"], r"unknown objective 'acuracy'.*Did you mean 'accuracy'\?"),
        (["macs", "accuracy", "macs"], r"must differ, but they are \['macs', 'accuracy', 'macs'\]"),
    ],
)
def test_fronts_that_cannot_be_are_refused(front: list[str], fragment: str) -> None:
    with pytest.raises(PruneError, match=fragment):
        Goals(QUANTITIES, SUM, front=front)


def test_a_share_of_the_parent_is_not_negative() -> None:
    assert Constraint.parse("accuracy_drop<=-0.01").bound == -0.01
    with pytest.raises(PruneError, match="relative to the parent must not be negative, as in 'mac"):
        Constraint.parse("macs<=-5%")


def test_unit_costs_by_hand() -> None:
    quantities = {**QUANTITIES, "paths": Quantity("higher", "paths")}
    names = ["accuracy", "accuracy_drop", "macs", "width", "sparsity", "similarity_loss", "paths"]
    m = {name: np.array([0.25]) for name in names}
    parent = {**PARENT, "width": 1.0, "similarity_loss": 0.0, "paths": 0.5}
    # Shares stay, counts are divided by the parent's, quantities that are 0 for the parent stay.
    # If more is better, the parent has cost 1, and twice as much would have cost 0.
    expected = [[0.75, 0.25, 0.0025, 0.25, 0.75, 0.25, 1.5]]
    found = Goals(quantities, names).unit_costs(m, parent)
    np.testing.assert_allclose(found, expected, rtol=1e-15)


def test_objectives_in_words_are_those_of_the_command_line() -> None:
    assert objectives_text(["accuracy", "macs"]) == "accuracy,macs"
    assert objectives_text(PrunedWeightsPerAccuracyDrop()) == "pwad"
    assert objectives_text(WeightedSum({"accuracy": 1, "width": 0.5, "macs": 0})) == (
        "accuracy=1,width=0.5"
    )


def test_nothing_is_written_to_the_measurements() -> None:
    m = measured()
    before = copied(m)
    goals = Goals(
        QUANTITIES, WeightedSum({"accuracy": 1, "macs": 1}, 1), [Constraint.parse("macs<=20%")]
    )
    goals.F(m)
    goals.G(m, PARENT)
    check_measurements(m, QUANTITIES, 3)
    for name in m:
        np.testing.assert_array_equal(m[name], before[name])


# Pruned weights per accuracy drop.

DROPS = st.floats(-1, 1, allow_subnormal=False)
SPARSITIES = st.just(0.0) | st.floats(1e-12, 1)


def pwad(drops: list[float], sparsities: list[float]) -> Values:
    m = {"accuracy_drop": np.array(drops), "pruned": np.array(sparsities)}
    before = copied(m)
    goals = Goals(QUANTITIES, PrunedWeightsPerAccuracyDrop())
    assert goals.n_obj == 1
    F = goals.F(m)
    assert F.shape == (len(drops), 1)
    assert np.isfinite(F).all()
    for name, values in m.items():
        np.testing.assert_array_equal(values, before[name])
    return np.asarray(F[:, 0])


@given(st.lists(st.tuples(DROPS, SPARSITIES), min_size=2, max_size=2))
def test_candidates_are_ordered_by_the_papers_metric(
    pair: list[tuple[float, float]],
) -> None:
    (one_drop, one), (other_drop, other) = pair
    first, second = pwad([one_drop, other_drop], [one, other])
    if one_drop > 0 and other_drop > 0:
        # Eq. 8: larger is better; divisions may round two different values to the same.
        better = one / one_drop, other / other_drop
        assert first <= second if better[0] >= better[1] * (1 + 1e-12) else True
        assert first >= second if better[1] >= better[0] * (1 + 1e-12) else True
    elif one_drop <= 0 and other_drop <= 0:
        assert (first < second) == (one > other)
    else:
        assert (first < second) == (one_drop <= 0)  # negative is better than positive


def test_pruned_weights_per_accuracy_drop_by_hand() -> None:
    drops = [0.02, 0.01, 0.5, -0.01, 0.0, -0.2, 0.0, 0.3]
    sparsities = [0.8, 0.2, 0.99, 0.5, 0.6, 0.1, 0.0, 0.0]
    F = pwad(drops, sparsities)
    np.testing.assert_allclose(F[:7], [0.025, 0.05, 0.5 / 0.99, -0.5, -0.6, -0.1, 0], rtol=1e-15)
    assert np.argsort(F).tolist() == [4, 3, 5, 6, 0, 1, 2, 7]


@given(SPARSITIES.filter(bool), DROPS)
def test_a_loss_for_nothing_is_worst(sparsity: float, drop: float) -> None:
    nothing, something = pwad([1e-4, drop], [0.0, sparsity])
    assert nothing > something


def test_less_than_nothing_pruned_is_nothing_pruned() -> None:
    F = pwad([0.1, 0.1, 0.1], [-1e-17, 5e-324, 0.0])
    assert len(set(F.tolist())) == 1


def test_the_literal_ratio_prefers_the_largest_gain_for_the_fewest_weights() -> None:
    m = {
        "accuracy_drop": np.array([0.02, 0.01, -0.01, -0.2, -0.01, 0.0, -0.1]),
        "pruned": np.array([0.8, 0.2, 0.5, 0.1, 0.1, 0.6, 0.0]),
    }
    F = Goals(QUANTITIES, LiteralPrunedWeightsPerAccuracyDrop()).F(m)[:, 0]
    # PWAD: 40, 20, -50, -.5, -10, infinite, and nothing pruned. Negative ones are better, and
    # among them the larger: nearest to 0.
    assert np.argsort(F).tolist() == [3, 4, 2, 5, 0, 1, 6]
    assert np.isfinite(F).all()
    ours = Goals(QUANTITIES, PrunedWeightsPerAccuracyDrop()).F(m)[:, 0]
    np.testing.assert_array_equal(F[:2], ours[:2])
    assert ours[5] < ours[2] < ours[3] == ours[4]  # without loss, more pruned is better


def test_pwads_quantities_can_be_seen_apart() -> None:
    m = measured()
    goals = Goals(QUANTITIES, PrunedWeightsPerAccuracyDrop())
    assert goals.names == ("accuracy_drop", "pruned")
    np.testing.assert_array_equal(
        goals.costs(m), np.column_stack([m["accuracy_drop"], -m["pruned"]])
    )
    with pytest.raises(PruneError, match="unknown objective 'pruned'"):
        Goals({"accuracy_drop": STANDARD["accuracy_drop"]}, PrunedWeightsPerAccuracyDrop())


def test_objectives_are_read_by_name() -> None:
    assert parse_objectives(["pwad"]) == PrunedWeightsPerAccuracyDrop()
    assert parse_objectives(["literal_pwad"]) == LiteralPrunedWeightsPerAccuracyDrop()
    for names in (["accuracy"], ["accuracy", "macs"], ["pwad", "macs"], ["weighted-sum"], []):
        assert parse_objectives(names) == tuple(names)
    for kind, cls in SCALARISATIONS.items():
        assert cls.kind == kind


@pytest.mark.parametrize(
    ("weights", "fragment"),
    [
        ({"accuracy": -1.0}, "not negative"),
        ({"accuracy": float("nan")}, "finite"),
        ({"accuracy": float("inf"), "macs": 1.0}, "finite"),
        ({"accuracy": 0.0}, "not all 0"),
        ({}, "not all 0"),
    ],
)
def test_meaningless_weights_are_refused(weights: dict[str, float], fragment: str) -> None:
    with pytest.raises(PruneError, match=fragment):
        WeightedSum(weights)


@pytest.mark.parametrize(
    ("objectives", "fragment"),
    [
        ("accuracy", "list of names"),
        ([], "list of names or a scalarisation"),
        (["accuracy", "accuracy"], "must differ"),
        (["acuracy"], r"'acuracy'.*Did you mean 'accuracy'\?"),
        (WeightedSum({"accuracy": 1, "mac": 1}), r"'mac'.*Did you mean 'macs'\?"),
        (WeightedSum({"accuracy": 1, "mac": 0}), r"'mac'.*Did you mean 'macs'\?"),
        (["pwad", "macs"], "unknown objective 'pwad'"),
    ],
)
def test_objectives_that_cannot_be_are_refused(objectives: Any, fragment: str) -> None:
    with pytest.raises(PruneError, match=fragment):
        Goals(QUANTITIES, objectives)


def test_a_bound_on_an_unknown_quantity_is_refused() -> None:
    with pytest.raises(PruneError, match=r"'acuracy_drop'.*Did you mean 'accuracy_drop'\?"):
        Goals(QUANTITIES, ["accuracy"], [Constraint.parse("acuracy_drop<=0.02")])


@pytest.mark.slow
@given(NAMES, RELATIONS, BOUNDS)
def test_an_absolute_bound_survives_being_written_and_read(
    name: str, relation: Any, bound: float
) -> None:
    constraint = Constraint(name, relation, bound)
    assert Constraint.parse(str(constraint)) == constraint


@pytest.mark.slow
@given(NAMES, RELATIONS, st.floats(1e-6, 1e6))
def test_a_relative_bound_survives_being_written_and_read(
    name: str, relation: Any, bound: float
) -> None:
    read = Constraint.parse(str(Constraint(name, relation, bound, relative=True)))
    assert (read.name, read.relation, read.relative) == (name, relation, True)
    assert read.bound == pytest.approx(bound, rel=1e-15)


@pytest.mark.slow
@given(
    NAMES,
    RELATIONS,
    st.decimals(-1000, 1000, places=3),
    st.sampled_from(["", "%"]),
    st.sampled_from(["", " "]),
)
def test_a_bound_is_read_as_written(
    name: str, relation: str, number: Any, percent: str, gap: str
) -> None:
    number = abs(number) if percent else number
    read = Constraint.parse(f"{gap}{name}{gap}{relation}{gap}{number}{gap}{percent}{gap}")
    expected = float(number) / 100 if percent else float(number)
    assert read == Constraint(name, relation, expected, relative=bool(percent))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    ["", "macs", "macs<20", "macs=20", "macs==20", "<=20", "macs<=", "macs<=%", "macs<=2%%",
     "macs<=abc", "macs<=1e", "macs<=--1", "macs<=nan", "macs<=inf", "macs<=1<=2", "two words<=1"],
)  # fmt: skip
def test_what_is_not_a_bound_is_refused_by_its_text(text: str) -> None:
    with pytest.raises(PruneError, match=re.escape(repr(text))):
        Constraint.parse(text)


def test_violations_are_positive_exactly_where_a_bound_is_broken() -> None:
    m = {"macs": np.array([19.0, 20.0, 21.0]), "accuracy": np.array([0.8, 0.7, 0.6])}
    bounds = [Constraint.parse("macs<=20"), Constraint.parse("accuracy>=0.7")]
    G = Goals(QUANTITIES, ["accuracy"], bounds).G(m, {})
    assert G.shape == (3, 2)
    np.testing.assert_allclose(G, [[-1, -0.1], [0, 0], [1, 0.1]], atol=1e-15)


def test_a_relative_bound_is_a_share_of_the_parents() -> None:
    bound = Constraint.parse("parameters<=20%")
    assert bound.limit(PARENT) == pytest.approx(40)
    violation = bound.violation({"parameters": np.array([30.0, 50.0])}, PARENT)
    np.testing.assert_allclose(violation, [-10, 10])
    at_least = Constraint.parse("accuracy>=90%").violation({"accuracy": np.array([0.8])}, PARENT)
    np.testing.assert_allclose(at_least, [0.01])


def test_good_measurements_come_back_as_floats() -> None:
    given_values = {name: [1, 2] for name in STANDARD}
    checked = check_measurements(given_values, STANDARD, 2)
    assert list(checked) == list(STANDARD)
    for values in checked.values():
        assert values.dtype == np.float64
        assert values.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("value", "fragment"),
    [
        (np.zeros((2, 1)), r"\(2,\).*\(2, 1\)"),
        (np.zeros((1, 2)), r"\(2,\).*\(1, 2\)"),
        (np.zeros(3), r"\(2,\).*\(3,\)"),
        (np.float64(0.5), r"\(2,\).*\(\)"),
        ([0.0, np.nan], "candidate 1 is nan"),
        ([np.inf, 0.0], "candidate 0 is inf"),
        ([None, 0.0], "candidate 0"),
    ],
)
def test_a_wrong_measurement_is_refused_by_name(value: Any, fragment: str) -> None:
    m: dict[str, Any] = {name: np.zeros(2) for name in STANDARD}
    m["macs"] = value
    with pytest.raises(PruneError, match=f"'macs'.*{fragment}"):
        check_measurements(m, STANDARD, 2)


def with_failures(failures: dict[int, str], **changed: Any) -> Measured:
    values: dict[str, Any] = {name: np.arange(3.0) for name in STANDARD}
    return Measured({**values, **changed}, failures)


def test_failed_candidates_alone_may_have_nan() -> None:
    accuracy = np.array([0.5, np.nan, 0.7])
    checked = check_measurements(with_failures({1: "diverged"}, accuracy=accuracy), STANDARD, 3)
    assert checked.failures == {1: "diverged"}
    assert checked["macs"].tolist() == [0, 1, 2]  # known although the candidate failed
    assert np.array_equal(checked["accuracy"], accuracy, equal_nan=True)
    assert failed_rows(checked).tolist() == [False, True, False]
    assert failures_of(checked) == {1: "diverged"}
    for failures in ({}, {0: "diverged"}):
        with pytest.raises(PruneError, match=r"'accuracy' of candidate 1 is nan.*with the reason"):
            check_measurements(with_failures(failures, accuracy=accuracy), STANDARD, 3)
    plain = dict(with_failures({}))
    assert check_measurements(plain, STANDARD, 3).failures == {}
    assert failures_of(plain) == {}


@pytest.mark.parametrize(
    ("failures", "changed", "message"),
    [
        ({1: "diverged"}, {}, r"candidate 1 failed \(diverged\), but all its measurements"),
        ({1: "diverged"}, {"macs": [0, np.inf, 0]}, "'macs' of candidate 1 is inf"),
        ({3: "diverged"}, {"macs": [np.nan] * 3}, "by row, of 3 rows.*{3: 'diverged'}"),
        ({-1: "diverged"}, {"macs": [0, 0, np.nan]}, "by row, of 3 rows"),
        ({2: ""}, {"macs": [0, 0, np.nan]}, "must be reasons by row"),
    ],
)
def test_a_failure_has_a_row_a_reason_and_nan(
    failures: dict[int, str], changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(PruneError, match=message):
        check_measurements(with_failures(failures, **changed), STANDARD, 3)


def test_one_by_one_goes_on_where_a_candidate_fails() -> None:
    def divided(a: float, b: float) -> dict[str, float]:
        if b == 0:
            raise TrainingDiverged(f"{a} by nothing")
        return {"quotient": a / b, "sum": a + b}

    names = ("sum", "quotient")
    found = one_by_one(names, divided, [1, 2, 3], np.array([2.0, 0.0, 4.0]))
    assert list(found) == list(names)
    assert found["quotient"].dtype == np.float64
    assert np.array_equal(found["quotient"], [0.5, np.nan, 0.75], equal_nan=True)
    assert np.array_equal(found["sum"], [3, np.nan, 7], equal_nan=True)
    assert found.failures == {1: "2 by nothing"}
    assert one_by_one(names, divided, [1], [2]).failures == {}


def test_one_by_one_stops_at_any_other_error() -> None:
    def wrong(a: float) -> dict[str, float]:
        raise PruneError("a setting that cannot be")

    with pytest.raises(PruneError, match="a setting that cannot be"):
        one_by_one(["sum"], wrong, [1])
    with pytest.raises(ValueError, match="zip"):
        one_by_one(["sum"], lambda a, b: {"sum": a + b}, [1, 2], [3])


def test_measurements_with_failures_survive_pickling() -> None:
    again = pickle.loads(pickle.dumps(with_failures({1: "diverged"})))  # noqa: S301 - our own
    assert again.failures == {1: "diverged"}
    assert again["macs"].tolist() == [0, 1, 2]


def test_missing_and_unknown_measurements_are_named() -> None:
    m = {name: np.zeros(2) for name in STANDARD if name != "macs"}
    with pytest.raises(PruneError, match=r"\['macs'\] are missing and none are unknown"):
        check_measurements(m, STANDARD, 2)
    m |= {"macs": np.zeros(2), "latncy": np.zeros(2)}
    with pytest.raises(PruneError, match=r"none are missing and \['latncy'\] are unknown"):
        check_measurements(m, STANDARD, 2)


@pytest.mark.parametrize(
    ("quantity", "value", "text"),
    [
        ("accuracy", 0.97316, "97.32\u00a0%"),
        ("macs", 1234567.0, "1,234,567"),
        ("macs", 0.25, "0.25"),
        ("macs", np.nan, "–"),
        ("accuracy", np.nan, "–"),
    ],
)
def test_values_are_written_for_people(quantity: str, value: float, text: str) -> None:
    assert QUANTITIES[quantity].format(value) == text
