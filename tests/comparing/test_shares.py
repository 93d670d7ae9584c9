"""What the searches of a comparison add to their first populations and the rivals."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from pymoo_prune import Budget, Run, Series
from pymoo_prune.comparing import Campaign, HypervolumeOptions, compare, meaning, tables
from pymoo_prune.comparing.folders import report_of_campaign, report_of_runs
from pymoo_prune.comparing.page import write_page
from pymoo_prune.comparing.pictures import first_population
from pymoo_prune.results import FIRST_POPULATION
from tests.support.campaigns import done
from tests.support.known_shares import (
    FIRST,
    PIXELS,
    RIVAL,
    KnownWithRival,
    area,
    data,
    settings,
)
from tests.support.made_up_runs import HIGH, MIXED, cells, front, report, runs
from tests.support.running import quiet

METHODS, SEEDS = ["nsga2", "spea2"], [0, 1]
SHARE = 1 - area(*FIRST, RIVAL) / area(*range(FIRST[0], PIXELS + 1))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    folder = tmp_path_factory.mktemp("shares") / "finished"
    campaign = Campaign.create(folder, settings(), METHODS, SEEDS)
    done(campaign)
    return campaign


def test_every_run_has_a_first_population_of_its_own(finished: Campaign) -> None:
    trials = finished.trials()
    assert len(trials) == 4
    for trial in trials:
        assert trial.first is not None
        assert trial.first["parameters"].tolist() == list(FIRST)
    assert [one.name for one in finished.shared().series] == ["one network"]


def test_the_shares_of_a_comparison_are_exact(finished: Campaign, tmp_path: Path) -> None:
    shown = report_of_campaign(finished)
    comparison = shown.comparison
    assert pytest.approx(0.09 / 0.46) == SHARE
    assert comparison.shares == pytest.approx([SHARE] * 4)
    *methods, rival = cells(tables.quality_rows(comparison))
    assert [row["adds"] for row in methods] == ["19.6\u00a0%"] * 2
    assert rival["adds"] == ""
    sentence = (
        "To its first population and the rivals that need no search, a search adds this share of "
        "the hypervolume of all together, on average over its runs: nsga2 19.6\u00a0% and spea2 "
        "19.6\u00a0%."
    )
    assert sentence in shown.verdict()
    assert '"adds" is the share that a search adds' in meaning(comparison)
    page = shown.write(tmp_path).read_text()
    html = write_page(shown, tmp_path).read_text()
    assert sentence in page
    assert sentence.replace("\u00a0", " ") in html.replace("\u00a0", " ")
    rows = list(csv.DictReader(io.StringIO(tables.indicators_csv(comparison))))
    assert [float(row["share that the search adds"]) for row in rows] == list(comparison.shares)


def test_pictures_show_the_first_population_of_the_method_that_leads(finished: Campaign) -> None:
    comparison = finished.comparison()
    leader = comparison.leader()
    (one,) = first_population(comparison)
    assert one.name == f"first population of {leader}"
    assert one.columns["parameters"].tolist() == list(FIRST)
    assert first_population(comparison, {leader: "L"})[0].name == "first population of L"
    assert first_population(report(runs("ga", 0.5)).comparison) == []


@pytest.mark.slow
def test_python_has_the_same_shares(finished: Campaign) -> None:
    problem = KnownWithRival(data())
    budget = settings().budget
    found = compare(problem, METHODS, budget, seeds=SEEDS, pop_size=8)
    assert found.shares.tolist() == finished.comparison().shares.tolist()


def test_runs_that_were_made_one_by_one_keep_their_first_populations(tmp_path: Path) -> None:
    folders = [tmp_path / "whole", tmp_path / "short"]
    for folder, generations in zip(folders, (20, 1), strict=True):
        given = settings(budget=Budget(generations=generations), baselines=True)
        Run.create(folder, given).execute(quiet())
    shown = report_of_runs(folders)
    assert [one.name for one in shown.comparison.others] == ["one network"]
    assert shown.comparison.shares == pytest.approx([SHARE, 0])
    assert FIRST_POPULATION not in shown.comparison.methods


def test_older_folders_say_nothing_of_it(finished: Campaign, tmp_path: Path) -> None:
    trials = [replace(trial, first=None) for trial in finished.trials()]
    with_shares = finished.comparison()
    older = report(
        trials,
        with_shares.others,
        goals=with_shares.goals,
        quantities=with_shares.quantities,
        parent=with_shares.parent,
    )
    assert np.isnan(older.comparison.shares).all()
    assert "adds" not in older.verdict()
    page = older.write(tmp_path).read_text()
    assert "adds" not in page
    assert "adds" not in tables.quality_rows(older.comparison)[0]
    assert "share that" not in tables.indicators_csv(older.comparison)


def test_a_run_that_does_not_know_it_has_none(finished: Campaign, tmp_path: Path) -> None:
    copies = []
    for trial in finished.trials()[:2]:
        copy = tmp_path / Path(trial.origin).name
        copy.mkdir()
        for name in ("run.json", "summary.json", "front.csv", "evaluations.sqlite"):
            (copy / name).write_bytes((Path(trial.origin) / name).read_bytes())
        copies.append(copy)
    summary = json.loads((copies[0] / "summary.json").read_text())
    del summary["first_population"]
    (copies[0] / "summary.json").write_text(json.dumps(summary))
    front = (copies[0] / "front.csv").read_text().splitlines(keepends=True)
    there = [line for line in front if not line.startswith(FIRST_POPULATION)]
    assert len(there) < len(front)
    (copies[0] / "front.csv").write_text("".join(there))
    shown = report_of_runs(copies)
    assert math.isnan(shown.comparison.shares[0])
    (row,) = cells(tables.quality_rows(shown.comparison))
    # Without the rival, which belongs to the comparison.
    before, together = area(*FIRST), area(*range(FIRST[0], PIXELS + 1))
    assert row["adds"] == f"{100 - 100 * before / together:.1f}\u00a0% (1 of 2)"
    assert "To its first population, a search adds" in shown.verdict()


def test_runs_that_found_nothing_add_nothing() -> None:
    ga = [replace(one, first=front([0.5], [0.4])) for one in runs("ga", 0.6)]
    shown = report([*ga, *runs("nsga2", 0)], [Series("L1", front([0.5], [0.8]))])
    before, together = 0.5 * 0.6, 0.6  # the front has (1, .4), which dominates both
    assert shown.comparison.shares == pytest.approx([1 - before / together, 0])
    assert [row["adds"] for row in cells(tables.quality_rows(shown.comparison))] == [
        "50.0\u00a0%",
        "0.0\u00a0%",
        "",
    ]


def test_shares_are_taken_with_the_options_of_hypervolumes() -> None:
    options = HypervolumeOptions.parse(["accuracy=.5"], log=["parameters"])
    first = front([0.75], [0.1])
    ga = [replace(one, first=first) for one in runs("ga", 0.6)]
    shown = report(ga, volumes=options)
    # The front has (1, .4), where the logarithmic axis begins; the first population is before.
    assert shown.comparison.shares == pytest.approx([0.5])
    zero = [replace(one, first=front([0.75], [0.0])) for one in ga]
    assert report(zero, volumes=options).comparison.shares == pytest.approx([0.5])


def test_the_table_with_shares_fits_into_a_terminal() -> None:
    finished = {"finished_accuracy": np.ones(1), "finished_test_accuracy": np.ones(1)}
    trials = [
        replace(one, columns={**one.columns, **finished}, first={**front([0.5], [0.4]), **finished})
        for one in [*runs("nsga2", *HIGH), *runs("random", *MIXED)]
    ]
    console = Console(file=io.StringIO(), width=80)
    for table in report(trials).tables():
        console.print(table)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert max(map(len, lines)) <= 80
    assert any(line.endswith("\u00a0%") and ".8300 ± .0158" in line for line in lines)


def test_random_search_is_no_rival_without_search() -> None:
    ga = [replace(one, first=front([0.5], [0.4])) for one in runs("ga", 0.6)]
    best = Series("random search", front([1.0], [0.1]))
    assert report(ga, [best]).comparison.shares == pytest.approx([0.5])
