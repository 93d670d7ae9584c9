from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from pymoo_prune import Budget, Data, PruneError, Run, Settings, StoreError, WeightedSum
from pymoo_prune.cli import main
from pymoo_prune.comparing import Campaign, compare, report_of_campaign
from pymoo_prune.comparing.comparison import DISTANCE, SEARCHED, TESTED
from tests.support.campaigns import METHODS, assert_same_runs, created, done, numbers, times
from tests.support.running import query
from tests.support.timed_problem import Meter
from tests.support.tiny_problem import Pixels

# What it leaves.


def test_each_run_is_a_run_of_its_own(finished: Campaign) -> None:
    folders = sorted((finished.folder / "runs").iterdir())
    assert [path.name for path in folders] == [f"{m}-{s}" for m in METHODS for s in (0, 1)]
    for folder in folders:
        run = Run.open(folder)
        algorithm, seed = folder.name.split("-")
        assert run.complete
        assert (run.settings.algorithm, run.settings.seed) == (algorithm, int(seed))
        assert run.settings.problem_seed == 0
        assert list(run.settings.front) == ["accuracy", "parameters"]
        assert not run.settings.baselines
        series, summary = run.results()
        # Baselines belong to the comparison, the first population to its run.
        assert [one.name for one in series] == ["this search", "first population"]
        assert summary["goals"] == ["accuracy", "parameters"]


def test_all_runs_have_the_same_parent_images_problem_and_budget(finished: Campaign) -> None:
    summaries = [Run.open(p).results()[1] for p in (finished.folder / "runs").iterdir()]
    for name in ("parent", "data", "evaluations", "generations", "machine"):
        assert all(summary[name] == summaries[0][name] for summary in summaries), name
    fingerprints = {
        query(path, "SELECT value FROM about WHERE key = 'fingerprint'")[0][0]
        for path in (finished.folder / "runs").iterdir()
    }
    assert len(fingerprints) == 1


def test_python_and_the_folder_have_the_same_numbers(finished: Campaign, digits: Data) -> None:
    alone = compare(Pixels(digits), METHODS, Budget(generations=3), seeds=2, pop_size=8)
    kept = finished.comparison()
    assert alone.indicators.keys() == kept.indicators.keys() >= {SEARCHED, DISTANCE, TESTED}
    for name, values in alone.indicators.items():
        np.testing.assert_array_equal(values, kept.indicators[name])
    for mine, theirs in zip(alone.trials, kept.trials, strict=True):
        about = [(t.method, t.seed, t.evaluations, t.known, t.goal) for t in (mine, theirs)]
        assert about[0] == about[1]
        curves = [one.curve(t) for one, t in ((alone, mine), (kept, theirs))]
        np.testing.assert_array_equal(curves[0], curves[1])


@pytest.mark.slow
def test_the_command_gives_the_same_and_shows_it(
    finished: Campaign, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "compare [1]"
    arguments = ["--threads", "1", "--seeds", "2", "--jobs", "1", "--output", str(folder)]
    assert main(["compare", "tests.support.tiny_problem:Pixels", *arguments]) == 0
    out = " ".join(capsys.readouterr().out.split())
    for text in (
        "6 of 6 random, seed 1: 7 networks",
        "too few seeds to say",
        f"report: {folder / 'report.md'}, picture: {folder / 'fronts.png'}",
    ):
        assert text in out, text
    assert_same_runs(finished, Campaign.open(folder))
    shown = list(csv.DictReader(io.StringIO((folder / "runs.csv").read_text())))
    assert [row["hypervolume"] for row in shown] == [
        row["hypervolume"] for row in numbers(finished)
    ]
    before = times(folder)
    (folder / "report.md").unlink()
    assert main(["report", str(folder)]) == 0
    assert (folder / "report.md").is_file()
    assert times(folder) == before


def test_one_parent_for_all_and_latencies_one_run_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pymoo_prune.measuring.stopwatch.latencies", Meter())
    monkeypatch.setattr("pymoo_prune.comparing.jobs._make_at_once", None)
    given = Settings(
        problem="ecomp",
        algorithm="nsga2",
        options={"parent_widths": [16, 16], "parent_images": 3_000},
        objectives=["accuracy", "latency"],
        pop_size=4,
        budget=Budget(generations=1),
        threads=1,
        finish_images=100,
    )
    campaign = Campaign.create(tmp_path / "c", given, ["nsga2", "random"], [3], ["latency<=90%"])
    comparison, text = done(campaign, jobs=2)
    assert "one run at a time: others would disturb the latencies" in text
    assert "2 of 2  random, seed 3" in text
    assert comparison.axes == ["latency"]
    assert comparison.parent["latency"] > 0
    weights = (campaign.folder / "parent" / "network.pt").read_bytes()
    for name in ("nsga2-3", "random-3"):
        assert (campaign.folder / "runs" / name / "parent" / "network.pt").read_bytes() == weights
    # Baselines stand at the sizes of the union, and belong to the comparison alone.
    assert comparison.others
    assert all("finished_test_accuracy" in one.columns for one in comparison.others)
    again = Campaign.open(campaign.folder).comparison()
    for mine, theirs in zip(comparison.others, again.others, strict=True):
        assert mine.name == theirs.name
        for name, column in mine.columns.items():
            np.testing.assert_array_equal(column, theirs.columns[name])


@pytest.mark.slow
def test_an_engine_of_ones_own_by_name(tmp_path: Path) -> None:
    name = "tests.support.compared_problems:small_nsga2"
    campaign = created(tmp_path / "c", [name, f"{name}@accuracy,pixels"], [0])
    comparison, _ = done(campaign)
    assert comparison.methods == [name, f"{name}@accuracy,pixels"]
    assert [trial.evaluations for trial in comparison.trials] == [18, 18]
    folders = {path.name for path in (campaign.folder / "runs").iterdir()}
    assert folders == {f"{one.replace(':', '-')}-0" for one in comparison.methods}


def test_a_run_keeps_the_objectives_of_its_method(tmp_path: Path) -> None:
    name = "ga@accuracy=1,pixels=0.5"
    campaign = created(tmp_path / "c", [name], [2], constraints=["macs<=95%"])
    comparison, _ = done(campaign)
    run = Run.open(campaign.folder / "runs" / f"{name}-2")
    assert run.settings.objectives == WeightedSum({"accuracy": 1.0, "pixels": 0.5})
    assert comparison.trials[0].goal == "accuracy=1,pixels=0.5"
    assert (comparison.trials[0].columns["macs"] <= 0.95 * comparison.parent["macs"]).all()
    assert comparison.goals.names == ("accuracy", "parameters")


# More of it.


@pytest.mark.slow
def test_seeds_and_methods_are_added_without_repeating_a_run(
    finished: Campaign, tmp_path: Path
) -> None:
    folder = tmp_path / "grown"
    done(created(folder, ["ga", "random"], [1]))
    before = times(folder)
    grown = created(folder, ["nsga2"], [0])
    _, text = done(grown)
    assert "4 of 4" in text
    assert {name: time for name, time in times(folder).items() if name in before} == before
    assert [method.name for method in grown.plan.methods] == ["ga", "random", "nsga2"]
    assert grown.plan.seeds == Campaign.open(folder).plan.seeds == (0, 1)
    order = {row["method"] + row["seed"]: row for row in numbers(grown)}
    assert [order[row["method"] + row["seed"]] for row in numbers(finished)] == numbers(finished)


def test_other_bounds_change_the_table_alone(tmp_path: Path) -> None:
    folder = tmp_path / "bounds"
    first, _ = done(created(folder, ["ga"], [0]))
    before = times(folder)
    again, text = done(created(folder, ["ga"], [0], ["macs<=50%"]))
    assert [str(bound) for bound in again.bounds] == ["macs<=50%"] != [str(b) for b in first.bounds]
    assert (times(folder), text) == (before, "")
    assert [str(bound) for bound in Campaign.open(folder).comparison().bounds] == ["macs<=50%"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pop_size": 9}, "pop_size is 8 there and 9 here"),
        ({"budget": Budget(evaluations=9)}, r"budget is \{'generations': 3, .* here"),
        ({"constraints": ["macs<=50%"]}, r"constraints is \[\] there and \['macs<=50%'\] here"),
        ({"objectives": ["accuracy"]}, r"objectives is None there and \['accuracy'\] here"),
        ({"seed": 1, "threads": 2}, "seed is 0 there and 1 here, threads is 1 there and 2 here"),
    ],
)
def test_other_settings_are_refused_by_name(
    finished: Campaign, changes: dict[str, Any], message: str
) -> None:
    plan = (finished.folder / "comparison.json").read_bytes()
    with pytest.raises(StoreError, match=f"with other settings: .*{message}; give the same"):
        created(finished.folder, seeds=[7], **changes)
    assert (finished.folder / "comparison.json").read_bytes() == plan


def test_a_folder_with_something_else_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    for folder in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(StoreError, match="is there already, and is no comparison; give anoth"):
            created(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


# Impossible comparisons.


def untouched(campaign: Campaign) -> bool:
    return not (campaign.folder / "runs").exists()


@pytest.mark.parametrize(
    ("methods", "given", "message"),
    [
        (["nsga2", "ga@accuracy,macs"], {}, "'ga' needs one objective, but the problem has 2"),
        (["nsga2", "own"], {}, "no algorithm of its own"),
        (["nsga2@mac"], {}, r"unknown objective 'mac'.*Did you mean 'macs'\?"),
        (["nsga2"], {"objectives": ["speed"]}, "unknown objective 'speed'"),
        (["nsga2"], {"constraints": ["mac<=20%"]}, "unknown constrained quantity 'mac'"),
        (["nsga2"], {"options": {"pase": 1}}, "unknown option of Pixels 'pase'"),
        (["nsga2"], {"bounds": ["mac<=20%"]}, "unknown size to bound 'mac'"),
        (["nsga2"], {"bounds": ["accuracy>=0.5"]}, "must bound a size"),
        (["ga", "random"], {"problem": "compared_problems:NoRandom"}, "what a random candidate is"),
    ],
)
def test_what_cannot_be_searched_is_refused_first_and_leaves_the_place_free(
    tmp_path: Path, methods: list[str], given: dict[str, Any], message: str
) -> None:
    campaign = created(tmp_path / "c", methods, **given)
    with pytest.raises(PruneError, match=message):
        campaign.execute(Console(quiet=True))
    assert not (tmp_path / "c").exists()


def test_an_error_leaves_a_comparison_that_was_there(tmp_path: Path) -> None:
    plan = created(tmp_path / "c", ["nsga2"], options={"pase": 1}).folder / "comparison.json"
    before = plan.read_bytes()
    # As after a kill while the parent was trained.
    for there in (Campaign.open(tmp_path / "c"), created(tmp_path / "c", options={"pase": 1})):
        with pytest.raises(PruneError, match="unknown option of Pixels 'pase'"):
            there.execute(Console(quiet=True))
        assert plan.read_bytes() == before


@pytest.mark.parametrize(
    ("methods", "bounds", "message"),
    [
        (["nsga2"], ["accuracy>=0.5"], "accuracy>=0.5 must bound a size"),
        (["nsga2"], ["mac<=20%"], r"unknown size to bound 'mac'.*Did you mean 'macs'\?"),
        (["nsga2", "ga@acuracy=1"], None, r"unknown objective 'acuracy'.*Did you mean 'accuracy'"),
        (["nsga2@accuracy,latency"], None, "Pixels does not measure latencies"),
        (["nsga2", "moead+rbf"], None, "algorithm 'moead' has no mating"),
    ],
)
def test_names_are_looked_up_before_a_parent_is_trained(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    methods: list[str],
    bounds: list[str] | None,
    message: str,
) -> None:
    monkeypatch.setattr("pymoo_prune.comparing.campaign.prepare_problem", None)
    campaign = created(tmp_path / "c", methods, bounds=bounds)
    with pytest.raises(PruneError, match=message):
        campaign.execute(Console(quiet=True))
    assert not (tmp_path / "c").exists()


def test_what_cannot_be_added_leaves_a_comparison_as_it_was(
    finished: Campaign, tmp_path: Path
) -> None:
    before, plan = times(finished.folder), (finished.folder / "comparison.json").read_bytes()
    for methods, bounds in ((["own"], None), (["nsga2"], ["mac<=3"])):
        with pytest.raises(PruneError, match=r"no algorithm of its own|unknown size"):
            created(finished.folder, methods, [5], bounds).execute(Console(quiet=True))
        assert (finished.folder / "comparison.json").read_bytes() == plan
        assert times(finished.folder) == before
        assert Campaign.open(finished.folder).complete


def test_an_engine_that_cannot_be_used_may_be_left_out_the_next_time(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    campaign = created(folder, ["nsga2", "own"], [0])
    (folder / "latency.sqlite").touch()  # something was measured by then, and is kept
    with pytest.raises(PruneError, match="no algorithm of its own"):
        campaign.execute(Console(quiet=True))
    assert untouched(campaign)
    mended = created(folder, ["nsga2"], [0])
    assert [method.name for method in mended.plan.methods] == ["nsga2"]
    done(mended)


@pytest.mark.parametrize(
    ("methods", "seeds", "message"),
    [
        ([], [0], "one method or more"),
        (["ga", "ga"], [0], "one method or more, each once"),
        (["ga"], [], "one seed or more"),
        (["ga"], [-1], "seeds must be at least 0"),
        (["gaa"], [0], r"unknown algorithm 'gaa'.*Did you mean 'ga'\?"),
    ],
)
def test_designs_that_cannot_be_make_no_folder(
    tmp_path: Path, methods: list[str], seeds: list[int], message: str
) -> None:
    with pytest.raises(PruneError, match=message):
        created(tmp_path / "c", methods, seeds)
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("jobs", [0, -2])
def test_runs_at_once_are_one_or_more(finished: Campaign, jobs: int) -> None:
    with pytest.raises(PruneError, match=f"jobs must be at least 1, but it is {jobs}"):
        finished.execute(Console(quiet=True), jobs=jobs)


# Runs that find nothing.


@pytest.mark.slow
def test_a_run_that_finds_nothing_is_reported_kept_and_not_made_again(tmp_path: Path) -> None:
    campaign = created(tmp_path / "c", problem="compared_problems:Tiny")
    comparison, text = done(campaign)
    assert "5 of 6  random, seed 0: all 24 candidates failed, for example: the training" in text
    why = campaign.folder / "runs" / "random-0" / "nothing.txt"
    assert why.read_text().startswith("all 24 candidates failed")
    assert comparison.of("random", SEARCHED).tolist() == [0, 0]
    assert (comparison.of("nsga2", SEARCHED) > 0).all()
    assert {trial.evaluations for trial in comparison.trials} == {24}
    before = times(campaign.folder)
    assert done(Campaign.open(campaign.folder))[1] == ""
    assert times(campaign.folder) == before
    verdict = report_of_campaign(campaign).verdict()
    assert "2 of 2 runs of random found nothing, which counts as 0" in verdict


def test_when_all_runs_find_nothing_that_is_an_error(tmp_path: Path) -> None:
    campaign = created(tmp_path / "c", ["nsga2"], constraints=["accuracy>=0.999"])
    with pytest.raises(PruneError, match="nothing to compare: no run found a network"):
        campaign.execute(Console(quiet=True))
    before = times(campaign.folder)
    with pytest.raises(PruneError, match="nothing to compare"):
        Campaign.open(campaign.folder).execute(Console(quiet=True))
    assert times(campaign.folder) == before
    assert not campaign.complete
