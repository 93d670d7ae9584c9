"""Studies made, stopped, extended and read."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from pymoo_prune import PruneError, StoreError
from pymoo_prune.comparing import Campaign, HypervolumeOptions
from pymoo_prune.errors import DataError
from pymoo_prune.machine import processor, versions
from pymoo_prune.objectives import hypervolume, nondominated
from pymoo_prune.studies import OnInstance, Study, instances, making, study
from pymoo_prune.suite import problem
from tests.support.studies import (
    BOUNDED,
    NEURONS,
    PIXELS,
    Breaking,
    assert_same,
    created,
    done,
    named,
    pixels,
    run_files,
    values,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Study:
    one = created(tmp_path_factory.mktemp("studies") / "whole", [NEURONS, BOUNDED])
    done(one)
    return one


def test_tasks_and_facts(made: Study) -> None:
    results = made.results()
    assert [task.name for task in results.tasks] == [NEURONS, BOUNDED]
    assert results.title == "2 methods on 2 problems"
    assert (results.missing, results.notes) == (0, [])
    assert results.facts["budget of each run"] == "40 evaluations"
    assert results.facts["versions of instances"] == f"{NEURONS} 1, {BOUNDED} 1"
    neurons = results.tasks[0]
    assert neurons.objectives == ("error", "width")
    assert neurons.measure == "hypervolume as a share of the known front's"
    assert neurons.known
    assert neurons.methods == ["nsga2", "random"]
    assert neurons.page == ""
    assert [course.seed for course in neurons.of("nsga2")] == [0, 1]
    assert neurons.best == pytest.approx(hypervolume(neurons.front))
    for task in results.tasks:
        for course in task.courses:
            assert course.costs is not None
            inside = course.costs[~np.isnan(course.costs).any(axis=1)]
            found = hypervolume(inside[nondominated(inside)]) if len(inside) else 0.0
            assert course.value == pytest.approx(found / task.best)
            assert course.final_share == course.value


def test_nothing_is_made_twice(made: Study) -> None:
    before = {path: path.stat().st_mtime_ns for path in run_files(made.folder)}
    results, text = done(created(made.folder, [NEURONS, BOUNDED]))
    assert "2 problems, 2 methods, 2 seeds: 8 runs, 8 are there" in text
    assert values(results) == values(made.results())
    assert {path: path.stat().st_mtime_ns for path in run_files(made.folder)} == before


def stopping_after(monkeypatch: pytest.MonkeyPatch, runs: int) -> None:
    """Ctrl-C while a run is being written."""
    keep, kept = instances.keep_run, []

    def stop(path: Path, *rest: Any) -> None:
        if len(kept) == runs:
            path.write_text("half a run")
            raise KeyboardInterrupt
        kept.append(path)
        keep(path, *rest)

    monkeypatch.setattr(instances, "keep_run", stop)


def test_a_stopped_study_goes_on(
    made: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = created(tmp_path / "stopped", [NEURONS, BOUNDED])
    with monkeypatch.context() as patch:
        stopping_after(patch, 3)
        with pytest.raises(KeyboardInterrupt):
            done(stopped)
    assert len(run_files(stopped.folder)) == 3
    half = Study.open(stopped.folder).results()
    assert half.missing == 5
    assert half.notes == [
        f"{BOUNDED} is left out: not finished",
        f"5 runs are missing: 'pymoo-prune resume {stopped.folder}' goes on",
    ]
    assert half.facts["unfinished"] == "5 runs are missing"
    assert [len(half.tasks[0].of(method)) for method in ("nsga2", "random")] == [2, 1]
    (run_files(stopped.folder)[0].parent / ".part-killed-nsga2-0.sqlite").touch()
    _, text = done(Study.open(stopped.folder))
    assert "8 runs, 3 are there" in text
    assert_same(made, stopped)
    assert not list(stopped.folder.rglob(".part-*"))


def test_problems_methods_and_seeds_are_added(made: Study, tmp_path: Path) -> None:
    folder = tmp_path / "grown"
    done(created(folder, [NEURONS], ["nsga2"], [0]))
    half, _ = done(created(folder, [BOUNDED], ["nsga2"], [0]))
    assert [task.name for task in half.tasks] == [NEURONS, BOUNDED]
    done(created(folder, [NEURONS], ["random"], [1]))
    assert_same(made, Study.open(folder))


@pytest.mark.slow
def test_results_do_not_depend_on_jobs(made: Study, tmp_path: Path) -> None:
    other = created(tmp_path / "jobs", [NEURONS, BOUNDED])
    _, text = done(other, jobs=2)
    assert f"{BOUNDED}: done" in text
    assert_same(made, other)


def test_methods_that_fail_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    methods = ["nsga2", "moead", named("Breaking")]
    one = created(tmp_path / "s", [NEURONS, BOUNDED], methods, [0])
    results, text = done(one)
    neurons, bounded = results.tasks
    gone = "seed 0: RuntimeError: the children are gone"
    assert dict(neurons.missing) == {named("Breaking"): gone}
    assert bounded.missing["moead"].startswith("algorithm 'moead' handles no constraints")
    assert bounded.methods == ["nsga2"]
    assert text.count(f"{NEURONS}: no results of {named('Breaking')}: {gone}") == 1
    assert results.missing == 0
    monkeypatch.setattr(Breaking, "broken", False)
    assert "3 runs, 3 are there; 3 more of methods that failed (--again tries" in done(one)[1]
    results, _ = done(one, again=True)
    assert results.tasks[0].methods == methods
    assert list(results.tasks[1].missing) == ["moead"]


def test_other_errors_end_the_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(instances, "keep_run", full)
    with pytest.raises(OSError, match="No space left"):
        done(created(tmp_path / "s"))
    assert run_files(tmp_path) == []


def test_a_problem_whose_images_are_missing_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = making.make_run

    def without(job: instances.Job) -> instances.Ended:
        if job.on.name == BOUNDED:
            return instances.Ended(lacking="the images are not on this machine")
        return make(job)

    monkeypatch.setattr(making, "make_run", without)
    results, text = done(created(tmp_path / "s", [BOUNDED, NEURONS]))
    assert text.count(f"{BOUNDED} is left out: the images are not on this machine") == 1
    assert [task.name for task in results.tasks] == [NEURONS]
    assert f"{BOUNDED} is left out: the images are not on this machine" in results.notes
    assert results.missing == 4


def test_images_that_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: Any) -> None:
        raise DataError("no images")

    monkeypatch.setattr(instances, "asked", missing)
    job = instances.Job(OnInstance.of(NEURONS, 40), "nsga2", 0, tmp_path, tmp_path / "x.sqlite")
    assert instances.make_run(job) == instances.Ended(lacking="no images")


def test_images_are_fetched_where_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[tuple[str, bool]] = []

    def fetching(name: str, *, download: bool) -> None:
        fetched.append((name, download))
        raise DataError("there is no network")

    monkeypatch.setattr(making, "load_data", fetching)
    monkeypatch.setattr(making, "make_run", lambda _: instances.Ended(lacking="no images"))
    names = [NEURONS, "mlp-fashion-neurons", "mlp-fashion-neurons-noisy"]
    results, _ = done(created(tmp_path / "s", names), download=True)
    assert fetched == [("fashion-mnist", True)]
    assert results.tasks == []


def test_impossible_settings_are_named(tmp_path: Path) -> None:
    with pytest.raises(PruneError, match=f"^{PIXELS}: unknown objective 'size'"):
        Study.create(tmp_path, [pixels(objectives=["size"])], ["nsga2"], [0])


def test_a_damaged_run_is_named(made: Study, tmp_path: Path) -> None:
    one = created(tmp_path / "s", seeds=[0])
    done(one)
    path = run_files(one.folder)[0]
    path.write_bytes(b"nothing")
    with pytest.raises(StoreError, match=r"remove .*nsga2-0.sqlite, and 'pymoo-prune resume"):
        one.results()
    path.unlink()
    done(one)
    assert one.results().missing == 0


def test_impossible_studies(tmp_path: Path) -> None:
    with pytest.raises(PruneError, match="jobs must be at least 1, but it is 0"):
        done(created(tmp_path / "s"), jobs=0)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    with pytest.raises(StoreError, match="is there already, and is no study; give another"):
        created(tmp_path / "taken")
    with pytest.raises(PruneError, match="cannot be imported"):
        created(tmp_path / "new", methods=["tests.support.studies:Nobody"])
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_in_python(tmp_path: Path) -> None:
    one = study(
        [BOUNDED], ["nsga2"], tmp_path / "s", seeds=1, group="quick", evaluations=20, pop_size=10
    )
    assert [task.name for task in one.tasks()][-1] == BOUNDED
    assert len(one.tasks()) == 5
    assert one.plan.problems[0] == OnInstance("resnet8-digits-levels", 1, 20, 10)


# Problems that are no instances.


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Study:
    problems = [OnInstance.of(NEURONS, 24, 8), pixels(constraints=("macs<=60%",))]
    methods = ["nsga2", "moead", named("Breaking"), "random"]
    one = Study.create(tmp_path_factory.mktemp("mixed") / "s", problems, methods, [0, 1])
    done(one)
    return one


def test_a_problem_of_ones_own_has_a_comparison(mixed: Study) -> None:
    task = mixed.tasks()[1]
    place = mixed.folder / "problems" / "tests.support.tiny_problem-Pixels"
    comparison = Campaign.open(place).comparison()
    assert task.name == PIXELS
    assert task.methods == ["nsga2", "random"]
    assert task.missing["moead"].startswith("algorithm 'moead' handles no constraints")
    assert task.missing[named("Breaking")].endswith("RuntimeError: the children are gone")
    assert task.objectives == ("accuracy", "parameters")
    assert task.measure == comparison.decisive == "hypervolume on test"
    assert not task.known
    for method in task.methods:
        assert task.values(method).tolist() == comparison.of(method, task.measure).tolist()
    assert task.page == "problems/tests.support.tiny_problem-Pixels/report.html"
    assert (mixed.folder / task.page).is_file()
    assert (place / "report.md").is_file()
    assert task.best == pytest.approx(hypervolume(comparison.union))
    np.testing.assert_allclose(task.front, comparison.union)


def test_its_courses_are_the_curves_of_the_comparison(mixed: Study) -> None:
    task = mixed.tasks()[1]
    place = mixed.folder / "problems" / "tests.support.tiny_problem-Pixels"
    comparison = Campaign.open(place).comparison()
    for course, trial in zip(task.courses, comparison.trials, strict=True):
        curve = comparison.curve(trial)
        assert curve is not None
        assert course.costs is not None
        assert course.after.tolist() == list(range(1, 25))
        broken = np.isnan(course.costs).any(axis=1)
        assert broken.any()
        inside = course.costs[~broken]
        found = hypervolume(inside[nondominated(inside)])
        assert found == pytest.approx(curve[1][-1])
        assert course.final_share == pytest.approx(found / task.best)
        assert course.origin == trial.origin


def test_a_comparison_that_is_there_is_not_made_again(mixed: Study) -> None:
    page = mixed.folder / mixed.tasks()[1].page
    before = page.stat().st_mtime_ns
    results, text = done(Study.open(mixed.folder))
    assert text == (
        "2 problems, 4 methods, 2 seeds: 10 runs, 10 are there; 6 more of methods that failed "
        "(--again tries them once more)\n"
    )
    assert page.stat().st_mtime_ns == before
    assert len(results.tasks[1].courses) == 4


def test_options_of_hypervolumes_may_change_later(mixed: Study, tmp_path: Path) -> None:
    folder = tmp_path / "s"
    shutil.copytree(mixed.folder, folder)
    before = values(mixed.results())
    volumes = HypervolumeOptions.parse(["accuracy=.5"])
    shown = values(Study.open(folder).results(volumes))
    problems = mixed.plan.problems
    results, _ = done(Study.create(folder, problems, ["nsga2"], [0], volumes=volumes))
    assert values(results) == shown != before
    assert results.tasks[1].measure == "hypervolume on test (reference accuracy .5)"
    assert "reference accuracy .5" in (folder / results.tasks[1].page).with_name(
        "report.md"
    ).read_text(encoding="utf-8")
    page = (folder / results.tasks[1].page).stat().st_mtime_ns
    done(Study.open(folder))
    assert (folder / results.tasks[1].page).stat().st_mtime_ns == page


def test_a_seed_is_added_to_both_kinds(mixed: Study) -> None:
    results, _ = done(Study.create(mixed.folder, mixed.plan.problems, ["nsga2"], [2]))
    assert [len(task.of("nsga2")) for task in results.tasks] == [3, 3]


def test_an_unfinished_comparison_is_left_out(mixed: Study, tmp_path: Path) -> None:
    one = Study.create(tmp_path / "s", mixed.plan.problems, ["nsga2"], [0])
    one.folder.mkdir()
    one.plan.write(one.folder)
    results = one.results()
    assert (results.tasks, results.missing) == ([], 2)
    assert f"{PIXELS} is left out: not finished" in results.notes


def test_where_no_method_can_search(tmp_path: Path) -> None:
    one = Study.create(
        tmp_path / "s", [pixels(constraints=("macs<=60%",)), OnInstance.of(NEURONS, 24, 8)],
        ["moead"], [0],
    )  # fmt: skip
    results, _ = done(one)
    assert [task.name for task in results.tasks] == [NEURONS]
    assert results.notes[0].startswith(f"{PIXELS} is left out: no method can search it: algorithm")
    results, _ = done(one)
    assert results.notes[0] == f"{PIXELS} is left out: no method can search it"


def test_names_of_problems_are_checked_again(made: Study, tmp_path: Path) -> None:
    values = json.loads((made.folder / "study.json").read_text())
    values["problems"][0]["name"] = "../elsewhere"
    (tmp_path / "study.json").write_text(json.dumps(values))
    with pytest.raises(PruneError, match=r"unknown instance of the suite '\.\./elsewhere'"):
        Study.open(tmp_path).execute(Console(quiet=True))
    assert problem(NEURONS).version == 1


def test_a_method_that_ends_by_itself_is_noted(tmp_path: Path) -> None:
    results, _ = done(created(tmp_path / "s", [NEURONS], [named("Early"), "random"], seeds=[0, 1]))
    assert results.notes == [
        f"{NEURONS}: {named('Early')} ended by itself in 2 of 2 runs, after 20 of 40 evaluations"
    ]


def test_facts_are_of_the_runs(tmp_path: Path) -> None:
    one = created(tmp_path / "s", [NEURONS], ["nsga2", named("Mine")], seeds=[0, 1])
    results, _ = done(one)
    assert results.facts["processor"] == processor()
    assert {name: results.facts[name] for name in versions()} == versions()
    assert results.notes == []
    changed = {**versions(), "pymoo": "0.6.0", f"code of {named('Mine')}": "another"}
    (path,) = one.folder.rglob("*Mine*-1.sqlite")
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE about SET value = ? WHERE key = 'versions'", [json.dumps(changed)])
    results = Study.open(one.folder).results()
    assert results.facts["pymoo"] == f"{versions()['pymoo']}; 0.6.0"
    assert results.facts["processor"] == processor()  # that run does not say
    assert results.notes == [
        (
            f"{NEURONS}: the code of {named('Mine')} was changed between its runs (seeds 0; seeds "
            "1), so they do not compare: remove the files of the old ones, and resume"
        ),
        (
            "runs were made with different versions, which may matter: pymoo "
            f"{versions()['pymoo']} and 0.6.0"
        ),
    ]


def test_reference_points_are_for_problems_of_ones_own(made: Study) -> None:
    with pytest.raises(PruneError, match="instances of the suite have their own reference points"):
        made.results(HypervolumeOptions.parse(["error=.2"]))
