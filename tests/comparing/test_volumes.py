"""Hypervolumes with another reference point and logarithmic axes."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import moocore
import numpy as np
import pytest

from pymoo_prune import PruneError, Series
from pymoo_prune.comparing import (
    ComparisonReport,
    HypervolumeOptions,
    Plan,
    front_volumes,
    meaning,
    tables,
)
from pymoo_prune.comparing.comparison import DISTANCE, SEARCHED, TESTED
from pymoo_prune.comparing.page import ComparisonPage
from pymoo_prune.objectives import Goals, Values, hypervolume
from tests.support.made_up_runs import PARENT, QUANTITIES, cells, front, report, runs

AXES = ["accuracy", "parameters"]
GOALS = Goals(QUANTITIES, AXES)
FRONTS = [front([0.7, 0.85, 0.9], [0.1, 0.2, 0.6]), front([0.8], [0.05]), front([0.95], [0.9])]
BOTH = HypervolumeOptions.parse(["accuracy=.75", "parameters=50%"], ["parameters"])
NAMED = "hypervolume (log parameters; reference accuracy .75, parameters 50 %)"


def volumes(*reference: str, log: tuple[str, ...] = ()) -> list[float]:
    options = HypervolumeOptions.parse(reference, log)
    found: list[float] = front_volumes(FRONTS, GOALS, PARENT, options).tolist()
    return found


# Numbers, by hand.


def test_without_options_the_hypervolume_is_the_usual_one() -> None:
    expected = [hypervolume(GOALS.unit_costs(one, PARENT)) for one in FRONTS]
    assert volumes() == expected  # to the last bit
    assert front_volumes([{}, {"accuracy": np.ones(1)}], GOALS, PARENT).tolist() == pytest.approx(
        [0, np.nan], nan_ok=True
    )


def test_a_reference_is_in_the_quantities_own_unit() -> None:
    # Errors up to 0.25 and up to 400 parameters count: .15 and .1 of error below, 200 parameters.
    inside = (0.25 - 0.15) * (400 - 200)
    expected = [inside, (0.25 - 0.2) * (400 - 50), 0]
    shares = [one / (0.25 * 400) for one in expected]
    assert volumes("accuracy=.75", "parameters=400") == pytest.approx(shares)
    assert volumes("parameters=400", "accuracy=0.75") == pytest.approx(shares)
    # Relative to the parent, as in bounds: 40 % of 1,000, and five sixths of 0.9.
    relative = volumes("accuracy=83.33333333333333%", "parameters=40%")
    assert relative == pytest.approx(shares)


def test_what_is_not_given_keeps_its_reference() -> None:
    assert volumes("parameters=40%") == pytest.approx(
        [(0.7 * 0.3 + 0.15 * 0.2) / 0.4, 0.8 * 0.35 / 0.4, 0]
    )


def test_a_logarithmic_axis_begins_at_the_smallest_value_of_any_front() -> None:
    # From 50 parameters, which is 0, to the parent's 1,000, which is 1.
    def height(parameters: float) -> float:
        return 1 - np.log(parameters / 50) / np.log(1000 / 50)

    expected = [
        0.7 * height(100) + 0.15 * height(200) + 0.05 * height(600),
        0.8 * height(50),
        0.95 * height(900),
    ]
    assert volumes(log=("parameters",)) == pytest.approx(expected)


def test_a_reference_that_nothing_can_beat_is_refused_before_there_is_a_parent() -> None:
    axes = ["accuracy", "parameters"]
    for text in ("accuracy=1", "accuracy=1.5"):
        with pytest.raises(PruneError, match="must be worse than the best possible value"):
            HypervolumeOptions.parse([text]).check(axes, QUANTITIES)
    for text in ("accuracy=.99", "accuracy=110%", "parameters=10"):
        HypervolumeOptions.parse([text]).check(axes, QUANTITIES)


def test_an_axis_begins_below_0_where_a_network_is_better_than_its_parent() -> None:
    goals = Goals(QUANTITIES, ["accuracy_drop", "parameters"])
    better = {"accuracy_drop": np.array([-0.25]), "parameters": np.array([100.0])}
    alike = {"accuracy_drop": np.array([0.0]), "parameters": np.array([100.0])}
    # From -.25 to the reference, 1; alone, an axis begins at 0.
    assert front_volumes([better, alike], goals, PARENT) == pytest.approx([0.9, 0.9 * 1 / 1.25])
    assert front_volumes([alike], goals, PARENT) == pytest.approx([0.9])
    options = HypervolumeOptions.parse(["accuracy_drop=.5"])
    assert front_volumes([better, alike], goals, PARENT, options) == pytest.approx(
        [0.9, 0.9 * 0.5 / 0.75]
    )


@pytest.mark.parametrize("log", [(), ("parameters",), ("macs",), ("macs", "parameters")])
def test_volumes_are_those_of_moocore(log: tuple[str, ...]) -> None:
    generator = np.random.default_rng(3)
    goals = Goals(QUANTITIES, ["accuracy", "parameters", "macs"])
    fronts = [
        {
            "accuracy": generator.uniform(0.5, 1, 20),
            "parameters": generator.uniform(10, 1200, 20),
            "macs": np.exp(generator.uniform(2, 7.6, 20)),
        }
        for _ in range(4)
    ]
    options = HypervolumeOptions.parse(["accuracy=.6", "parameters=800", "macs=90%"], log)

    def column(name: str, values: Values, reference: float) -> Values:
        if name in log:
            least = min(one[name].min() for one in fronts)
            return np.asarray(np.log(values / least) / np.log(reference / least))
        return values / reference

    found = front_volumes(fronts, goals, PARENT, options)
    for one, volume in zip(fronts, found, strict=True):
        costs = np.column_stack([
            (1 - one["accuracy"]) / (1 - 0.6),
            column("parameters", one["parameters"], 800),
            column("macs", one["macs"], 0.9 * 2000),
        ])  # fmt: skip
        assert volume == pytest.approx(moocore.hypervolume(costs, ref=np.ones(3)))
    assert len(set(found)) == 4


def test_a_comparison_takes_the_options_on_the_search_and_the_test_images() -> None:
    shown = report([*runs("ga", 0.5, 0.7), *runs("random", 0)], volumes=BOTH)
    one = shown.comparison
    # Accuracies are 1, and parameters 500 and 300, so 300 is where the logarithm begins.
    assert one.indicators[SEARCHED] == pytest.approx([0, 1, 0])
    assert one.indicators[TESTED] == pytest.approx([0, 1, 0])
    plain = report([*runs("ga", 0.5, 0.7), *runs("random", 0)]).comparison
    assert np.array_equal(one.indicators[DISTANCE], plain.indicators[DISTANCE])
    assert plain.indicators[TESTED] == pytest.approx([0.5, 0.7, 0])


def test_curves_take_the_options_too() -> None:
    options = HypervolumeOptions.parse(["accuracy=.3", "parameters=600"])
    comparison = report(runs("ga", 0.5), volumes=options).comparison
    curve = comparison.curve(comparison.trials[0])
    assert curve is not None
    # Candidates: accuracy .2, .4, .6, .8 with 100, 300, 500, 700 parameters.
    first = 0.1 * 300 / (0.7 * 600)
    second = first + 0.2 * 100 / (0.7 * 600)
    assert curve[1] == pytest.approx([0, first, second, second])


def test_baselines_have_part_in_where_a_logarithm_begins() -> None:
    options = HypervolumeOptions.parse(log=["parameters"])
    small = Series("L1", front([0.5], [0.01]))
    comparison = report(runs("ga", 0.5), [small], volumes=options).comparison
    assert comparison.indicators[TESTED] == pytest.approx([1 - np.log(50) / np.log(100)])
    assert comparison.indicators_of_others[0][TESTED] == pytest.approx(0.5)


def test_before_its_start_a_logarithmic_axis_has_nothing() -> None:
    options = HypervolumeOptions.parse(log=["parameters"])
    comparison = report(runs("ga", 0.5), volumes=options).comparison  # it begins at 500
    costs = comparison.evaluated(front([0.4, 1.2, np.nan], [0.1, 0.5, 0.1]))
    expected = [[0.6, 0], [-0.2, 0], [np.nan, np.nan]]  # the other axis has no such limit
    assert costs == pytest.approx(np.array(expected), nan_ok=True)


# Names.


def test_every_table_and_picture_names_the_options(tmp_path: Path) -> None:
    assert BOTH.named() == NAMED
    assert HypervolumeOptions().named() == "hypervolume"
    shown = report([*runs("ga", 0.55, 0.7), *runs("nsga2", 0.6, 0.9)], volumes=BOTH)
    one = shown.comparison
    assert NAMED in cells(tables.contrast_rows(one))[0]
    assert (
        NAMED.replace("hypervolume", "hypervolume on the test images")
        in cells(tables.run_rows(one))[0]
    )
    head = next(csv.reader(io.StringIO(tables.indicators_csv(one))))
    assert {NAMED, NAMED.replace("hypervolume", "hypervolume on test"), "IGD+"} <= set(head)
    assert NAMED.partition(" ")[2] in shown.verdict()
    assert "logarithm" in meaning(one)
    assert "accuracy=0.75 and parameters=50%" in meaning(one)
    assert any(NAMED.replace("hypervolume", "hypervolumes") in str(t.title) for t in shown.tables())
    page = shown.write(tmp_path).read_text("utf-8")
    assert NAMED.replace("hypervolume", "hypervolumes") in page
    picture = (tmp_path / "hypervolume.svg").read_text("utf-8")
    words = " ".join(re.findall(r"<text [^>]*>([^<]+)</text>", picture))
    assert NAMED in words
    html = ComparisonPage(shown, tmp_path).html()
    for name in (NAMED, NAMED.replace("hypervolume", "hypervolumes"), NAMED.capitalize()[:11]):
        assert name in html


def test_without_options_nothing_names_any() -> None:
    shown = report([*runs("ga", 0.55, 0.7), *runs("nsga2", 0.6, 0.9)])
    texts = [shown.verdict(), meaning(shown.comparison), tables.indicators_csv(shown.comparison)]
    assert not any("reference accuracy" in text or "logarithm" in text for text in texts)
    assert shown.options() == []


# What cannot be.


@pytest.mark.parametrize(
    ("reference", "log", "message"),
    [
        (["acuracy=.8"], [], "unknown axis of the hypervolume 'acuracy'.*Did you mean 'accuracy'"),
        (["macs=3"], [], "unknown axis of the hypervolume 'macs'; there are: accuracy, parameters"),
        ([], ["macs"], "unknown axis of the hypervolume 'macs'"),
        ([], ["accuracy"], "accuracy cannot be logarithmic, because higher is better"),
        (["accuracy=1"], [], r"reference accuracy=1\.0 must be worse than the best possible"),
        (["parameters=0"], [], r"reference parameters=0\.0 must be worse than the best possible"),
    ],
)
def test_wrong_options_are_refused(reference: list[str], log: list[str], message: str) -> None:
    with pytest.raises(PruneError, match=message):
        report(runs("ga", 0.5), volumes=HypervolumeOptions.parse(reference, log))


def test_texts_that_are_no_reference() -> None:
    for text in ("accuracy", "accuracy<=.8", "=.8", "accuracy=", "accuracy=high", "accuracy=nan"):
        with pytest.raises(PruneError, match=r"must read like 'accuracy=\.8' or 'parameters=50%'"):
            HypervolumeOptions.parse([text])
    with pytest.raises(PruneError, match="must name each quantity once"):
        HypervolumeOptions.parse(["macs=1", "macs=2"])


def test_nothing_has_no_logarithm() -> None:
    options = HypervolumeOptions.parse(log=["parameters"])
    with pytest.raises(PruneError, match="parameters cannot be logarithmic: a network has 0 of it"):
        front_volumes([front([0.5], [0.0])], GOALS, PARENT, options)


@pytest.mark.parametrize("log", [(), ("parameters",)])
def test_a_reference_that_no_front_beats_is_said(log: tuple[str, ...], tmp_path: Path) -> None:
    options = HypervolumeOptions.parse(["parameters=1%"], log)
    shown = report([*runs("ga", 0.5, 0.6), *runs("random", 0.3)], volumes=options)
    assert not shown.comparison.indicators[TESTED].any()
    verdict = shown.verdict()
    assert verdict.startswith("No network of any run is better than the reference point in all")
    assert "reference parameters 1 %" in verdict
    assert verdict.endswith("is 0: give another reference.")
    assert verdict in shown.write(tmp_path).read_text("utf-8")


# In folders.


def test_a_plan_keeps_them_only_where_they_are_given(tmp_path: Path) -> None:
    from tests.comparing.test_plan import settings

    plan = Plan.of(settings(), ["ga"], [0], volumes=BOTH)
    plan.write(tmp_path)
    assert Plan.read(tmp_path).volumes == BOTH
    more = Plan.of(settings(), ["nsga2"], [0]).added_to(plan, tmp_path)
    assert more.volumes == BOTH
    other = HypervolumeOptions.parse(["accuracy=.5"])
    changed = Plan.of(settings(), ["nsga2"], [0], volumes=other).added_to(plan, tmp_path)
    assert changed.volumes == HypervolumeOptions.parse(["accuracy=.5"], ["parameters"])
    with pytest.raises(PruneError, match="unknown axis of the hypervolume 'speed'"):
        Plan.of(
            settings(), ["ga"], [0], volumes=HypervolumeOptions.parse(log=["speed"])
        ).check_names()


# Names in pictures.


def test_pictures_have_the_labels_and_tables_the_names(tmp_path: Path) -> None:
    trials = [*runs("ga", 0.5, 0.6, 0.7), *runs("nsga2", 0.6, 0.7, 0.8)]
    one = report(trials, [Series("L1", front([0.9], [0.5]))]).comparison
    labels = {"nsga2": "NSGA-II", "L1": "magnitude"}
    shown = ComparisonReport(one, title="Pixels", facts={}, labels=labels)
    page = shown.write(tmp_path).read_text("utf-8")
    assert "NSGA-II" not in page
    assert "nsga2" in page
    for name in ("fronts", "hypervolume", "attainment"):
        texts = re.findall(r"<text [^>]*>([^<]+)</text>", (tmp_path / f"{name}.svg").read_text())
        assert {"ga", "NSGA-II"} <= set(texts)
        assert not {"nsga2", "L1"} & set(texts)
        assert sum("median" in text for text in texts) == 1
    html = ComparisonPage(shown, tmp_path).html()
    assert "NSGA-II" in html


def test_wrong_labels_are_refused() -> None:
    one = report([*runs("ga", 0.5), *runs("nsga2", 0.6)]).comparison
    with pytest.raises(PruneError, match=r"unknown method to label 'nsga'.*Did you mean 'nsga2'"):
        ComparisonReport(one, title="", facts={}, labels={"nsga": "NSGA-II"})
    with pytest.raises(PruneError, match=r"labels must differ, but .*\['nsga2', 'nsga2'\]"):
        ComparisonReport(one, title="", facts={}, labels={"ga": "nsga2"})


def test_options_do_not_change_what_they_are_given() -> None:
    fronts = [front([0.7, 0.85], [0.1, 0.2])]
    before = {name: column.copy() for name, column in fronts[0].items()}
    front_volumes(fronts, GOALS, PARENT, BOTH)
    assert all(np.array_equal(before[name], fronts[0][name]) for name in before)
