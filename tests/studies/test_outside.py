"""Results that were made elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pymoo_prune import Budget, PruneError, StoreError
from pymoo_prune.comparing import Campaign, HypervolumeOptions
from pymoo_prune.errors import DataError
from pymoo_prune.standings import Standings
from pymoo_prune.studies import Study, asked, best
from pymoo_prune.studies.reading import problem_folder
from pymoo_prune.suite import problem
from tests.support.studies import BOUNDED, NEURONS, PIXELS, created, done, pixels, written

HEAD = ["seed", "evaluation", "error", "width"]
MACS = "macs<=30%"


def searched(name: str, seeds: tuple[int, ...] = (0, 1), n: int = 40) -> Iterator[list[Any]]:
    """A search of NSGA-II, as somebody else writes it down."""
    instance = problem(name)
    for seed in seeds:
        found = asked("nsga2", instance, n, seed, 10)
        rows = zip(found.F.tolist(), found.G.tolist(), strict=True)
        for number, (costs, bounds) in enumerate(rows, start=1):
            yield [seed, number, *costs, *bounds]


def neurons_file(folder: Path, lines: Any = None, head: list[str] = HEAD) -> Path:
    lines = searched(NEURONS) if lines is None else lines
    return written(folder / f"{NEURONS}.csv", head, lines)


def test_the_same_search_has_the_same_figures(tmp_path: Path) -> None:
    neurons_file(tmp_path / "hill")
    head = ["seed", "evaluation", "error", "log_parameters", MACS]
    written(tmp_path / "hill" / f"{BOUNDED}.csv", head, searched(BOUNDED))
    one = created(
        tmp_path / "s", [NEURONS, BOUNDED], ["nsga2"], outside={"hill climber": tmp_path / "hill"}
    )
    results, _ = done(one)
    assert results.methods == ["nsga2", "hill climber"]
    assert results.notes == []
    assert results.facts["made elsewhere"] == "hill climber"
    for task in results.tasks:
        mine, theirs = task.of("nsga2"), task.of("hill climber")
        assert [course.method for course in task.courses] == [*["nsga2"] * 2, *["hill climber"] * 2]
        for a, b in zip(mine, theirs, strict=True):
            assert (b.outside, a.outside) == (True, False)
            assert (b.seed, b.evaluations) == (a.seed, a.evaluations)
            assert b.value == pytest.approx(a.value, abs=1e-12)
            assert b.after.tolist() == a.after.tolist()
            np.testing.assert_allclose(b.costs, a.costs, atol=1e-12)
            assert np.isnan(b.seconds)


def test_nothing_outside_is_needed_later(tmp_path: Path) -> None:
    path = neurons_file(tmp_path)
    one = created(tmp_path / "s", outside={"hill": path})
    done(one)
    path.unlink()
    again = Study.open(one.folder)
    copy = one.folder / "outside" / "hill" / f"{NEURONS}.csv"
    assert len(again.tasks()[0].of("hill")) == 2
    assert again.tasks()[0].of("hill")[0].origin == str(copy)
    copy.write_text(copy.read_text() + "5,1,.3,.3\n")
    with pytest.raises(StoreError, match="was changed after it was copied; give changed results"):
        again.tasks()
    copy.unlink()
    with pytest.raises(StoreError, match="is missing: copy it back, or give '--outside hill="):
        again.tasks()


def test_one_file_with_a_column_for_the_problem(tmp_path: Path) -> None:
    head = ["problem", "note", *HEAD]
    lines = [[NEURONS, "x", *line] for line in searched(NEURONS)]
    path = written(tmp_path / "all.csv", head, [*lines, ["elsewhere", "x", 0, 1, 0.5, 0.5]])
    results, _ = done(created(tmp_path / "s", [NEURONS, BOUNDED], ["nsga2"], outside={"h": path}))
    assert len(results.tasks[0].of("h")) == 2
    assert results.tasks[1].missing == {"h": "its files have no results of this problem"}
    assert len(results.notes) == 1
    assert results.notes[0].endswith("elsewhere: the study has no such problem, so this does not "
                                     "count")  # fmt: skip


def test_a_line_without_a_problem(tmp_path: Path) -> None:
    path = written(tmp_path / "all.csv", [*HEAD, "problem"], [[0, 1, 0.5, 0.5]])
    with pytest.raises(DataError, match=r"all\.csv, line 2, column problem: it is empty"):
        created(tmp_path / "s", outside={"h": path})


@pytest.mark.parametrize("rounded", [lambda F: F.round(4), lambda F: F.astype(np.float32)])
def test_results_may_be_rounded(tmp_path: Path, rounded: Any) -> None:
    instance = problem(NEURONS)
    F = rounded(instance.known.F)
    lines = [[0, n, *costs] for n, costs in enumerate(F.tolist(), start=1)]
    results, _ = done(
        created(tmp_path / "s", seeds=[0], outside={"h": neurons_file(tmp_path, lines)})
    )
    (value,) = results.tasks[0].values("h").tolist()
    assert value == pytest.approx(1, abs=1e-3)


def test_counts_are_no_shares(tmp_path: Path) -> None:
    lines = [[0, 1, 0.5, 12]]
    with pytest.raises(DataError, match=r"column width: is 12, but no candidate of .* more than 1"):
        created(tmp_path / "s", outside={"h": neurons_file(tmp_path, lines)})


def test_quantities_in_natural_units(tmp_path: Path) -> None:
    instance = problem(NEURONS)
    found = asked("nsga2", instance, 40, 0, 10)
    lines = [[0, n, 1 - F[0], F[1]] for n, F in enumerate(found.F.tolist(), start=1)]
    path = neurons_file(tmp_path, lines, ["seed", "evaluation", "accuracy", "width"])
    results, _ = done(created(tmp_path / "s", seeds=[0], outside={"h": path}))
    expected = instance.hypervolume(best(instance, found)[1])
    assert results.tasks[0].values("h").tolist() == pytest.approx([expected])


@pytest.mark.parametrize(
    ("lines", "head", "message"),
    [
        ([], HEAD, r"has no results of two-layers-digits-neurons: no line follows the names"),
        (
            [[0, 1, 0.5, 0.5]],
            ["seed", "evaluation", "error", "size"],
            (
                r"csv, line 1: there is no column width; results of two-layers-digits-neurons need "
                r"the columns seed, evaluation, error or accuracy and width, but there are seed, "
                r"evaluation, error, size"
            ),
        ),
        ([[1, 0.5, 0.5]], ["evaluation", "error", "width"], r"line 1: there is no column seed"),
        (
            [[0, 1, 0.5, 0.5]],
            ["seed", "seed", "error", "width"],
            r"line 1: the column seed is there",
        ),
        (
            [[0, 1, 0.5, 0.5], [0, 2, "nan", 0.5]],
            HEAD,
            (
                r"line 3, column error: must be finite, but "
                r"it is 'nan'; leave out evaluations that failed"
            ),
        ),
        ([[0, 1, 0.5, "inf"]], HEAD, r"line 2, column width: must be finite, but it is 'inf'"),
        ([[0, 1, "low", 0.5]], HEAD, r"line 2, column error: must be a number, but it is 'low'"),
        ([[0, 1, 0.5]], HEAD, r"line 2, column width: must be a number, but it is ''"),
        ([[0.5, 1, 0.5, 0.5]], HEAD, r"line 2, column seed: must be a whole number from 0 on"),
        (
            [[0, 0, 0.5, 0.5]],
            HEAD,
            (
                r"line 2, column evaluation: must be a whole number from 1 on, "
                r"but it is 0"
            ),
        ),
        (
            [[0, 1, 0.5, 0.5], [1, 1, 0.5, 0.5], [0, 1, 0.5, 0.5]],
            HEAD,
            (
                r"line 4, column evaluation: "
                r"must rise within a seed, but 1 of seed 0 is there already"
            ),
        ),
        (
            [[0, 7, 0.5, 0.5], [0, 3, 0.5, 0.5]],
            HEAD,
            (
                r"line 3, column evaluation: must rise within "
                r"a seed, but 3 of seed 0 comes after 7"
            ),
        ),
        (
            [[0, 1, 0.5, -3]],
            HEAD,
            (
                r"line 2, column width: is -3, but no candidate of two-layers-d"
                r".* has less than .*: is it in another unit\?"
            ),
        ),
        (
            [[0, 1, 40, 0.5]],
            HEAD,
            r"column error: is 40, but no candidate of .* has more than 0\.9\d*: is it in another",
        ),
        (
            [[0, 1, 95, 0.5]],
            ["seed", "evaluation", "accuracy", "width"],
            r"column accuracy: is 95, but no candidate of .* has more than 0\.9\d*: is it in",
        ),
    ],
)
def test_bad_files(tmp_path: Path, lines: Any, head: list[str], message: str) -> None:
    path = neurons_file(tmp_path, lines, head)
    with pytest.raises(DataError, match=message):
        created(tmp_path / "s", outside={"hill": path})
    assert not (tmp_path / "s").exists()


def test_a_bounded_instance_needs_its_constraint(tmp_path: Path) -> None:
    head = ["seed", "evaluation", "error", "log_parameters"]
    path = written(tmp_path / f"{BOUNDED}.csv", head, [[0, 1, 0.5, -0.5]])
    with pytest.raises(DataError, match=r"line 1: there is no column macs<=30%; results of"):
        created(tmp_path / "s", [BOUNDED], outside={"hill": path})


@pytest.mark.parametrize(
    ("name", "columns", "values", "message"),
    [
        (BOUNDED, ["error", "log_parameters"], [-94, -0.5], "error: is -94, but .* less than 0"),
        (BOUNDED, ["error", "parameters"], [0.5, 0.3], "parameters: is 0.3, but .* less than 1"),
        ("three-layers-digits-widths", ["error", "parameters"], [0.5, 30], "parameters: is 30"),
        ("mlp-digits-neurons", ["error", "width"], [-94, 0.5], "error: is -94"),
        ("mlp-digits-neurons", ["accuracy", "width"], [94, 0.5], "accuracy: is 94"),
        ("ecomp", ["accuracy", "width"], [92, 0.5], "accuracy: is 92, but .* more than 1"),
        ("ecomp", ["accuracy", "width"], [0.9, 50], "width: is 50, but .* more than 1"),
    ],
)
def test_results_in_another_unit_are_refused(
    tmp_path: Path, name: str, columns: list[str], values: list[float], message: str
) -> None:
    """A percentage in place of a share would be ahead of everything."""
    head = ["seed", "evaluation", *columns]
    row = [0, 1, *values]
    if name == BOUNDED:
        head, row = [*head, "macs<=30%"], [*row, 0]
    path = written(tmp_path / f"{name}.csv", head, [row])
    with pytest.raises(DataError, match=f"line 2, column {message}"):
        created(tmp_path / "s", [name], outside={"hill": path})
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("name", "path", "message"),
    [
        ("hill", "nowhere", "results of hill: .*nowhere: there is no such file or folder"),
        ("hill", "empty", "results of hill: .*empty: there is no CSV file in it"),
        ("hill", "other.csv", "nothing is about a problem of the study; a file is called PROB"),
        ("../hill", "other.csv", "need a name that begins with a letter or digit and has no slas"),
        ("nsga2", "other.csv", "each once"),
        ("hill", "latin.csv", "is not a CSV file"),
    ],
)
def test_bad_places(tmp_path: Path, name: str, path: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    written(tmp_path / "other.csv", HEAD, [[0, 1, 0.5, 0.5]])
    (tmp_path / "latin.csv").write_bytes(b"seed,\xff\n")
    with pytest.raises(PruneError, match=message):
        created(tmp_path / "s", outside={name: tmp_path / path})
    assert not (tmp_path / "s").exists()


def test_what_is_allowed_and_said(tmp_path: Path) -> None:
    lines = [[7, n, 0.5 - n / 200, 0.5] for n in (1, 2, 5, 10, 39, 41, 42)]
    results, _ = done(created(tmp_path / "s", outside={"h": neurons_file(tmp_path, lines)}))
    (course,) = results.tasks[0].of("h")
    assert course.after.tolist() == [1, 2, 5, 10, 39]
    assert course.evaluations == 40
    said = " ".join(results.notes)
    assert "2 evaluations are beyond the budget of 40, and are cut" in said
    assert "35 evaluations are missing, and count as not better" in said
    assert "its seeds are 7, those of the study 0, 1" in said


def test_running_times_count_what_every_run_spent(tmp_path: Path) -> None:
    """One run hits a target after 10 evaluations, three go on to the budget, one ends before."""
    poor, good = [0.28, 0.9], [0.1, 0.4]
    lines = [[0, 1, *poor], [0, 10, *good], [1, 1, *poor], [1, 50, *good], [2, 41, *good],
             [3, 1, *poor], [3, 40, *poor], [4, 5, *poor]]  # fmt: skip
    path = neurons_file(tmp_path, lines)
    results, _ = done(created(tmp_path / "s", seeds=range(5), outside={"h": path}))
    (task,) = results.tasks
    assert [course.seed for course in task.of("h")] == [0, 1, 2, 3, 4]
    assert [course.evaluations for course in task.of("h")] == [10, 40, 40, 40, 5]
    over_time = results.report().standings.over_time
    hits = over_time.hits_of(task, "h", [0.5])
    assert hits.first.ravel().tolist() == [10, *[np.inf] * 4]
    assert hits.running_times.tolist() == [10 + 40 + 40 + 40 + 5]


def test_a_run_without_a_line_inside_the_budget_found_nothing(tmp_path: Path) -> None:
    path = neurons_file(tmp_path, [[0, 40, 0.1, 0.4], [1, 41, 0.1, 0.4]])
    results, _ = done(created(tmp_path / "s", outside={"h": path}))
    (task,) = results.tasks
    found, nothing = task.of("h")
    assert found.value > 0
    assert (nothing.value, nothing.evaluations, len(nothing.after)) == (0, 40, 0)
    assert task.values("h").mean() == found.value / 2
    report = results.report().write(tmp_path / "report", html=True)
    assert not re.search(r"\bnan\b", report.read_text("utf-8"))


def test_the_same_files_once_more(tmp_path: Path) -> None:
    path = neurons_file(tmp_path)
    done(created(tmp_path / "s", outside={"h": path}))
    (tmp_path / "s" / "outside" / "h" / path.name).unlink()
    results, _ = done(created(tmp_path / "s", outside={"h": path}))
    assert len(results.tasks[0].of("h")) == 2
    neurons_file(tmp_path, [[0, 1, 0.5, 0.5]])
    with pytest.raises(StoreError, match="has other results of h, made elsewhere"):
        created(tmp_path / "s", outside={"h": path})


def test_two_files_about_one_problem(tmp_path: Path) -> None:
    neurons_file(tmp_path / "a")
    written(tmp_path / "a" / "all.csv", ["problem", *HEAD], [[NEURONS, 0, 1, 0.5, 0.5]])
    with pytest.raises(DataError, match="both have results of two-layers-digits-neurons"):
        created(tmp_path / "s", outside={"h": tmp_path / "a"})


def test_results_beside_a_comparison(tmp_path: Path) -> None:
    """The same search, written down from its store: the same curve and the same hypervolume."""
    settings = pixels(constraints=("macs<=60%",), budget=Budget(evaluations=16))
    one = Study.create(tmp_path / "s", [settings], ["nsga2"], [0])
    done(one)
    place = one.folder / "problems" / "tests.support.tiny_problem-Pixels"
    comparison = Campaign.open(place).comparison()
    (trial,) = comparison.trials
    assert trial.history is not None
    columns = ["accuracy", "parameters", "macs"]
    table = np.column_stack([trial.history[name] for name in columns]).tolist()
    lines = [[PIXELS, 0, number, *row] for number, row in enumerate(table, start=1)]
    head = ["problem", "seed", "evaluation", *columns]
    path = written(tmp_path / "all.csv", head, lines)
    done(Study.create(one.folder, [settings], ["nsga2"], [0], outside={"h": path}))
    (task,) = Study.open(one.folder).tasks()
    assert task.measure == "hypervolume"
    (mine,), (theirs,) = task.of("nsga2"), task.of("h")
    assert mine.costs is not None
    np.testing.assert_array_equal(mine.costs, theirs.costs)
    assert theirs.value == pytest.approx(comparison.indicators["hypervolume"][0])
    assert mine.value == pytest.approx(theirs.value)
    late = written(tmp_path / "c.csv", head, [[PIXELS, 0, 17, *table[0]]])
    done(Study.create(one.folder, [settings], ["nsga2"], [0], outside={"late": late}))
    (nothing,) = Study.open(one.folder).tasks()[0].of("late")
    assert (nothing.value, nothing.evaluations, len(nothing.after)) == (0, 16, 0)
    short = written(tmp_path / "b.csv", head[:-1], [line[:-1] for line in lines])
    with pytest.raises(DataError, match="there is no column macs"):
        Study.create(one.folder, [settings], ["nsga2"], [0], outside={"i": short})


def test_axes_begin_where_those_of_a_comparison_do(tmp_path: Path) -> None:
    """A logarithmic axis has nothing before its start; others begin at the best of the study."""
    columns = ["accuracy", "parameters", "speed"]
    settings = pixels(
        quantities=("speed=tests.support.own_quantities:SPEED",),
        objectives=tuple(columns),
        budget=Budget(evaluations=16),
    )
    one = Study.create(tmp_path / "s", [settings], ["nsga2"], [0])
    done(one)
    comparison = Campaign.open(problem_folder(one.folder, PIXELS)).comparison()
    (trial,) = comparison.trials
    assert trial.history is not None
    table = np.column_stack([trial.history[name] for name in columns]).tolist()
    lines = [[PIXELS, 0, number, *row] for number, row in enumerate(table, start=1)]
    small = [PIXELS, 1, 1, *table[0][:1], 1, *table[0][2:]]
    head = ["problem", "seed", "evaluation", *columns]
    path = written(tmp_path / "all.csv", head, [*lines, small])
    done(Study.create(one.folder, [settings], ["nsga2"], [0], outside={"h": path}))
    (task,) = Study.open(one.folder).tasks(HypervolumeOptions.parse(log=["parameters"]))
    (mine,), (same, smaller) = task.of("nsga2"), task.of("h")
    assert same.value == pytest.approx(mine.value)
    assert same.costs is not None
    assert smaller.costs is not None
    assert trial.columns["speed"].max() > 2 * comparison.parent["speed"]
    assert same.costs[:, 2].min() == 0  # there the axis begins, not at twice the parent's speed
    assert smaller.costs[:, 1].tolist() == [0]
    over_time = Standings([task]).over_time
    assert over_time.other_measures == []
    values = np.array([same.value, smaller.value]) / task.best
    assert over_time.shares_at(task, "h", [1.0])[:, 0] == pytest.approx(values)
    assert values.max() <= 1
