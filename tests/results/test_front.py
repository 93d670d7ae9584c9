from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pymoo_prune import Data, Front, PruneError, Series, Split, WeightedSum
from pymoo_prune.engines import make_algorithm
from pymoo_prune.errors import TrainingDiverged
from pymoo_prune.measuring import accuracy
from pymoo_prune.objectives import NATS, STANDARD, Goals
from pymoo_prune.results import csv_text, read_csv, suggest
from pymoo_prune.search import Budget, search
from pymoo_prune.training import lessons
from tests.support.tiny_problem import FailingPixels, Pixels


@pytest.fixture(scope="module")
def problem(digits: Data) -> Pixels:
    return Pixels(digits)


def front_of(problem: Pixels, accuracies: list[float], parameters: list[float]) -> Front:
    """A front with these measurements, whatever its chromosomes would measure."""
    n = len(accuracies)
    acc, size = np.array(accuracies), np.array(parameters)
    values = {
        "accuracy": acc,
        "accuracy_drop": 0.9 - acc,
        "parameters": size,
        "sparsity": 1 - size / 1000,
        "macs": size * 2,
        "pixels": size / 1000,
    }
    X = np.zeros((n, problem.n_var), dtype=bool)
    X[np.arange(n), np.arange(n)] = True
    return Front.from_candidates(problem, X, values)


@pytest.fixture
def front(problem: Pixels) -> Front:
    return front_of(problem, [0.3, 0.8, 0.84, 0.9], [100, 200, 600, 1000])


@pytest.fixture(scope="module")
def found(problem: Pixels) -> Front:
    found = search(problem, make_algorithm("nsga2", problem, 12), Budget(generations=6), seed=1)
    return Front.from_candidates(problem, found.X, found.measurements)


# Which networks are on it.


def test_the_beaten_are_left_out_and_the_smallest_comes_first(problem: Pixels) -> None:
    front = front_of(problem, [0.9, 0.5, 0.8, 0.5, 0.4], [900, 100, 300, 100, 200])
    assert front.columns["parameters"].tolist() == [100, 300, 900]
    assert front.columns["accuracy"].tolist() == [0.5, 0.8, 0.9]
    assert front.X.argmax(axis=1).tolist() == [1, 2, 0]


def test_only_the_quantities_of_the_objectives_count(digits: Data) -> None:
    problem = Pixels(digits, objectives=WeightedSum({"accuracy": 1.0, "pixels": 1.0, "macs": 0.0}))
    front = front_of(problem, [0.9, 0.5, 0.8, 0.4], [900, 100, 300, 200])
    assert front.columns["parameters"].tolist() == [100, 300, 900]


def test_networks_outside_the_constraints_are_left_out(digits: Data) -> None:
    problem = Pixels(digits, constraints=["accuracy>=0.6"])
    front = front_of(problem, [0.9, 0.5, 0.8], [900, 100, 300])
    assert front.columns["accuracy"].tolist() == [0.8, 0.9]


def test_no_network_within_the_constraints_names_the_nearest_miss(digits: Data) -> None:
    problem = Pixels(digits, constraints=["accuracy>=0.95", "pixels<=0.5"])
    with pytest.raises(PruneError) as caught:
        front_of(problem, [0.9, 0.5, 0.94], [900, 100, 400])
    assert str(caught.value) == (
        "no candidate keeps the constraints; "
        "the nearest misses accuracy>=0.95 (it has 94.00\u00a0%)"
    )


def test_no_candidates_are_no_front(problem: Pixels, digits: Data) -> None:
    none = np.zeros((0, problem.n_var), dtype=bool)
    empty = {name: np.zeros(0) for name in problem.quantities}
    with pytest.raises(PruneError, match="no candidate"):
        Front(problem, none, empty)
    for bounds in ((), ("macs<=100",)):
        with pytest.raises(PruneError, match="no candidate"):
            Front.from_candidates(Pixels(digits, constraints=bounds), none, empty)


# Choosing.


def test_the_knee_is_where_the_front_bends(front: Front) -> None:
    assert front.knee().place == 1
    assert front.knee().values["accuracy"] == 0.8


def test_the_suggestion_is_the_smallest_within_one_point_of_the_parent(problem: Pixels) -> None:
    front = front_of(problem, [0.3, 0.8, 0.885, 0.89, 0.9], [100, 200, 400, 600, 1000])
    assert front.knee().place == 1
    # 0.9 - 0.89 is a little more than 0.01 in floating point.
    assert front.pick().place == front.pick("suggestion").place == 3
    assert front.pick().why == (
        "the smallest within one point of the parent's accuracy on the validation images"
    )
    assert [one.why for one in front].count("") == 4
    beyond = front_of(problem, [0.3, 0.8, 0.9, 0.92], [100, 200, 600, 1000])
    assert beyond.pick().place == 2


def test_the_suggestion_is_the_most_accurate_where_none_is_within_one_point(
    problem: Pixels,
) -> None:
    front = front_of(problem, [0.3, 0.8, 0.88], [100, 200, 600])
    assert front.pick().place == 2
    assert front.pick().why == (
        "the most accurate, as none is within one point of the parent's accuracy on the "
        "validation images"
    )


@pytest.mark.parametrize(
    ("objectives", "place"),
    [
        (("accuracy", "parameters"), 0),
        (("accuracy", "macs", "parameters"), 1),
        (("accuracy", "accuracy_drop", "macs"), 1),
        (("accuracy", "sparsity"), 0),  # removed: the parent has none of it
        (("macs", "accuracy_drop"), 1),
    ],
)
def test_the_suggestion_is_smallest_by_the_first_size_among_the_objectives(
    digits: Data, objectives: tuple[str, ...], place: int
) -> None:
    front = front_of(Pixels(digits, objectives=objectives), [0.9] * 2, [100, 200])
    size = np.array([100.0, 200.0])
    columns = {"accuracy": np.full(2, 0.9), "accuracy_drop": np.zeros(2), "parameters": size}
    columns |= {"sparsity": 1 - size / 1000, "macs": 5000 - size, "pixels": size / 1000}
    X = np.repeat(front.X, 2, axis=0)
    assert Front(front.problem, X, columns).pick().place == place


def test_the_suggestion_goes_by_accuracy_where_the_search_went_by_divergence() -> None:
    goals = Goals({**STANDARD, "divergence": NATS}, ("divergence", "sparsity"))
    columns = {
        "accuracy_drop": np.array([0.3, 0.009, 0.001]),
        "divergence": np.array([1.0, 0.3, 0.1]),
        "sparsity": np.array([0.98, 0.9, 0.5]),
    }
    found = suggest(goals, columns, {"accuracy": 0.9, "sparsity": 0.0, "divergence": 0.0})
    assert found.place == 1
    assert found.reason.startswith("the smallest within one point")


@pytest.mark.parametrize("objectives", [("parameters", "pixels"), ("accuracy",)])
def test_the_suggestion_is_the_knee_without_an_accuracy_and_a_size(
    digits: Data, objectives: tuple[str, ...]
) -> None:
    front = front_of(Pixels(digits, objectives=objectives), [0.9, 0.8], [100, 50])
    assert front.pick() == front.knee()
    if len(objectives) > 1:
        assert front.pick().why == "the knee of the front"


def test_the_suggestion_is_the_fittest_where_there_is_one_goal(digits: Data) -> None:
    fitness = WeightedSum({"accuracy": 1.0, "pixels": 0.5})
    front = front_of(Pixels(digits, objectives=fitness), [0.3, 0.8, 0.9], [100, 200, 1000])
    assert front.pick() == front.fittest() == front[1]
    assert front.pick().why == "the fittest"


def test_one_network_is_knee_best_and_smallest(problem: Pixels) -> None:
    front = front_of(problem, [0.5], [100])
    assert len(front) == 1
    bounds = ("accuracy_drop<=0.5", "parameters<=100")
    for choice in ("suggestion", "knee", "0", "-1", "accuracy", *bounds):
        assert front.pick(choice).place == 0
    assert "network 0" in str(front.pick("knee"))


@pytest.mark.parametrize(
    ("choice", "place"),
    [
        ("suggestion", 3),
        ("knee", 1),
        ("0", 0),
        ("3", 3),
        ("-1", 3),
        ("accuracy", 3),
        ("accuracy_drop", 3),
        ("macs", 0),
        ("sparsity", 0),
        ("accuracy_drop<=0.1", 1),
        ("accuracy_drop <= 0.06", 3),
        ("accuracy>=0.84", 2),
        ("macs<=1200", 2),
        ("macs<=1199", 1),
        ("parameters<=100%", 2),
        ("pixels<=0.3", 1),
        ("sparsity>=0.75", 1),
    ],
)
def test_picks(front: Front, choice: str, place: int) -> None:
    # In percent of the parent, which has 650 parameters or fewer: some pixels are always black.
    assert 600 <= front.problem.parent_measurements()["parameters"] < 1000
    if choice == "accuracy_drop <= 0.06":
        place = 3 if 0.9 - 0.84 > 0.06 else 2
    assert front.pick(choice).place == place


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("kne", "unknown pick 'kne'.*Did you mean 'knee'"),
        ("4", "there is no network 4; they are numbered 0 to 3"),
        ("-5", "there is no network -5"),
        ("--1", "unknown pick '--1'"),
        ("²", "unknown pick '²'"),
        ("", "unknown pick ''"),
        ("fittest", "several objectives"),
        ("accuracy>=0.95", "no network keeps accuracy>=0.95; the nearest is network 3 with 90.00"),
        ("macs<=10", "no network keeps macs<=10; the nearest is network 0 with 200"),
        ("mac<=10", "unknown quantity 'mac'.*Did you mean 'macs'"),
        ("macs=10", "must read like"),
        ("macs<20%", "'macs<20%' must read like"),
        ("macs<=1e", "must read like"),
        ("test_accuracy>=0.5", "unknown quantity 'test_accuracy'"),
    ],
)
def test_picks_that_nothing_satisfies(front: Front, choice: str, message: str) -> None:
    with pytest.raises(PruneError, match=message):
        front.pick(choice)


def test_nothing_is_chosen_by_its_accuracy_on_the_test_images(front: Front) -> None:
    columns = {**front.columns, "test_accuracy": front.columns["accuracy"]}
    tested = Front(front.problem, front.X, columns)
    for choice in ("test_accuracy", "test_accuracy>=0.84", "test_accuracy>=84%"):
        with pytest.raises(PruneError, match="test_accuracy is for reporting"):
            tested.pick(choice)


def test_nothing_is_chosen_by_the_number_of_its_evaluation(front: Front) -> None:
    numbered = Front(front.problem, front.X, {**front.columns, "evaluation": np.arange(4.0)})
    for choice in ("evaluation", "evaluation<=2"):
        with pytest.raises(PruneError, match="unknown quantity 'evaluation'; there are: accuracy"):
            numbered.pick(choice)


def test_a_bound_in_percent_needs_something_of_the_parents(front: Front) -> None:
    columns = {**front.columns, "finished_accuracy": front.columns["accuracy"]}
    finished = Front(front.problem, front.X, columns)
    assert finished.pick("finished_accuracy>=0.84").place == 2
    with pytest.raises(PruneError, match="finished_accuracy"):
        finished.pick("finished_accuracy>=84%")


def test_best_and_smallest(front: Front) -> None:
    assert front.best("accuracy", within="macs<=500").place == 1
    assert front.smallest(accuracy_drop=0.11).place == 1
    assert front.smallest(accuracy_drop=np.float64(0.11)).place == 1
    assert front.smallest(accuracy_drop=1e-9).place == 3
    with pytest.raises(PruneError, match="unknown quantity"):
        front.best("speed")


def test_the_fittest_has_the_best_weighted_sum(digits: Data) -> None:
    problem = Pixels(digits, objectives=WeightedSum({"accuracy": 1.0, "pixels": 0.5}))
    front = front_of(problem, [0.3, 0.8, 0.84, 0.9], [100, 200, 600, 1000])
    assert front.fittest().place == front.pick("fittest").place == 1


def test_networks_are_numbered(front: Front) -> None:
    assert [front[place].place for place in (0, 3, -1, -4)] == [0, 3, 3, 0]
    for place in (4, -5):
        with pytest.raises(PruneError, match="numbered 0 to 3"):
            front[place]


# What failed.


def test_failed_candidates_are_on_no_front(digits: Data) -> None:
    problem = FailingPixels(digits)
    nan = float("nan")
    front = front_of(problem, [0.9, nan, 0.8, nan], [900, 50, 300, 5000])
    assert front.columns["accuracy"].tolist() == [0.8, 0.9]
    with pytest.raises(PruneError, match="all 2 candidates failed, for example: their measurement"):
        front_of(problem, [nan, nan], [1, 2])


def test_the_nearest_miss_is_one_that_was_measured(digits: Data) -> None:
    problem = FailingPixels(digits, constraints=["accuracy>=0.95", "pixels<=0.5"])
    with pytest.raises(PruneError) as caught:
        front_of(problem, [0.9, 0.5, 0.94, float("nan")], [900, 100, 400, 50])
    assert str(caught.value) == (
        "no candidate keeps the constraints; "
        "the nearest misses accuracy>=0.95 (it has 94.00\u00a0%)"
    )


def test_a_network_with_diverging_retraining_has_no_accuracy_after_it(
    found: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = found.finish(images=100)
    best = whole.best("finished_accuracy").place
    trained, calls = lessons.trained, itertools.count()

    def diverging(*args: Any, **options: Any) -> Any:
        if next(calls) == best:
            raise TrainingDiverged("the training diverged")
        return trained(*args, **options)

    monkeypatch.setattr(lessons, "trained", diverging)
    done: list[None] = []
    front = found.finish(images=100, progress=lambda: done.append(None))
    assert len(done) == len(found)
    others = np.arange(len(found)) != best
    for name, column in whole.columns.items():
        assert np.array_equal(front.columns[name][others], column[others])
        assert np.isnan(front.columns[name][best]) == name.startswith("finished")
    assert front.best("finished_accuracy").place != best
    assert front.pick("finished_accuracy>=0").place != best
    with pytest.raises(PruneError, match="the nearest is network") as caught:
        front.pick("finished_accuracy>=2")
    assert f"network {best} " not in str(caught.value)
    assert "–" in str(front).splitlines()[best + 1]
    front.plot(tmp_path / "front.png")
    assert (tmp_path / "front.png").read_bytes().startswith(b"\x89PNG")


# Numbers on paper.


@given(
    st.lists(
        st.tuples(*[st.floats(allow_nan=False, allow_infinity=False)] * 2), min_size=1, max_size=9
    )
)
def test_csv_brings_every_number_back(
    tmp_path_factory: pytest.TempPathFactory, table: list[tuple[float, float]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "round-trip.csv"
    values = np.array(table)
    one = Series("this search", {"accuracy": values[:, 0], "macs": values[:, 1]})
    two = Series('with, comma and "quotes"', {"macs": values[:, 1], "extra": values[:, 0]})
    path.write_text(csv_text([one, two]), encoding="utf-8")
    again = read_csv(path)
    assert [series.name for series in again] == [one.name, two.name]
    for before, after in zip([one, two], again, strict=True):
        assert before.columns.keys() == after.columns.keys()
        for name, column in before.columns.items():
            assert column.tobytes() == after.columns[name].tobytes()


def test_to_csv_and_table(found: Front, tmp_path: Path) -> None:
    found.to_csv(tmp_path / "front.csv")
    (series,) = read_csv(tmp_path / "front.csv")
    for name, column in found.columns.items():
        assert np.array_equal(series.columns[name], column), name
    lines = str(found).splitlines()
    assert len(lines) == len(found) + 1
    assert lines[0].split() == ["network", *found.columns]
    assert len({len(line) for line in lines}) == 1


def test_plot(found: Front, tmp_path: Path) -> None:
    found.plot(tmp_path / "front.png", others=[found.series("again")])
    assert (tmp_path / "front.png").read_bytes().startswith(b"\x89PNG")


# After the search.


def test_a_members_network_measures_what_the_front_says(found: Front) -> None:
    validation = found.problem.data_set.validation
    for place in range(len(found)):
        member = found[place]
        assert accuracy(member.network(), validation) == member.values["accuracy"]


def test_finish_adds_accuracies_and_is_repeatable(found: Front) -> None:
    plain, finished, again = found.finish(), found.finish(images=300), found.finish(images=300)
    assert plain.columns.keys() - found.columns.keys() == {"test_accuracy"}
    new = {"test_accuracy", "finished_accuracy", "finished_test_accuracy"}
    assert finished.columns.keys() - found.columns.keys() == new
    data = found.problem.data_set
    for name in finished.columns:
        assert np.array_equal(finished.columns[name], again.columns[name]), name
    for place in (0, len(found) - 1):
        network = found[place].network(finish_images=300)
        values = finished[place].values
        assert accuracy(found[place].network(), data.test) == values["test_accuracy"]
        assert accuracy(network, data.test) == values["finished_test_accuracy"]
        assert accuracy(network, data.validation) == values["finished_accuracy"]
    assert "test_accuracy" not in found.columns


def test_finished_weights_are_the_same_again(found: Front) -> None:
    one, two = (found[1].network(finish_images=200).state_dict() for _ in range(2))
    before = found[1].network().state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert any(not torch.equal(one[name], before[name]) for name in one)


def test_retraining_a_network_does_not_depend_on_the_others(found: Front) -> None:
    some = Front(found.problem, found.X[1:3], {n: c[1:3] for n, c in found.columns.items()})
    whole, part = found.finish(images=200), some.finish(images=200)
    for name in part.columns:
        assert np.array_equal(part.columns[name], whole.columns[name][1:3]), name


def test_progress_is_told_once_a_network(found: Front) -> None:
    calls: list[None] = []
    found.finish(progress=lambda: calls.append(None))
    assert len(calls) == len(found)


def test_test_images_decide_nothing_but_the_test_accuracies(digits: Data, found: Front) -> None:
    garbage = Split(torch.rand_like(digits.test.images), digits.test.labels.flip(0))
    problem = Pixels(replace(digits, test=garbage))
    other = search(problem, make_algorithm("nsga2", problem, 12), Budget(generations=6), seed=1)
    front = Front.from_candidates(problem, other.X, other.measurements)
    assert np.array_equal(front.X, found.X)
    one, two = found.finish(images=100).columns, front.finish(images=100).columns
    for name, column in one.items():
        assert np.array_equal(column, two[name]) == ("test_accuracy" not in name), name


def test_a_front_is_a_sequence_of_its_networks(front: Front) -> None:
    members = list(front)
    assert [member.place for member in members] == list(range(len(front)))
    assert [member.values for member in front[1:3]] == [front[1].values, front[2].values]
    assert [member.place for member in front[::-2]] == list(range(len(front)))[::-2]
    assert front[-1].place == len(front) - 1
    with pytest.raises(IndexError, match="there is no network"):
        front[len(front)]


def test_a_front_shows_itself_in_a_notebook(front: Front, tmp_path: Path) -> None:
    assert repr(front) == str(front)
    assert repr(front[0]).startswith("network 0: ")
    figure = front.plot()
    assert [axes.get_xlabel() for axes in figure.axes] == ["parameters"]
    assert front.plot(tmp_path / "front.png").axes
    assert (tmp_path / "front.png").stat().st_size > 0
