"""All that a study evaluated, for other tools, and what it cites."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pymoo_prune.errors import PruneError, StoreError
from pymoo_prune.exchange import write_evaluations
from pymoo_prune.studies import Study, cited_by_study, evaluations_of_study
from pymoo_prune.suite import problem
from tests.support.studies import BOUNDED, NEURONS, PIXELS, created, done, pixels


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Study:
    one = created(tmp_path_factory.mktemp("studies") / "whole", [NEURONS, BOUNDED])
    done(one)
    return one


def test_evaluations_are_what_the_instance_says_of_the_chromosomes(made: Study) -> None:
    found = evaluations_of_study(made)
    assert [(one.problem, one.method, one.seed) for one in found] == [
        (name, method, seed)
        for name in (NEURONS, BOUNDED)
        for method in ("nsga2", "random")
        for seed in (0, 1)
    ]
    for one in found:
        instance = problem(one.problem)
        assert len(one) == 40
        assert one.X is not None
        F, G = instance.evaluate(one.X, return_values_of=["F", "G"])
        measured = ~np.isnan(one.F).any(axis=1)
        assert np.array_equal(one.F[measured], F[measured])
        assert np.array_equal(one.feasible, measured & (G <= 0).all(axis=1))
        assert one.objectives == instance.objectives


def test_the_share_of_a_run_follows_from_its_evaluations(made: Study) -> None:
    tasks = {task.name: task for task in made.tasks()}
    for one in evaluations_of_study(made):
        course = next(c for c in tasks[one.problem].of(one.method) if c.seed == one.seed)
        instance = problem(one.problem)
        share = instance.known.share(one.F[one.feasible], instance.reference)
        assert share == pytest.approx(course.value, abs=1e-12)


def test_moocore_finds_the_same_hypervolumes(made: Study, tmp_path: Path) -> None:
    moocore = pytest.importorskip("moocore")
    write_evaluations(evaluations_of_study(made), "moocore", tmp_path / "sets")
    instance = problem(NEURONS)
    sets = moocore.read_datasets(str(tmp_path / "sets" / f"{NEURONS}--nsga2.dat"))
    values = made.tasks()[0].values("nsga2")
    for place, value in enumerate(values.tolist(), start=1):
        points = sets[sets[:, -1] == place][:, :-1]
        assert instance.hypervolume(points) == pytest.approx(value, abs=1e-9)


def test_a_share_is_not_called_like_the_count_that_is_measured(tmp_path: Path) -> None:
    name = "densenet-digits-connections"
    one = created(tmp_path / "s", [NEURONS, name], ["random"], [0])
    done(one)
    width, parameters = evaluations_of_study(one)
    assert (width.objectives, width.shares) == (("error", "width"), {})  # a share as measured
    assert parameters.objectives == ("error", "parameters_share")
    assert parameters.shares == {"parameters_share": "parameters"}
    whole = problem(name).measurer.parent["parameters"]
    assert np.array_equal(parameters.F[:, 1], parameters.measurements["parameters"] / whole)
    assert one.tasks()[1].objectives == ("error", "parameters")  # the instance keeps its name


@pytest.mark.slow
def test_own_problems_are_among_them_by_their_names(tmp_path: Path) -> None:
    one = Study.create(tmp_path / "mixed", [pixels()], ["nsga2"], [0])
    with pytest.raises(StoreError, match="no evaluations yet"):
        evaluations_of_study(one)
    done(one)
    assert {run.problem for run in evaluations_of_study(one)} == {PIXELS}


def test_it_cites_problems_engines_ranks_and_differences(made: Study) -> None:
    text = cited_by_study(made).text()
    for key in (
        "deb2002nsga2",
        "demsar2006comparisons",
        "friedman1937ranks",
        "hansen2021coco",
        "lopezibanez2010differences",
        "mann1947test",
        "alpaydin1998digits",
    ):
        assert f"{{{key}," in text
    assert text.count("@") == len({line for line in text.splitlines() if line.startswith("@")})


def test_reports_name_methods_as_the_user_likes(made: Study) -> None:
    results = made.results()
    report = results.report({"nsga2": "NSGA-II"})
    assert report.standings.methods == ["NSGA-II", "random"]
    assert [task.methods for task in report.standings.tasks] == [["NSGA-II", "random"]] * 2
    assert results.tasks[0].methods == ["nsga2", "random"]
    with pytest.raises(PruneError, match="unknown method to label 'nsga3'"):
        results.report({"nsga3": "NSGA-III"})
    with pytest.raises(PruneError, match="different labels"):
        results.report({"nsga2": "random"})


def test_a_damaged_run_is_named_with_what_helps(tmp_path: Path) -> None:
    one = created(tmp_path / "s", [NEURONS], seeds=[0])
    done(one)
    path = next(one.folder.rglob("nsga2-0.sqlite"))
    path.write_bytes(path.read_bytes()[:5_000])
    with pytest.raises(
        StoreError, match=rf"; remove {path}, and 'pymoo-prune resume {one.folder}'"
    ):
        evaluations_of_study(one)
