"""Studies with a problem whose images have no labels."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from pymoo_prune import Data
from pymoo_prune.cli import main
from pymoo_prune.networks import FeedForward
from pymoo_prune.objectives import hypervolume
from pymoo_prune.studies import Study
from tests.support import bibtex
from tests.support.studies import NEURONS, written
from tests.support.unlabelled import small_searches

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def study(digits: Data, parent: FeedForward, tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("unlabelled")
    command = ["compare", "ecomp", NEURONS, *small_searches(digits, parent, folder)]
    command += ["--algorithms", "nsga2", "--seeds", "2", "--evaluations", "16", "--jobs", "1"]
    # The objectives are the problem's own; only the images say that they have no accuracy.
    head = ["seed", "evaluation", "divergence", "width"]
    lines = [[seed, n, 2.0 / n, 0.1 * n] for seed in (0, 1) for n in range(1, 9)]
    path = written(folder / "ecomp.csv", head, lines)
    command += ["--outside", f"mine={path}", "--reference", "divergence=2.5"]
    assert main([*command, "--output", str(folder / "study")]) == 0
    return Study.open(folder / "study")


def test_runs_and_results_from_elsewhere_are_compared_by_divergence(study: Study) -> None:
    results = study.results()
    assert results.missing == 0
    task = next(task for task in results.tasks if task.name == "ecomp")
    assert task.objectives == ("divergence", "width")
    assert "divergence" in task.measure
    assert {course.method for course in task.courses} == {"nsga2", "random", "mine"}
    assert task.best == pytest.approx(hypervolume(task.front))
    for course in task.courses:
        assert course.costs is not None
        assert 0 < course.value <= task.best
    mine = next(iter(task.of("mine")))
    np.testing.assert_allclose(mine.costs[:, 0], [2 / n / 2.5 for n in range(1, 9)])


def test_the_report_is_written(study: Study, tmp_path: Path) -> None:
    assert main(["report", str(study.folder), "--html", "--output", str(tmp_path / "out")]) == 0
    page = (tmp_path / "out" / "report.md").read_text()
    assert "hypervolume (reference divergence 2.5) (ecomp)" in page
    html = (study.folder / "problems" / "ecomp" / "report.html").read_text()
    assert "accuracies are unknown: networks are judged by their divergence" in html


def test_all_evaluations_and_what_to_cite(
    study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "all.csv"
    assert main(["data", str(study.folder), "--format", "csv", "--output", str(path)]) == 0
    with path.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["problem"] == "ecomp"]
    assert len(rows) == 2 * 2 * 16
    assert all(float(row["divergence"]) >= 0 for row in rows)
    assert not [row for row in rows if row.get("accuracy")]
    capsys.readouterr()
    assert main(["cite", str(study.folder)]) == 0
    assert {"vandenbeemt-ecomp", "hinton2015distilling"} <= bibtex.read(
        capsys.readouterr().out
    ).keys()


def test_columns_that_suit_neither_are_refused_before_anything_is_made(
    digits: Data, parent: FeedForward, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "ecomp.csv", ["seed", "evaluation", "loss", "width"], [[0, 1, 1, 1]])
    command = ["compare", "ecomp", *small_searches(digits, parent, tmp_path)]
    command += ["--outside", f"mine={path}", "--output", str(tmp_path / "study")]
    assert main(command) == 2
    assert "there is no column accuracy" in capsys.readouterr().err
    assert not (tmp_path / "study" / "problems").exists()
