"""The first population beside the front, and what the search itself adds."""

from __future__ import annotations

import json
import math
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pymoo_prune import Budget, Run
from pymoo_prune.cli import main
from pymoo_prune.executors import Processes
from pymoo_prune.page import anchor
from pymoo_prune.results import FIRST_POPULATION, read_csv
from pymoo_prune.runs import Report, words
from pymoo_prune.runs.report_front import FrontPart
from pymoo_prune.runs.report_page import write_page
from tests.support import known_shares
from tests.support.known_shares import (
    FIRST,
    PIXELS,
    RIVAL,
    Known,
    KnownInBatches,
    KnownWithRival,
    Many,
    area,
    settings,
)
from tests.support.older_folders import without_digests
from tests.support.running import assert_same_run, query, quiet

GROWN = range(FIRST[0], PIXELS + 1)
"""The sizes of the front of a whole search."""


def made(folder: Path, problem: type[Known] = KnownWithRival, **changes: Any) -> Report:
    run = Run.create(folder, settings(problem, **changes))
    run.execute(quiet())
    return Report(run)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("share") / "run", finish_images=7).findings.run.folder


@pytest.fixture
def report(folder: Path) -> Report:
    return Report(Run.open(folder))


def sizes(report: Report, name: str) -> list[float]:
    (one,) = [one for one in report.findings.series if one.name == name]
    return sorted(one.columns["parameters"])


def test_the_first_population_stands_beside_the_front(report: Report) -> None:
    names = [one.name for one in report.findings.series]
    assert names == ["this search", "one network", FIRST_POPULATION]
    assert sizes(report, "this search") == list(GROWN)
    first = report.findings.series[-1]
    assert first.columns.keys() == report.findings.front.columns.keys()
    assert first.columns["parameters"].tolist() == list(FIRST)
    for column in ("accuracy", "test_accuracy", "finished_accuracy", "finished_test_accuracy"):
        assert first.columns[column].tolist() == [size / PIXELS for size in FIRST]
    # The networks of the front are the same ones.
    front = report.findings.front.columns
    rows = [front["parameters"].tolist().index(size) for size in FIRST]
    assert front["evaluation"][rows].tolist() == first.columns["evaluation"].tolist() == [6, 7]


def test_the_share_is_exact(folder: Path, report: Report) -> None:
    gain = report.findings.gain
    assert gain is not None
    before, together = area(*FIRST, RIVAL), area(*GROWN)
    assert (before, together) == (pytest.approx(0.37), pytest.approx(0.46))
    assert (gain.before, gain.together) == (pytest.approx(before), pytest.approx(together))
    assert gain.added == pytest.approx(0.09)
    assert gain.share == pytest.approx(0.09 / 0.46)
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["search_share"] == {
        "accuracy": "finished_test_accuracy",
        "axes": ["parameters"],
        "before": gain.before,
        "together": gain.together,
        "share": gain.share,
        "test_images": PIXELS,
    }
    assert summary["first_population"] == {"candidates": 8, "nondominated": 2, "shown": 2}


@pytest.mark.slow
def test_the_verdict_and_every_page_have_the_share(
    folder: Path, report: Report, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sentence = (
        "The first population and the rivals that need no search have 80.4\u00a0% of the "
        "hypervolume; the search adds 19.6\u00a0%."
    )
    assert words.share(report.findings) == sentence
    assert report.verdict() == f"{words.verdict(report.findings)} {sentence}"
    rows = {row[0]: row[1:] for row in report.volume_rows()[1]}
    assert rows["before the search"] == ("3", "0.3700", "0.3700")
    added = "0.0900 (19.6\u00a0%)"
    assert rows["the search adds"] == ("", added, added)
    report.write(tmp_path)
    page = (tmp_path / "report.md").read_text()
    html = write_page(report, tmp_path).read_text()
    assert main(["report", str(folder), "--output", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    for text in (page, html, out):
        assert sentence.replace("\u00a0", " ") in " ".join(text.split())
        assert added in text
        assert FIRST_POPULATION in text
    origin = f"evaluations of the first generation, numbered from 0, of {folder}"
    assert f"- first population: {origin} (`evaluations.sqlite`), seed 0" in page
    assert "what the search adds is" in words.meaning(report.findings)


def test_points_of_the_first_population_lead_to_the_same_networks(report: Report) -> None:
    page = FrontPart(report)
    front, rival, first = report.findings.series
    rows = [front.columns["parameters"].tolist().index(size) for size in FIRST]
    assert page._links(first) == [f"#{anchor(row)}" for row in rows]
    first.columns["evaluation"][0] = 1_000
    assert page._links(first) == ["#methods", f"#{anchor(rows[1])}"]
    assert page._links(rival) == ["#methods"]


def test_the_first_population_does_not_decide_the_verdict(tmp_path: Path) -> None:
    report = made(tmp_path / "run", Known, budget=Budget(generations=1))
    assert [one.name for one in report.findings.series] == ["this search", FIRST_POPULATION]
    assert words.verdict(report.findings).startswith("There is nothing to compare the search with")


def test_a_search_that_adds_nothing_says_so(tmp_path: Path) -> None:
    report = made(tmp_path / "run", budget=Budget(generations=1))
    assert report.findings.gain is not None
    assert report.findings.gain.share == report.findings.gain.added == 0
    sentence = "The search adds nothing to what was there before its first generation."
    assert words.share(report.findings) == sentence
    assert sentence in (report.write()).read_text()
    assert report.volume_rows()[1][-1][-1] == "0.0000 (0.0\u00a0%)"


@pytest.mark.parametrize("evaluations", [3, 20])
def test_a_resumed_run_has_the_same_first_population(
    folder: Path, tmp_path: Path, evaluations: int
) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    (copy / "summary.json").unlink()
    query(copy, f"DELETE FROM history WHERE number >= {evaluations}")  # noqa: S608
    query(copy, "DELETE FROM generations")
    query(copy, "DELETE FROM measurements WHERE digest NOT IN (SELECT digest FROM history)")
    Run.open(copy).execute(quiet())
    assert_same_run(folder, copy)


@pytest.mark.slow
def test_workers_change_nothing(folder: Path, tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", settings(finish_images=7))
    with Processes(2) as executor:
        run.execute(quiet(), executor=executor)
    assert_same_run(folder, tmp_path / "run")


def test_what_the_front_has_is_not_retrained_again(tmp_path: Path) -> None:
    known_shares.Known.retrained.clear()
    made(tmp_path / "run", Known, finish_images=7)
    assert sorted(known_shares.Known.retrained) == list(GROWN)


def test_at_most_twelve_networks_are_spread_over_the_sizes(tmp_path: Path) -> None:
    report = made(tmp_path / "run", Many, pop_size=18)
    assert sizes(report, "this search") == list(range(3, PIXELS + 1))
    first = sizes(report, FIRST_POPULATION)
    assert (len(first), first[0], first[-1]) == (12, 3, PIXELS)
    assert max(np.diff(first)) == 2
    expected = {"candidates": 18, "nondominated": 18, "shown": 12}
    assert report.findings.summary["first_population"] == expected
    assert report.origins()[FIRST_POPULATION].endswith("; 12 of 18 networks that none dominates")


def test_networks_of_the_front_are_not_left_out(tmp_path: Path) -> None:
    report = made(tmp_path / "run", Many, pop_size=18, budget=Budget(generations=1))
    assert sizes(report, FIRST_POPULATION) == sizes(report, "this search") == list(range(3, 21))
    assert words.share(report.findings).startswith("The search adds nothing")


@pytest.mark.slow
def test_candidates_that_break_constraints_are_left_out(tmp_path: Path) -> None:
    report = made(tmp_path / "a", constraints=["parameters>=5"])
    assert sizes(report, FIRST_POPULATION) == [10]
    report = made(tmp_path / "b", constraints=["parameters>=11"])
    assert [one.name for one in report.findings.series] == ["this search", "one network"]
    expected = {"candidates": 8, "nondominated": 0, "shown": 0}
    assert report.findings.summary["first_population"] == expected
    assert words.share(report.findings).startswith("The rivals that need no search have ")
    report = made(tmp_path / "c", Known, constraints=["parameters>=11"])
    assert words.share(report.findings) == (
        "Nothing was there before the first generation: all of the hypervolume is the search's."
    )


def test_approximate_measurements_are_made_in_full(tmp_path: Path) -> None:
    report = made(tmp_path / "run", KnownInBatches)
    first = report.findings.series[-1]
    assert first.columns["accuracy"].tolist() == [size / PIXELS for size in FIRST]
    assert "evaluation" not in first.columns
    assert report.origins()[FIRST_POPULATION].startswith("the first generation of ")


def test_a_gain_within_the_noise_of_the_accuracy_is_called_so(report: Report) -> None:
    findings = report.findings
    (rival,) = [one for one in findings.series if one.name == "one network"]
    for name, column in findings.front.columns.items():
        rival.columns[name] = column.copy()
    error = math.sqrt(0.25 / PIXELS)
    rival.columns["finished_test_accuracy"] -= error / 2
    noise = ", no more than the standard error of an accuracy on 20 images"
    assert noise not in words.share(findings)  # near 100 % the error is smaller
    best = findings.front.columns["finished_test_accuracy"]
    best[:] = np.clip(best, 0.3, 0.7)
    rival.columns["finished_test_accuracy"] = best - error / 2
    assert re.search(rf"the search adds \d+\.\d\u00a0%{noise}\.$", words.share(findings))


def test_folders_of_older_versions_say_nothing_of_it(folder: Path, tmp_path: Path) -> None:
    copy = without_digests(Path(shutil.copytree(folder, tmp_path / "copy")))
    summary = json.loads((copy / "summary.json").read_text())
    del summary["search_share"], summary["first_population"]
    (copy / "summary.json").write_text(json.dumps(summary))
    lines = (copy / "front.csv").read_text().splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith(FIRST_POPULATION)]
    (copy / "front.csv").write_text("".join(kept))
    assert [one.name for one in read_csv(copy / "front.csv")] == ["this search", "one network"]
    report = Report(Run.open(copy))
    assert report.findings.gain is None
    assert report.verdict() == words.verdict(report.findings)
    assert report.volume_rows() == report.method_rows()
    assert "first" not in report.page()
    assert "search adds" not in report.page()


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (0.9999, "have more than 99.9\u00a0% of the hypervolume; the search adds less than 0.1"),
        (0.5, "have 50.0\u00a0% of the hypervolume; the search adds 50.0\u00a0%."),
    ],
)
def test_small_shares_are_not_called_zero(
    report: Report, monkeypatch: pytest.MonkeyPatch, before: float, expected: str
) -> None:
    from pymoo_prune.results import Gain
    from pymoo_prune.runs.findings import Findings

    monkeypatch.setattr(Findings, "gain", Gain(before, 1.0))
    monkeypatch.setattr(Findings, "gain_within_noise", False)
    assert expected in words.share(report.findings)
