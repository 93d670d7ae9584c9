"""Runs in which candidates fail, and baselines that find nothing."""

from __future__ import annotations

import io
import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from pymoo_prune import Data, Front, Run
from pymoo_prune.chromosomes import Array
from pymoo_prune.cli import main
from pymoo_prune.measuring import accuracy
from pymoo_prune.networks import FeedForward
from pymoo_prune.results import baseline_series, simple_series
from pymoo_prune.runs.summary import failure_notes
from pymoo_prune.search import Display
from pymoo_prune_problems import EComp
from tests.support.running import assert_same_run, query, quiet
from tests.support.tiny_problem import AllFailing, FailingPixels, Pixels, pixels_run


def cut_short(folder: Path, kept: int) -> None:
    """Leaves a run as if it was killed after so many evaluations."""
    (folder / "summary.json").unlink()
    query(folder, f"DELETE FROM history WHERE number >= {kept}")  # noqa: S608
    query(folder, "DELETE FROM generations WHERE generation > 1")
    asked = "SELECT digest FROM history"
    query(folder, f"DELETE FROM measurements WHERE digest NOT IN ({asked})")  # noqa: S608


@pytest.mark.slow
def test_a_run_goes_on_without_failed_candidates_and_resumes_to_the_same(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    assert main(pixels_run(whole, "--generations", "4", problem=FailingPixels)) == 0
    failed = query(
        whole,
        "SELECT DISTINCT digest FROM history JOIN measurements USING (images, digest) "
        "WHERE failure = 'the training diverged: its last loss is nan' AND accuracy IS NULL "
        "AND parameters IS NOT NULL",
    )
    summary = json.loads((whole / "summary.json").read_text())
    reasons = {"the training diverged: its last loss is nan": len(failed)}
    assert 0 < len(failed) < summary["evaluations"] == 32
    assert summary["failed"] == {"candidates": len(failed), "reasons": reasons}
    kept = query(whole, "SELECT COUNT(*) FROM measurements WHERE failure IS NOT NULL")[0][0]
    assert kept > len(failed)  # those of random search are in no summary
    front = Run.open(whole).front(quiet())
    assert not any(front.problem.fails(x) for x in front.X)
    for evaluations in (5, 12):
        folder = Path(shutil.copytree(whole, tmp_path / str(evaluations)))
        cut_short(folder, evaluations)
        assert main(["resume", str(folder)]) == 0
        assert_same_run(whole, folder)


def test_a_run_in_which_all_fail_says_why_and_can_be_looked_at(
    tmp_path: Path, failed: Callable[..., str]
) -> None:
    run = pixels_run(tmp_path / "run", "--generations", "2", problem=AllFailing)
    for arguments in (run, ["resume", str(tmp_path / "run")]):
        assert "all 16 candidates failed, for example: the training div" in failed(*arguments)
    assert query(tmp_path / "run", "SELECT COUNT(*) FROM measurements WHERE failure != ''") == [
        (16,)
    ]


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [
        ({"it is empty": 1}, "1 candidate failed in 2,000 evaluations: it is empty (1×)."),
        (
            {"a": 1, "b": 5, "c": 2, "d": 1},
            "9 candidates failed in 2,000 evaluations: b (5×), c (2×), a (1×), other reasons (1×).",
        ),
    ],
)
def test_what_is_said_about_failed_candidates(reasons: dict[str, int], expected: str) -> None:
    (note,) = failure_notes(Counter(reasons), 2_000)
    assert note == f"{expected} Failed candidates rank last, and are in no table."
    assert failure_notes(Counter(), 2_000) == []


@pytest.mark.parametrize(
    ("problem_class", "constraints", "message"),
    [
        (FailingPixels, (), "all 8 candidates failed, for example: the training diverged"),
        (Pixels, ["accuracy>=0.3"], "no candidate keeps the constraints"),
    ],
)
def test_random_search_that_finds_nothing_is_left_out(
    digits: Data, problem_class: type[Pixels], constraints: list[str], message: str
) -> None:
    class Unlucky(problem_class):
        def random(self, n: int, generator: np.random.Generator) -> Array:
            return np.eye(self.n_var, dtype=bool)[generator.permutation(self.n_var)[:n]]

    problem = Unlucky(digits, constraints=constraints)
    X = np.ones((1, problem.n_var), dtype=bool)
    front = Front.from_candidates(problem, X, problem.measured(X)).finish()
    console = Console(record=True, quiet=False, width=200, file=io.StringIO())
    series = baseline_series(
        problem,
        front,
        store=None,
        evaluations=8,
        pop_size=8,
        seed=0,
        images=0,
        display=Display(console),
    )
    assert series == []
    assert f"random search is left out: {message}" in console.export_text()


def test_what_a_baseline_loses_is_against_the_parent_on_the_same_images(
    digits: Data, parent: FeedForward
) -> None:
    problem = EComp(digits, parent=parent, search_images=50, recovery="none")
    X = np.ones((1, problem.n_var), dtype=bool)
    X[:, ::2] = False
    front = Front.from_candidates(problem, X, problem.measured(X))
    found = simple_series(
        problem, front.columns, seed=0, images=0, display=Display(Console(quiet=True))
    )
    whole = accuracy(parent, digits.validation)
    assert whole != problem.parent_values["accuracy"], "the search has fewer images"
    for one in found:
        lost = whole - one.columns["accuracy"]
        assert one.columns["accuracy_drop"] == pytest.approx(lost, abs=1e-12), one.name
